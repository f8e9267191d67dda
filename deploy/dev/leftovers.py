#!/usr/bin/env python3
"""Finds what a test run left behind on the machine.

    leftovers.py snapshot FILE     remembers what is there now
    leftovers.py check FILE        names what is there now, is ours and was not there before; ends with 1 when there is any

Ours are: processes that carry GODWIT_TEST_RUN of this run in their environment, or godwit, qemu, ceph and postgres processes
that run from, or work on files below, the checkout or TMPDIR; loop devices and mounts on files there; network namespaces
and bpffs pins named godwit*.
"""
import json
import os
import pathlib
import re
import sys
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = re.compile(r"^(godwit|qemu-|postgres|nbdkit|ceph-)")
SETTLE_SECONDS = 10  # processes that were told to end may need a moment


def places():
    found = [str(REPO)]
    if os.environ.get("TMPDIR"):
        found.append(os.path.realpath(os.environ["TMPDIR"]))
    return found


def below(text):
    return any(re.search(re.escape(place) + r"(/|$|\s|,)", text) for place in places())


def ancestors():
    """This process and those above it, which carry the run's mark as well."""
    found, pid = set(), os.getpid()
    while pid > 1:
        found.add(pid)
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return found


def read(path):
    try:
        return pathlib.Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def processes():
    run, own, found = os.environ.get("GODWIT_TEST_RUN", ""), ancestors(), {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in own:
            continue
        base = f"/proc/{entry}"
        name = read(f"{base}/comm").strip()
        command = read(f"{base}/cmdline").replace("\0", " ").strip()
        stat = read(f"{base}/stat")
        if not stat or stat.rsplit(")", 1)[1].split()[0] == "Z":
            continue
        start = stat.rsplit(")", 1)[1].split()[19]
        marked = run and f"GODWIT_TEST_RUN={run}" in read(f"{base}/environ").split("\0")
        works_here = below(command) or below(link(f"{base}/cwd")) or below(link(f"{base}/exe"))
        if marked or (PROGRAMS.match(name) and works_here):
            found[f"process {entry} started {start}"] = f"process {entry}: {command[:160] or name}"
    return found


def loops():
    found = {}
    for device in pathlib.Path("/sys/block").glob("loop*"):
        backing = read(device / "loop/backing_file").strip()
        if backing and below(backing.removesuffix(" (deleted)")):
            found[f"loop {device.name} {backing}"] = f"loop device /dev/{device.name}: {backing}"
    return found


def mounts():
    found = {}
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        point = fields[4]
        if below(point) or below(fields[-2]):
            found[f"mount {point}"] = f"mount {point}"
    return found


def names_in(folder, kind):
    found = {}
    try:
        entries = os.listdir(folder)
    except OSError:
        return found
    for entry in entries:
        if entry.startswith("godwit"):
            found[f"{kind} {entry}"] = f"{kind} {folder}/{entry}"
    return found


def everything():
    return {**processes(), **loops(), **mounts(), **names_in("/run/netns", "network namespace"),
            **names_in("/sys/fs/bpf", "bpffs pin")}


def check(path):
    before = set(json.loads(pathlib.Path(path).read_text()))
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        left = {k: v for k, v in everything().items() if k not in before}
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    for text in sorted(left.values()):
        print(f"left behind: {text}")
    if not left:
        print("nothing left behind: no process, loop device, mount, network namespace or bpffs pin")
    return 1 if left else 0


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("snapshot", "check"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "snapshot":
        pathlib.Path(sys.argv[2]).write_text(json.dumps(sorted(everything())))
        return 0
    return check(sys.argv[2])


if __name__ == "__main__":
    sys.exit(main())
