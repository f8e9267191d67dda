"""Processes of a test: they end with it, whatever happens to it."""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time


def run(*command, status=0, patience=120, **more):
    """Runs to the end; what it printed. Fails with its output when it ends otherwise."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=patience, check=False, **more)
    if done.returncode != status:
        raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    """A port that nobody uses now; not of those that the kernel gives to outgoing connections (one might have it before its server)."""
    for port in random.sample(range(15000, 32000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise AssertionError("no free port")


def until(condition, what, patience=60, pause=0.1):
    """The first true value of condition(); fails when patience is over."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what() if callable(what) else what}")
        time.sleep(pause)


class Process:
    """A program with its log in a file; start() may be called again after an end. For the main thread: it dies with it."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log = name, list(map(str, command)), pathlib.Path(log)
        self.process, self._log_start, self.starts = None, 0, 0

    def start(self, **environment):
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env={**os.environ, **environment})
        self.starts += 1
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def said(self, message, since=0):
        """Log entries with that msg of this start, or of it after so many characters."""
        found = []
        for line in self.text()[since:].splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("msg") == message:
                found.append(entry)
        return found

    def text(self):
        with open(self.log, "rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def await_serving(self, patience=60):
        def serving():
            if not self.running():
                raise AssertionError(f"{self.name} ended: {self.text()[-3000:]}")
            return self.said("serving")
        until(serving, lambda: f"{self.name} does not serve: {self.text()[-2000:]}", patience, pause=0.05)
        return self

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def end(self, patience=30):
        """SIGTERM; its status. Killed when it does not end."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(patience) if self.process is not None else 0
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {patience} s") from None

    def rss_mib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
