"""The machine that a figure comes from, and what else it was busy with."""
import os
import platform
import time

TICK = os.sysconf("SC_CLK_TCK")


def _field(path, key):
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return "unknown"


def describe():
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "kernel": platform.release(),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mib": int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
    }


def busy_seconds():
    """Processor time that anybody used since the machine started (without idle and waiting)."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def loopback_bytes():
    """Sent over lo in this network namespace, headers included."""
    with open("/proc/self/net/dev", encoding="ascii") as file:
        for line in file:
            name, _, counters = line.partition(":")
            if name.strip() == "lo":
                return int(counters.split()[8])
    return 0


def own_seconds():
    """Processor time of this process alone, without children."""
    times = os.times()
    return times.user + times.system


class Window:
    """What the machine did between its making and end()."""

    def __init__(self):
        self._lo = loopback_bytes()
        self._own = own_seconds()
        self._busy = busy_seconds()
        self._from = time.time()

    @property
    def start(self):
        return self._from

    def end(self, until=None):
        """`until`: the moment of the wall clock that counts as the end; now when missing."""
        now = time.time()
        self.seconds = (until or now) - self._from
        self._elapsed = now - self._from
        self._busy = busy_seconds() - self._busy - (own_seconds() - self._own)
        self.wire_bytes = loopback_bytes() - self._lo
        return self

    def foreign_cores(self, measured_cpu_seconds):
        """Cores that neither the measured programs nor this script used. Workers of the kernel that serve the measured
        programs (loop devices, writeback) are in it too: compare it between rows, not with zero."""
        return max(0.0, (self._busy - measured_cpu_seconds) / max(self._elapsed, 1e-6))
