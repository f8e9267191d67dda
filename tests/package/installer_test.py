#!/usr/bin/env python3
"""The installer that the gateway serves, in small Debians with nothing but loopback: install, again, upgrade, uninstall, with and
without dpkg; and everything that it must refuse.

    installer_test.py BUILD [Installer.TEST]
"""
import contextlib
import ctypes
import functools
import http.server
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chroot import REPO, Chroot, own_namespace  # noqa: E402
from packages import BASE, TOOLS, make_archive, make_packages  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve()
COPY = "/usr/local/sbin/godwit-agent"
UNIT = "/etc/systemd/system/godwit-agent.service"


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def own_network():
    """Only loopback is left: whatever is fetched comes from this machine."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        raise OSError(ctypes.get_errno(), "a network namespace of its own")
    run("ip", "link", "set", "lo", "up")


class Source(Chroot):
    """A machine to be moved: a small Debian with systemd that sees one disk. Nothing runs in it."""

    def __init__(self, ca, below):
        super().__init__(BASE + TOOLS, below)
        self.ca = ca
        self.closing = contextlib.ExitStack()

    def __enter__(self):
        super().__enter__()
        self.closing.callback(super().__exit__)
        image = self.closing.enter_context(tempfile.NamedTemporaryFile(prefix="godwit-disk-"))
        image.truncate(64 << 20)
        self.disk = run("losetup", "--find", "--show", image.name).strip()
        self.closing.callback(run, "losetup", "--detach", self.disk)
        for place in ("/sys", self.disk, "/dev/null", "/dev/urandom"):
            inside = self.path / place[1:]
            if not inside.exists():
                inside.touch()
            run("mount", "--bind", place, inside)
            self.closing.callback(run, "umount", "--recursive", inside)
        shutil.copy(self.ca, self.path / "ca.crt")
        (self.path / "run/systemd/system").mkdir(parents=True)  # as where systemd runs
        return self

    def __exit__(self, *_):
        self.closing.close()

    def install(self, gateway, *arguments):
        """As an operator types it: what it said. AssertionError with it when it fails."""
        options = " ".join(f"'{word}'" for word in arguments)
        # systemctl works on files, as in an image that is being made: nothing runs here that it could ask.
        return self.run("env", "SYSTEMD_OFFLINE=1", "/bin/bash", "-c", f"set -o pipefail; curl -fsS --cacert /ca.crt {gateway}/install.sh | sh -s -- {options}")


class Installer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.below = cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="godwit-below-"))
        Chroot(BASE + TOOLS).unpack(cls.below)  # may fetch packages
        cls.packages = {version: cls.stack.enter_context(make_packages(BUILD, version, ["agent"]))["agent"] for version in ("0.0.3", "0.0.4")}
        cls.archive = cls.stack.enter_context(make_archive(BUILD, "0.0.3", "agent"))
        own_network()
        folder = tempfile.mkdtemp(prefix="godwit-test-installer-")
        cls.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cls.dir = pathlib.Path(folder, "installation")
        script = [REPO / "deploy/dev/installation.sh"], [cls.dir, "--bin", BUILD / "bin"]
        cls.stack.callback(run, *script[0], "destroy", *script[1])
        run(*script[0], "start", *script[1], "--gateway")
        cls.ports = dict(line.split("=") for line in (cls.dir / "ports").read_text().split())
        cls.gateway = f"https://127.0.0.1:{cls.ports['gateway']}"

    def setUp(self):
        self.root = Source(self.dir / "ca/ca.crt", self.below)
        self.root.__enter__()
        self.addCleanup(self.root.__exit__)
        for path in (self.dir / "install").iterdir():
            path.unlink()

    def offer(self, *files):
        for file in files:
            shutil.copy(file, self.dir / "install")

    def godwit(self, *arguments):
        return json.loads(run(BUILD / "bin/godwit", "--config", self.dir / "cli.conf", "--output", "json", *arguments))

    def token(self):
        """--token and --ca-pin of a new token."""
        made = self.godwit("tokens", "create")
        self.newest = made["name"].removeprefix("tokens/")
        return ["--token", made["secret"], "--ca-pin", made["caPin"]]

    def expire(self, token):
        database = run(REPO / "deploy/dev/pg_cluster.sh", "conninfo", self.dir / "pg").strip()
        run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c",
            f"update registry.installation_token set expire_time = now() - interval '1 second' where id = '{token}'")

    def servers(self):
        return len(self.godwit("servers", "list").get("sourceServers", []))

    def refused(self, message, *arguments, gateway=None):
        """It says why, and nothing is there afterwards."""
        before = self.root.files()
        with self.assertRaises(AssertionError) as caught:
            self.root.install(gateway or self.gateway, *arguments)
        self.assertIn(message, str(caught.exception))
        self.assertEqual(self.root.files(), before)

    def life(self, first, again):
        """From nothing to nothing; `again` is what the second run says."""
        before, servers = self.root.files(), self.servers()
        wanted = [*self.token(), "--", "--no-start", "--disk", self.root.disk]
        said = self.root.install(self.gateway, *wanted)
        self.assertIn(first, said)
        self.assertIn("enrolled as s-", said)
        self.assertIn("godwit-agent ", self.root.run(COPY, "--version"))
        self.assertIn(f"ExecStart={COPY} run\n", self.root.read(UNIT))
        self.assertEqual(self.servers(), servers + 1)
        self.offer(self.packages["0.0.4"])
        said = self.root.install(self.gateway, *wanted)
        self.assertIn("already installed as s-", said)
        self.assertIn(again, said)
        self.assertEqual(self.servers(), servers + 1, "it is the same server")
        self.assertIn("the agent is removed", self.root.install(self.gateway, "--uninstall"))
        self.assertEqual(sorted(self.root.files() - before), [], "nothing is left")
        self.assertEqual(sorted(before - self.root.files()), [], "nor is anything gone")
        self.assertIn("the agent is removed", self.root.install(self.gateway, "--uninstall"), "once more, of nothing")

    def test_debian(self):
        self.offer(self.packages["0.0.3"], self.archive)
        self.life("godwit-agent_0.0.3_amd64.deb is here and whole", "godwit-agent_0.0.4_amd64.deb is here and whole")
        print("installed, run again, upgraded and removed with dpkg")

    def test_elsewhere(self):
        self.root.run("rm", "/usr/bin/dpkg", "/usr/bin/dpkg-query")
        self.offer(self.packages["0.0.3"], self.archive)
        self.life(f"{self.archive.name} is here and whole", f"{self.archive.name} is here and whole")
        print("installed, run again and removed without dpkg")

    def test_refusals(self):
        good = self.token()
        self.refused("offers no package of the agent", *good)
        self.offer(self.packages["0.0.3"], self.archive)
        (self.dir / "install/link").symlink_to("/etc/passwd")
        for path, code in (("/install/link", "404"), ("/install/../ca/ca.key", "404"), ("/install/.hidden", "404"), ("/install/none", "404")):
            said = run("curl", "-s", "--path-as-is", "--cacert", self.dir / "ca/ca.crt", "-o", "/dev/null", "-w", "%{http_code}", self.gateway + path)
            self.assertEqual(said, code, path)
        self.refused("a wrong pin, or not your gateway", *good[:2], "--ca-pin", "0" * 64)
        self.refused("--ca-pin is needed", *good[:2])
        self.refused("--token is needed", *good[2:])
        self.refused("unknown option --disk", *good, "--disk", "/dev/sda")
        self.refused("cannot be reached", *good, "--gateway", "https://127.0.0.1:1")
        self.root.userspec = "65534:65534"
        self.refused("run this as root", *good)
        print("refused: no package, a wrong pin, no pin, no token, an unknown option, a gateway that is away, not root")

    def test_bad_tokens(self):
        """Known only when the package is there already: it goes again."""
        self.offer(self.packages["0.0.3"], self.archive)
        servers, good = self.servers(), self.token()
        forged = good[1][:-4] + ("AAAA" if good[1][-4:] != "AAAA" else "BBBB")
        self.refused("token: is not known", "--token", forged, *good[2:])
        self.refused("not an installation token", "--token", "hello", *good[2:])
        self.expire(self.newest)
        self.refused("token: has expired; make a new one", *good)
        good = self.token()
        run(BUILD / "bin/godwit", "--config", self.dir / "cli.conf", "tokens", "revoke", self.newest)
        self.refused("token: was revoked", *good)
        good = self.token()
        self.refused("/dev/sdz is no disk of this machine", *good, "--", "--no-start", "--disk", "/dev/sdz")
        with self.assertRaises(AssertionError):
            self.root.state("godwit-agent")
        self.assertEqual(self.servers(), servers)
        self.assertIn("enrolled as s-", self.root.install(self.gateway, *good, "--", "--no-start", "--disk", self.root.disk),
                      "the token was not used up")
        # A package that was there before stays when a later enrolment fails.
        self.root.run(COPY, "uninstall")
        with self.assertRaises(AssertionError) as caught:
            self.root.install(self.gateway, "--token", forged, *good[2:])
        self.assertIn("this machine was not enrolled", str(caught.exception))
        self.assertEqual(self.root.state("godwit-agent"), "install ok installed 0.0.3")
        print("refused: a forged token, a malformed, an expired and a revoked one, a disk that is not there; the package went again")

    def test_spoilt_package(self):
        """From a gateway of the same CA whose package is not what its list says."""
        self.offer(self.packages["0.0.3"])
        folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="godwit-test-spoilt-")))
        fetch = functools.partial(run, "curl", "-fsS", "--cacert", self.dir / "ca/ca.crt", "--output")
        (folder / "install").mkdir()
        for name in ("ca.crt", "SHA256SUMS", self.packages["0.0.3"].name):
            fetch(folder / "install" / name, f"{self.gateway}/install/{name}")
        with open(folder / "install" / self.packages["0.0.3"].name, "r+b") as package:
            package.seek(-1, os.SEEK_END)
            package.write(b"\0")
        run(BUILD / "bin/godwit-registry", "ca-issue", "--dir", self.dir / "ca", "--identity", "service/other", "--server-name", "127.0.0.1",
            "--out", folder / "tls")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls/tls.crt", folder / "tls/tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.refused("has not the SHA-256", *self.token(), "--gateway", f"https://127.0.0.1:{server.server_address[1]}")
        print("refused: a package that is not whole")


if __name__ == "__main__":
    own_namespace()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
