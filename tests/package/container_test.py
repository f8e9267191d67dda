#!/usr/bin/env python3
"""The container image: built from the Containerfile on a local base, looked at, and its programs run as in a cluster: not root, with a
read-only root file system.

    container_test.py BUILD
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chroot import REPO, Chroot, Database, free_port, own_namespace  # noqa: E402
from packages import BASE, TOOLS, make_packages  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve()
USER = "10001:10001"


def remove_storage(folder):
    mounts = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", mount], check=True)
    shutil.rmtree(folder)


class Image(Chroot):
    """A built image as the root of processes: read-only but for /tmp, as its user."""

    def __init__(self, storage, packages, component):
        super().__init__(BASE + TOOLS)
        self.storage, self.packages, self.component = storage, packages, component
        self.userspec = USER
        self.driver = "overlay"
        # Where the kernel does not allow it: copies.
        with contextlib.suppress(AssertionError):
            self.buildah("info")
            return
        self.driver = "vfs"

    def buildah(self, *arguments):
        command = ["buildah", "--storage-driver", self.driver, "--root", f"{self.storage}/root", "--runroot", f"{self.storage}/run"]
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise AssertionError(f"buildah {arguments}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def __enter__(self):
        context = pathlib.Path(self.storage, "context")
        if not context.exists():
            scratch = self.buildah("from", "scratch")
            self.buildah("add", scratch, self.base_tar(), "/")
            self.buildah("commit", "--rm", scratch, "localhost/base")
            (context / "packages").mkdir(parents=True)
            for package in self.packages.values():
                os.link(package, context / "packages" / package.name)
        self.buildah("bud", "--isolation", "chroot", "--network", "host", "--pull-never", "--build-arg", "BASE=localhost/base",
                     "--build-arg", f"COMPONENT={self.component}", "--file", REPO / "deploy/container/Containerfile",
                     "--tag", f"localhost/godwit-{self.component}", context)
        self.container = self.buildah("from", "--pull-never", f"localhost/godwit-{self.component}")
        mounted = self.buildah("mount", self.container)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="godwit-image-"))
        for options in (["--bind", mounted, self.path], ["-t", "proc", "proc", self.path / "proc"], ["-t", "tmpfs", "tmpfs", self.path / "tmp"],
                        ["-o", "remount,bind,ro", self.path]):
            subprocess.run(["mount", *options], check=True)
        return self

    def __exit__(self, *_):
        for mount in (self.path / "tmp", self.path / "proc", self.path):
            subprocess.run(["umount", mount], check=True)
        self.path.rmdir()
        self.buildah("umount", self.container)


class Containers(unittest.TestCase):
    def test_image(self):
        with contextlib.ExitStack() as stack:
            storage = tempfile.mkdtemp(prefix="godwit-buildah-")
            stack.callback(remove_storage, storage)
            packages = stack.enter_context(make_packages(BUILD, "0.0.2", ["control", "gateway", "cli"]))
            image = stack.enter_context(Image(storage, packages, "control"))
            self.inspect(image)
            self.programs(image)
            with Database() as database:
                self.service(image, database)
            self.gateway(stack.enter_context(Image(storage, packages, "gateway")))

    def inspect(self, image):
        config = json.loads(image.buildah("inspect", f"localhost/godwit-{image.component}"))["OCIv1"]["config"]
        self.assertEqual(config["User"], USER)
        self.assertEqual(config["Cmd"], ["/usr/bin/godwit", "--help"])
        for name in ("packages", "var/lib/apt/lists/partial"):
            self.assertFalse((image.path / "tmp" / name).exists())
        print("image runs as", config["User"])

    def programs(self, image):
        for program in ("godwit", "godwit-registry", "godwit-replication", "godwit-conversion", "godwit-jobs", "godwit-migrate"):
            self.assertRegex(image.run(program, "--version"), rf"^{program} \d")
        self.assertIn("0.", image.buildah("run", "--isolation", "chroot", image.container, "--", "/usr/bin/godwit", "--version"))
        with self.assertRaises(AssertionError):
            image.run("touch", "/etc/godwit/registry.conf")
        self.assertIn("uid=10001", image.run("id"))

    def service(self, image, database):
        """As a pod: configuration by arguments, certificates in a folder, health by the probe of the manifests."""
        image.run("godwit-migrate", "--database", database.conninfo)
        image.run("godwit-registry", "ca-init", "--dir", "/tmp/ca")
        image.run("godwit-registry", "ca-issue", "--dir", "/tmp/ca", "--identity", "service/registry", "--out", "/tmp/tls")
        port = free_port()
        with image.service("godwit-registry", "--tls-dir", "/tmp/tls", "--ca-dir", "/tmp/ca", "--database", database.conninfo,
                           "--listen", f"127.0.0.1:{port}", "--enroll-listen", f"127.0.0.1:{free_port()}", "--jobs", "127.0.0.1:1",
                           "--replication", "127.0.0.1:1", until='"msg":"serving"'):
            probe = ["/usr/bin/godwit", "health", "--tls-dir", "/tmp/tls", "--endpoint", f"127.0.0.1:{port}", "--identity", "service/registry"]
            self.assertIn("ready", image.run(*probe))
            self.assertIn("alive", image.run(*probe, "--live"))
        print("registry served and was ready, read-only and not root")

    def gateway(self, image):
        """Health by the probes of the manifests: alive, and not ready without a registry."""
        self.inspect(image)
        run = pathlib.Path(tempfile.mkdtemp(prefix="godwit-ca-"))
        self.addCleanup(shutil.rmtree, run)
        for words in (["ca-init"], ["ca-issue", "--identity", "service/gateway", "--server-name", "127.0.0.1", "--out", run / "tls"]):
            subprocess.run([BUILD / "bin/godwit-registry", words[0], "--dir", run / "ca", *words[1:]], check=True, capture_output=True)
        shutil.copytree(run / "tls", image.path / "tmp/tls")
        subprocess.run(["chown", "-R", USER, image.path / "tmp/tls"], check=True)
        metrics = free_port()
        with image.service("godwit-gateway", "--tls-dir", "/tmp/tls", "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{metrics}",
                           "--registry", "127.0.0.1:1", "--replication", "127.0.0.1:1", "--jobs", "127.0.0.1:1", until='"msg":"serving"'):
            for path, code in (("healthz", "200"), ("readyz", "503")):
                self.assertEqual(image.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{metrics}/{path}"), code)
        print("gateway served, read-only and not root")


if __name__ == "__main__":
    own_namespace()
    unittest.main(argv=sys.argv[:1], verbosity=2)
