"""Programs under measurement: started, waited for with a bound, their processor time by wait4."""
import ctypes
import json
import os
import signal
import subprocess
import threading
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Failed(Exception):
    pass


class Usage:
    def __init__(self, rusage):
        self.cpu = rusage.ru_utime + rusage.ru_stime
        self.user = rusage.ru_utime
        self.system = rusage.ru_stime
        self.peak_mib = rusage.ru_maxrss / 1024


def _dies_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A program with its own process group; killed when it is still there at the end of a `with`."""

    def __init__(self, command, log, stdin=subprocess.DEVNULL, stdout=None):
        self.command = [str(word) for word in command]
        self.log = log
        self.usage = None
        self.status = None
        with open(log, "ab") as out:
            self._process = subprocess.Popen(
                self.command, stdin=stdin, stdout=out if stdout is None else stdout, stderr=out, start_new_session=True,
                preexec_fn=_dies_with_parent)
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _reap(self, flags):
        pid, status, rusage = os.wait4(self.pid, flags)
        if pid == 0:
            return False
        self.status = os.waitstatus_to_exitcode(status)
        self._process.returncode = self.status
        self.usage = Usage(rusage)
        return True

    def running(self):
        return self.status is None and not self._reap(os.WNOHANG)

    def signal(self, number):
        if self.running():
            os.killpg(self.pid, number)

    def wait(self, timeout):
        """Its usage. Failed when it ends with an error or not in time."""
        if self.status is None:
            timer = threading.Timer(timeout, lambda: os.killpg(self.pid, signal.SIGKILL))
            timer.start()
            try:
                self._reap(0)
            finally:
                timer.cancel()
        if self.status != 0:
            raise Failed(f"{self.command[0]}: ended with {self.status} (limit {timeout:.0f} s); {self.tail()}")
        return self.usage

    def terminate(self, timeout=30):
        """SIGTERM; its usage. How it ends does not count."""
        self.signal(signal.SIGTERM)
        try:
            self.wait(timeout)
        except Failed:
            pass
        return self.usage

    def kill(self):
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            self._reap(0)

    def tail(self):
        with open(self.log, "rb") as file:
            return b" | ".join(file.read()[-800:].split(b"\n")[-5:]).decode(errors="replace")


def run(command, log, timeout):
    with Child(command, log) as child:
        return child.wait(timeout)


class Talker(Child):
    """A bench program: JSON lines on standard output, orders on standard input."""

    def __init__(self, command, log):
        super().__init__(command, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = []
        self._changed = threading.Condition()
        self._closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._process.stdout:
            with self._changed:
                self.lines.append(json.loads(raw))
                self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def order(self, text):
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()

    def seen(self, event):
        with self._changed:
            return [line for line in self.lines if line["event"] == event]

    def wait_for(self, event, timeout, match=lambda line: True):
        """The first line of that kind that matches."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self.lines:
                    if line["event"] == event and match(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    break
                self._changed.wait(left)
        raise Failed(f"{self.command[0]}: no \"{event}\" within {timeout:.0f} s; {self.tail()}")

    def first(self, event, timeout):
        """As wait_for, where no `with` takes care yet."""
        try:
            return self.wait_for(event, timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout=60):
        self.order("stop")
        usage = self.wait(timeout)
        self._reader.join(timeout)
        return usage
