"""PostgreSQL that syncs its log, registry and coordinator, and what they take of the machine."""
import pathlib
import resource
import socket
import time

from lib import devices
from lib.machine import TICK
from lib.processes import Child, Failed
from lib.report import ROOT

PG = ROOT / "deploy/dev/pg_cluster.sh"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid):
    """Of one process, as /proc knows them now."""
    out = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                out.append(int(entry.name))
    return out


def cpu_seconds(pid, ended_children=False):
    """None of a process that is gone: its parent has it."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(int(field) for field in fields[11:15 if ended_children else 13]) / TICK


def memory_mib(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


class ControlPlane:
    """For a `with`: everything below `folder` is thrown away before."""

    def __init__(self, build, folder):
        self.bin = pathlib.Path(build).resolve() / "bin"
        self.folder = pathlib.Path(devices.fresh_folder(folder))
        self.ports = {name: free_port() for name in ("registry", "enrollment", "replication", "jobs")}
        self.services = {}
        self.database = None

    def __enter__(self):
        # One connection each of ten thousand agents.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.database = devices.command("env", "GODWIT_PG_FSYNC=on", PG, "start", self.folder / "pg").strip()
        devices.command(self.bin / "godwit-migrate", "--database", self.database)
        registry = self.bin / "godwit-registry"
        devices.command(registry, "ca-init", "--dir", self.folder / "ca")
        for name, identity in (("registry", "service/registry"), ("replication", "service/replication"), ("admin", "user/admin/bench")):
            self.issue(name, identity)
        self.start("registry")
        self.start("replication")
        return self

    def __exit__(self, *_):
        for service in self.services.values():
            service.terminate()
        devices.command(PG, "destroy", self.folder / "pg")

    def issue(self, name, identity):
        folder = self.folder / "tls" / name
        devices.command(self.bin / "godwit-registry", "ca-issue", "--dir", self.folder / "ca", "--identity", identity, "--out", folder)
        return folder

    def at(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def start(self, name):
        words = [self.bin / f"godwit-{name}", "--tls-dir", self.folder / "tls" / name, "--database", self.database, "--listen", self.at(name)]
        if name == "registry":
            words += ["--ca-dir", self.folder / "ca", "--enroll-listen", self.at("enrollment"), "--replication", self.at("replication"),
                      "--jobs", self.at("jobs"),  # nobody is there: nothing is launched
                      "--advertise", self.at("registry"), "--advertise-replication", self.at("replication"),
                      "--quota-active-source-servers", "1000000", "--quota-unarchived-source-servers", "1000000",
                      "--quota-source-servers", "1000000"]
        else:
            words += ["--registry", self.at("registry")]
        log = self.folder / f"{name}.log"
        offset = log.stat().st_size if log.exists() else 0
        self.services[name] = Child(words, log)
        deadline = time.monotonic() + 60
        while b'"serving"' not in log.read_bytes()[offset:]:
            if time.monotonic() > deadline or not self.services[name].running():
                raise Failed(f"godwit-{name} does not serve: {self.services[name].tail()}")
            time.sleep(0.05)

    def kill(self, name):
        self.services[name].kill()

    def postmaster(self):
        place = self.folder / "pg"
        elsewhere = place / "elsewhere"
        if elsewhere.exists():
            place = pathlib.Path(elsewhere.read_text(encoding="ascii").strip())
        return int((place / "data/postmaster.pid").read_text(encoding="ascii").split()[0])

    def query(self, sql):
        return devices.command("psql", "-XAtq", "-d", self.database, "-c", sql).strip()

    def counters(self):
        """Processor seconds of each, commits and bytes of log of the database so far."""
        postmaster = self.postmaster()
        commits, wal = self.query("select xact_commit, (select wal_bytes from pg_stat_wal) from pg_stat_database "
                                  "where datname = current_database()").split("|")
        return {"database": cpu_seconds(postmaster, True) + sum(cpu_seconds(pid) for pid in children_of(postmaster)),
                "registry": cpu_seconds(self.services["registry"].pid), "replication": cpu_seconds(self.services["replication"].pid),
                "commits": int(commits), "wal": float(wal), "time": time.monotonic()}

    def memory(self):
        return {name: memory_mib(service.pid, "VmHWM") for name, service in self.services.items()}

    def database_bytes(self):
        return int(self.query("select pg_database_size(current_database())"))


def rates(before, after):
    """Cores, commits and bytes a second between two counters()."""
    seconds = after["time"] - before["time"]
    return {key: (after[key] - before[key]) / seconds for key in before if key != "time"}

