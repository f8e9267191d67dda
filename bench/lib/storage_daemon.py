"""A volume as qemu-storage-daemon keeps it: a raw base and qcow2 layers, reached as a file over FUSE."""
import json
import os
import socket
import time

from lib import devices
from lib.processes import Child, Failed


class Volume:
    """`file` reads and writes like the disk. Snapshots are layers; those in between can be committed into the base."""

    def __init__(self, folder, size):
        self._folder, self._size, self._layers = folder, size, 0
        self._base = f"{folder}/base.raw"
        devices.empty_file(self._base, size)
        self.file = f"{folder}/volume"
        devices.empty_file(self.file, 0)
        path = f"{folder}/qmp"
        self._daemon = Child(
            ["qemu-storage-daemon", "--chardev", f"socket,path={path},server=on,wait=off,id=qmp", "--monitor", "chardev=qmp",
             "--blockdev", f"driver=file,node-name=file0,filename={self._base},cache.direct=on,aio=io_uring",
             "--blockdev", "driver=raw,node-name=layer0,file=file0",
             "--export", f"type=fuse,id=volume,node-name=layer0,mountpoint={self.file},writable=on,allow-other=off"],
            f"{folder}/daemon.log")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(300)
        deadline = time.monotonic() + 20
        while True:
            try:
                self._socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline or not self._daemon.running():
                    self._daemon.kill()
                    raise Failed(f"qemu-storage-daemon: {self._daemon.tail()}") from None
                time.sleep(0.05)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._lines.readline()
        self._call("qmp_capabilities")
        while os.path.getsize(self.file) != size:
            if time.monotonic() > deadline:
                raise Failed("qemu-storage-daemon: the export does not come up")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._daemon.terminate()

    def _call(self, command, **arguments):
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def layer(self, number):
        return f"{self._folder}/layer{number}.qcow2" if number else self._base

    def top(self):
        return self.layer(self._layers)

    def snapshot(self):
        """Seconds that the switch to a new layer took."""
        below, number = self._layers, self._layers + 1
        devices.command("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.layer(below), "-F", "qcow2" if below else "raw",
                        self.layer(number))
        self._call("blockdev-add", driver="qcow2", **{"node-name": f"layer{number}"}, backing=None,
                   file={"driver": "file", "filename": self.layer(number), "cache": {"direct": True}, "aio": "io_uring"})
        started = time.monotonic()
        self._call("blockdev-snapshot", node=f"layer{below}", overlay=f"layer{number}")
        self._layers = number
        return time.monotonic() - started

    def expire(self, number):
        """Commits layer `number` into what lies below; seconds."""
        started = time.monotonic()
        self._call("block-commit", device=f"layer{self._layers}", **{"job-id": "expiry", "top-node": f"layer{number}",
                                                                     "base-node": f"layer{number - 1}"})
        while any(job["id"] == "expiry" for job in self._call("query-jobs")):
            time.sleep(0.02)
            if time.monotonic() - started > 600:
                raise Failed("block-commit takes more than ten minutes")
        return time.monotonic() - started
