"""A whole control plane of real processes over one real PostgreSQL: as many copies of each service as wanted.

PostgreSQL keeps what it acknowledged through a crash of its own (synchronous_commit on). Programs: the ones of this build. Not
thread-safe; processes are started by the main thread.
"""
import os
import pathlib
import shutil
import tempfile

import api
from processes import Process, free_port, run

SERVICES = ("registry", "replication", "conversion", "jobs", "gateway")
LEASE = 6  # seconds, of workers
JOB_LEASE = 3


class Rig:
    def __init__(self, source, binaries, copies=2, database_through=None, lease=LEASE):
        """`database_through`: a function (service, copy, conninfo) -> the conninfo that this copy gets."""
        self.source, self.bin, self.copies, self.lease = pathlib.Path(source), pathlib.Path(binaries), copies, lease
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="godwit-test-"))
        self.dir.chmod(0o755)  # the database's user passes through
        for name in ("log", "tls", "machines", "store", "clients"):
            (self.dir / name).mkdir()
        os.environ["GODWIT_PG_FSYNC"] = "on"
        self.database_through = database_through or (lambda service, copy, conninfo: conninfo)
        self.ports, self.processes, self.clients = {}, {}, []
        self.hosts, self.prefixes = {}, {}  # by service: the address it serves on, what its command begins with
        self.options = {}  # by service: more of its command line
        self.programs, self.environments = {}, {}  # by process, as "registry-0": a folder of other programs, variables
        self.issue_environment = {}  # of ca-init and ca-issue
        self.certificate_options = []  # of ca-issue, for whom the test has no other
        self.identities = {}  # by folder: whose certificates are in it, and how they were issued
        self.follow_certificates = False  # clients connect anew when theirs was replaced
        self.conninfo = None

    # Start and end.

    def start(self, only=SERVICES):
        api.generate(self.source, self.dir / "protos")
        self.start_database()
        run(self.bin / "godwit-migrate", "--database", self.conninfo)
        run(self.bin / "godwit-registry", "ca-init", "--dir", self.dir / "ca", env={**os.environ, **self.issue_environment})
        run(self.bin / "godwit-replication-worker", "keys", "generate", "--master-key-file", self.dir / "master.keys")
        for service in SERVICES:
            self.certificate(f"service/{service}", self.dir / "tls" / service, "--server-name", "127.0.0.1")
            for copy in range(self.copies):
                for part in ("", "-metrics", "-enroll"):
                    self.ports[f"{service}{part}-{copy}"] = free_port()
        for service in only:
            for copy in range(self.copies):
                self.describe(service, copy)
                self.start_process(f"{service}-{copy}")
        for process in self.processes.values():
            process.await_serving()
        return self

    def end(self):
        for client in self.clients:
            client.close()
        for process in self.processes.values():
            process.kill()
        self.end_machines()
        self.postgres("stop", "immediate")  # nobody needs its last checkpoint
        self.postgres("destroy")
        shutil.rmtree(self.dir, ignore_errors=True)

    def end_machines(self):
        for pid in self.machine_processes():
            os.kill(pid, 9)

    def start_process(self, name):
        return self.processes[name].start(**self.environments.get(name, {}))

    def certificate(self, identity, folder, *more):
        self.identities[folder] = (identity, *more)
        run(self.bin / "godwit-registry", "ca-issue", "--dir", self.dir / "ca", "--identity", identity, "--out", folder,
            *self.certificate_options, *more, env={**os.environ, **self.issue_environment})
        return api.Tls(folder)

    # PostgreSQL.

    def postgres(self, *arguments):
        return run(self.source / "deploy/dev/pg_cluster.sh", arguments[0], self.dir / "pg", *arguments[1:]).strip()

    def start_database(self):
        self.conninfo = self.postgres("start")

    def database_folder(self):
        elsewhere = self.dir / "pg/elsewhere"
        return (pathlib.Path(elsewhere.read_text().strip()) if elsewhere.exists() else self.dir / "pg") / "data"

    def sql(self, query):
        """Rows as lists of texts; straight to the server, past any line that a test has in between."""
        out = run("psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, "-c", query)
        return [line.split("\t") for line in out.splitlines()]

    def number(self, query):
        return int(self.sql(query)[0][0])

    # Services.

    def endpoint(self, service, copy):
        return f"{self.hosts.get(service, '127.0.0.1')}:{self.ports[f'{service}-{copy}']}"

    def endpoints(self, service):
        return [self.endpoint(service, copy) for copy in range(self.copies)]

    def target(self, service):
        """All copies, for the channels of other services."""
        return "ipv4:" + ",".join(self.endpoints(service))

    def describe(self, service, copy):
        programs = pathlib.Path(self.programs.get(f"{service}-{copy}", self.bin))
        command = [*self.prefixes.get(service, []), programs / f"godwit-{service}", "--listen", self.endpoint(service, copy), "--tls-dir", self.dir / "tls" / service,
                   "--metrics-listen", f"127.0.0.1:{self.ports[f'{service}-metrics-{copy}']}"]
        if service != "gateway":
            command += ["--database", self.database_through(service, copy, self.conninfo)]
        peers = {"registry": ("jobs", "replication"), "replication": ("registry",), "conversion": ("registry",),
                 "jobs": ("registry", "replication", "conversion"), "gateway": ("registry", "replication", "jobs")}
        for peer in peers[service]:
            command += [f"--{peer}", self.target(peer)]
        command += {"registry": ["--enroll-listen", f"127.0.0.1:{self.ports[f'registry-enroll-{copy}']}", "--ca-dir", self.dir / "ca",
                                 "--master-key-file", self.dir / "master.keys", "--advertise", self.endpoint("registry", 0),
                                 "--advertise-replication", self.endpoint("replication", 0)],
                    "replication": ["--lease-duration", f"{self.lease}s"],
                    "conversion": ["--lease-duration", f"{self.lease}s"],
                    "jobs": ["--machines-dir", self.dir / "machines", "--accelerator", "tcg", "--lease-duration", f"{JOB_LEASE}s"],
                    "gateway": ["--region", "us-east-1", "--account", "123456789012"]}[service]
        command += self.options.get(service, [])
        name = f"{service}-{copy}"
        self.processes[name] = Process(name, command, self.dir / "log" / f"{name}.log")
        return self.processes[name]

    def client(self, service, principal="user/admin/test", copy=None, tally=None, tls=None):
        """Of all copies, or of one."""
        if tls is None:
            folder = self.dir / "clients" / principal.replace("/", "_")
            tls = api.Tls(folder) if folder.exists() else self.certificate(principal, folder)
        endpoints = self.endpoints(service) if copy is None else [self.endpoint(service, copy)]
        client = api.Client(service, endpoints, tls, tally, follow=self.follow_certificates)
        self.clients.append(client)
        return client

    def enrolment(self):
        client = api.Client("registry", [f"127.0.0.1:{self.ports[f'registry-enroll-{copy}']}" for copy in range(self.copies)],
                            (self.dir / "ca/ca.crt").read_bytes())
        self.clients.append(client)
        return client

    # What is there.

    def machine_processes(self):
        """Process ids of launched machines of this rig: they work in its folder."""
        found, machines = [], str(self.dir / "machines")
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.readlink(entry / "cwd").startswith(machines):
                        found.append(int(entry.name))
                except OSError:
                    pass
        return sorted(found)

    def machine_folders(self):
        return sorted(entry.name for entry in (self.dir / "machines").iterdir() if (entry / "state.json").exists())

    def clone_folders(self):
        return sorted(entry.name for entry in (self.dir / "store").glob("*/c-*"))
