"""Loop devices, mounts and files as disks. What is made here ends with the `with`, or with the process."""
import contextlib
import fcntl
import mmap
import os
import random
import shutil
import subprocess

from lib.processes import Failed

_BLKFLSBUF = 0x1261
_BLKGETSIZE64 = 0x80081272
CHUNK = 1 << 20


def command(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{words[0]}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def loop(file, read_only=False):
    """The path of a loop device of `file`, past the page cache."""
    words = ["losetup", "--find", "--show", "--direct-io=on"] + (["--read-only"] if read_only else [])
    path = command(*words, file).strip()
    fd = os.open(path, os.O_RDONLY)
    # While it is open this only says that it goes with its last user, also when this process is killed.
    command("losetup", "--detach", path)
    try:
        yield path
    finally:
        os.close(fd)


@contextlib.contextmanager
def mounted(device, folder, options="noatime"):
    os.makedirs(folder, exist_ok=True)
    command("mount", "-o", options, device, folder)
    try:
        yield folder
    finally:
        command("umount", folder)


def disk_bytes(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.lseek(fd, 0, os.SEEK_END)
    finally:
        os.close(fd)


def read_bytes(device):
    """Read from a loop device since it exists."""
    with open(f"/sys/block/{os.path.basename(device)}/stat", encoding="ascii") as file:
        return int(file.read().split()[2]) * 512


def forget_cached(device, file):
    """Takes the disk's content out of the page cache, so that every run reads the medium."""
    fd = os.open(device, os.O_RDONLY)
    try:
        os.fsync(fd)
        fcntl.ioctl(fd, _BLKFLSBUF)
    finally:
        os.close(fd)
    fd = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def empty_file(path, size):
    """A new file of holes."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "wb") as file:
        file.truncate(size)


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


class DirectReader:
    """Reads a disk or file in chunks; devices past the page cache."""

    def __init__(self, path):
        device = str(path).startswith("/dev/")
        self._fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if device else 0))
        self._buffer = mmap.mmap(-1, CHUNK)

    def read(self, at, size):
        got = os.preadv(self._fd, [memoryview(self._buffer)[:size]], at)
        if got != size:
            raise Failed(f"read {got} of {size} bytes at {at}")
        return self._buffer[:size]

    def close(self):
        os.close(self._fd)


def change_blocks(device, share, seed, block=65536):
    """Writes other content to `share` of the blocks, chosen at random; half of each compresses. How many bytes."""
    chooser = random.Random(seed)
    blocks = disk_bytes(device) // block
    count = max(1, int(blocks * share))
    buffer = mmap.mmap(-1, block)
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        for number in sorted(chooser.sample(range(blocks), count)):
            buffer[: block // 2] = chooser.randbytes(block // 2)
            buffer[block // 2:] = (b"%015d\n" % number) * (block // 32)
            os.pwritev(fd, [buffer], number * block)
        os.fsync(fd)
    finally:
        os.close(fd)
    return count * block
