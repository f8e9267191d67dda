"""The product: engine and worker as processes of their own."""
import os
import secrets
import shutil

from lib import devices, rounds
from lib.processes import Failed, Talker

PINS = "/sys/fs/bpf/godwit"
WORKER = "w-00000000000000001"


def new_id(prefix):
    """Ids are random: pins in the kernel are named by them, and others may measure at the same time."""
    return prefix + secrets.token_hex(9)[:17]


class Worker(Talker):
    """`disks`: {server id: {disk id: bytes}}. `store` None: what comes is thrown away."""

    def __init__(self, bench, folder, disks, store=None, log="worker.log", options=()):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        words = [bench.program("worker"), "--worker", WORKER, "--tls-dir", f"{self.folder}/tls", *options]
        if store:
            words += ["--store", store]
        for server, sizes in disks.items():
            words += ["--lease", server + "=" + ",".join(f"{disk}:{size}" for disk, size in sizes.items())]
        super().__init__(words, f"{self.folder}/{log}")
        self.port = self.first("serving", 30)["port"]

    def point(self, server, timeout, after=0):
        """The first point of a server behind an epoch."""
        return self.wait_for("point", timeout, lambda line: line["server"] == server and line["epoch"] > after)

    def clone(self, server, epoch, raw, timeout=300):
        """Writes a point as a raw disk."""
        before = len(self.seen("clone"))
        self.order(f"clone {server} {epoch}")
        self.wait_for("clone", timeout, lambda line: len(self.seen("clone")) > before)
        path = self.seen("clone")[before]["paths"][0]
        devices.command("qemu-img", "convert", "-O", "raw", "-t", "none", "-T", "none", path, raw)
        return raw


class Agent(Talker):
    """`disks`: {disk id: path}. Waits for "go"."""

    def __init__(self, bench, worker, server, disks, *options, port=None):
        folder = worker.folder
        words = [bench.program("agent"), "--server", server, "--worker", WORKER, "--endpoint", f"127.0.0.1:{port or worker.port}",
                 "--tls-dir", f"{folder}/tls/{server}", "--state", f"{folder}/{server}.state", *options]
        for disk, path in disks.items():
            words += ["--disk", f"{disk}={path}"]
        super().__init__(words, f"{folder}/{server}.log")
        self._disks = list(disks)
        self.keep_tracking = "--keep-tracking" in options
        if disks:
            self.ready = self.first("ready", 120)

    def fresh_point(self, worker, timeout):
        """Asks for a point; seconds until it is committed."""
        before = len(self.seen("point_asked"))
        self.order("point")
        self.wait_for("point_asked", timeout, lambda line: len(self.seen("point_asked")) > before)
        asked = self.seen("point_asked")[before]
        point = worker.wait_for("point", timeout, lambda line: line["request_id"] == asked["request_id"])
        return point["time"] - asked["time"]

    def kill(self):
        """Also takes the tracking out of the kernel when the agent did not come to it."""
        super().kill()
        if self.status != 0 or not self.keep_tracking:
            remove_pins(self._disks)


def remove_pins(disks):
    for disk in disks:
        shutil.rmtree(f"{PINS}/{disk}", ignore_errors=True)


def describe(results):
    """Where the time of some runs went, in a few lines."""
    if not results:
        return []
    agent, worker = (rounds.median(results, f"{side}_cpu_seconds") for side in ("agent", "worker"))
    lines = [f"ours: agent {agent:.2f} CPU s, peak {rounds.median(results, 'agent_peak_mib'):.0f} MiB; worker {worker:.2f} CPU s, peak "
             f"{rounds.median(results, 'worker_peak_mib'):.0f} MiB; sent {rounds.median(results, 'plain_bytes') / 2**20:.0f} MiB plain, "
             f"{rounds.median(results, 'frame_bytes') / 2**20:.0f} MiB in frames"]
    if rounds.median(results, "fresh_point_seconds") is not None:
        lines.append(f"a fresh point of the idle source: {rounds.spread(results, 'fresh_point_seconds', 3)} s")
    for side, threads in results[-1]["threads"].items():
        busy = {name: seconds for name, seconds in threads.items() if seconds >= 0.01}
        lines.append(f"{side} threads, CPU s at the point: " +
                     ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(busy.items(), key=lambda each: -each[1])))
    return lines


def figures(agent, agent_usage, point):
    """What both processes say of a sync that ended with `point`."""
    last = agent.seen("end")[-1]
    reports = agent.seen("first_point") + agent.seen("progress")
    reached = min((line for line in reports if line["time"] >= point["time"]), key=lambda line: line["time"], default=last)
    there = point["user_seconds"] + point["system_seconds"]
    return {
        "cpu_seconds": agent_usage.cpu + there,
        "agent_cpu_seconds": agent_usage.cpu,
        "worker_cpu_seconds": there,
        "agent_peak_mib": agent_usage.peak_mib,
        "worker_peak_mib": point["peak_kib"] / 1024,
        "plain_bytes": last["plain_bytes"],
        "frame_bytes": last["wire_bytes"],
        "lag_seconds": point["lag_seconds"],
        "threads": {"agent": reached["threads"], "worker": point["threads"]},
        "abandoned_cuts": last["abandoned_cuts"],
    }


def throw_away(folder):
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.exists(folder):
        raise Failed(f"{folder}: cannot be removed")
