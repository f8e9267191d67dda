"""Byte for byte: the source against what arrived."""
import re

from lib import devices
from lib.devices import CHUNK, command
from lib.processes import Failed


def free_ranges(device):
    """Byte ranges that an ext4 file system says are free, in order."""
    text = command("dumpe2fs", device)
    block = int(re.search(r"^Block size:\s+(\d+)", text, re.M)[1])
    ranges = []
    for line in re.findall(r"^  Free blocks: (.*)$", text, re.M):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", line):
            ranges.append((int(first) * block, (int(last or first) + 1) * block))
    return ranges


def _used(size, free):
    at = 0
    for first, end in free:
        if first > at:
            yield at, first
        at = max(at, end)
    if at < size:
        yield at, size


def disks(source, replica, free=()):
    """Failed at the first byte range that differs outside of `free`. How many bytes were compared."""
    size = devices.disk_bytes(source)
    if devices.disk_bytes(replica) < size:
        raise Failed(f"{replica} is shorter than the source")
    a, b = devices.DirectReader(source), devices.DirectReader(replica)
    compared = 0
    try:
        for start, end in _used(size, free):
            for at in range(start, end, CHUNK):
                part = min(CHUNK, end - at)
                if a.read(at, part) != b.read(at, part):
                    raise Failed(f"{replica} differs from {source} between bytes {at} and {at + part}")
                compared += part
    finally:
        a.close()
        b.close()
    return compared


def trees(source, replica):
    """Failed when a file, link or folder differs."""
    command("diff", "--recursive", "--brief", "--no-dereference", source, replica)
