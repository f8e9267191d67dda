#!/usr/bin/env python3
"""The Debian packages in a minimal Debian: install, run, start a service on a real database, upgrade, purge.

    debian_test.py BUILD

Prints what it checked. Works in a mount namespace of its own, so that nothing stays mounted whatever happens.
"""
import contextlib
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chroot import Chroot, Database, free_port, own_namespace  # noqa: E402
from packages import BASE, COMPONENTS, LARGE, TOOLS, depends, make_packages, missing_dependencies  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve()
PROGRAMS = ["godwit", "godwit-registry", "godwit-replication", "godwit-conversion", "godwit-jobs", "godwit-migrate",
            "godwit-replication-worker", "godwit-conversion-worker", "godwit-gateway", "godwit-agent"]
TLS = "/etc/godwit/tls"


class Packages(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.old, self.new = (self.stack.enter_context(make_packages(BUILD, version, components))
                              for version, components in (("0.0.1", ["control"]), ("0.0.2", COMPONENTS)))
        needed = {name for package in self.new.values() for name in depends(package)}
        self.assertEqual(sorted(needed - LARGE), BASE)
        self.root = self.stack.enter_context(Chroot(BASE + TOOLS))

    def test_life_of_an_installation(self):
        root, packages = self.root, {**self.new, "control": self.old["control"]}
        before = root.files()
        self.assertEqual(missing_dependencies(LARGE), [])
        root.install(packages.values(), ignore=",".join(LARGE))
        self.assertEqual(root.state("godwit-control"), "install ok installed 0.0.1")
        print("installed:", ", ".join(sorted(path.name for path in packages.values())))
        self.assertIn("godwit:", root.read("/etc/passwd"))
        self.assertEqual(root.processes(), [], "nothing starts by itself")

        for program in PROGRAMS:
            self.assertRegex(root.run(program, "--version"), rf"^{program} \d")
            self.assertIn(program, root.run(program, "--help"))
        print(f"{len(PROGRAMS)} programs print version and help")

        with Database(root) as database:
            self.service(database)
        self.purge(before)

    def service(self, database):
        """The registry with the shipped configuration, over an upgrade."""
        root = self.root
        migrate = ["godwit-migrate", "--config", "/etc/godwit/migrate.conf"]
        root.replace("/etc/godwit/migrate.conf", "user=godwit", f"user=godwit port={database.port}")
        self.assertIn("applied registry/", root.run(*migrate))
        database.sql_file(root.path / "usr/share/godwit/roles.sql")
        port, enroll = free_port(), free_port()
        root.replace("/etc/godwit/registry.conf", "user=godwit-registry", f"user=godwit-registry port={database.port}")
        root.replace("/etc/godwit/registry.conf", "0.0.0.0:7001", f"127.0.0.1:{port}")
        root.replace("/etc/godwit/registry.conf", "0.0.0.0:7000", f"127.0.0.1:{enroll}")
        edited = root.read("/etc/godwit/registry.conf")
        root.run("godwit-registry", "ca-init", "--dir", "/etc/godwit/ca")
        for name, identity in (("registry", "service/registry"), ("admin", "user/admin/test")):
            root.run("godwit-registry", "ca-issue", "--dir", "/etc/godwit/ca", "--identity", identity, "--out", f"{TLS}/{name}")
        ask = ["godwit", "--registry", f"127.0.0.1:{port}", "--tls-dir", f"{TLS}/admin", "--output", "json"]
        serve = ["godwit-registry", "--config", "/etc/godwit/registry.conf", "--tls-dir", f"{TLS}/registry", "--ca-dir", "/etc/godwit/ca"]

        with root.service(*serve, until='"msg":"serving"'):
            root.run(*ask, "tokens", "create", "--description", "before the upgrade")
            root.install([self.new["control"]])
        self.assertEqual(root.state("godwit-control"), "install ok installed 0.0.2")
        self.assertEqual(root.read("/etc/godwit/registry.conf"), edited, "an upgrade keeps the configuration")
        self.assertIn("up to date", root.run(*migrate))
        with root.service(*serve, until='"msg":"serving"'):
            self.assertIn("before the upgrade", root.run(*ask, "tokens", "list"))
            self.gateway(port)
        denied = database.sql("SELECT has_schema_privilege('godwit-registry', 'jobs', 'USAGE')")
        self.assertEqual(denied, "f", "one service does not reach the schema of another")
        print("registry served as its own database role, before and after the upgrade 0.0.1 -> 0.0.2")

    def gateway(self, registry):
        """With the shipped configuration, before the registry."""
        root, port, metrics = self.root, free_port(), free_port()
        for old, new in (("0.0.0.0:9443", f"127.0.0.1:{port}"), ("127.0.0.1:7001", f"127.0.0.1:{registry}"), ("127.0.0.1:9107", f"127.0.0.1:{metrics}")):
            root.replace("/etc/godwit/gateway.conf", old, new)
        root.run("godwit-registry", "ca-issue", "--dir", "/etc/godwit/ca", "--identity", "service/gateway", "--server-name", "127.0.0.1",
                 "--out", f"{TLS}/gateway")
        with root.service("godwit-gateway", "--config", "/etc/godwit/gateway.conf", "--tls-dir", f"{TLS}/gateway", until='"msg":"ready"'):
            self.assertEqual(root.run("curl", "-sS", f"http://127.0.0.1:{metrics}/readyz"), "ready\n")
            answer = root.run("curl", "-sS", "--cacert", f"{TLS}/gateway/ca.crt", "-X", "POST", f"https://127.0.0.1:{port}/InitializeService")
            self.assertIn("MissingAuthenticationTokenException", answer)
        print("gateway was ready before the registry, and asks for signatures")

    def purge(self, before):
        root = self.root
        root.run("rm", "-r", f"{TLS}/admin")
        root.write("/var/lib/godwit/store/replica", "data")
        said = root.run("dpkg", "--purge", *[f"godwit-{component}" for component in COMPONENTS])
        self.assertIn("is not empty and stays", said)
        self.assertEqual(root.read("/var/lib/godwit/store/replica"), "data", "replicas are not configuration")
        root.run("rm", "-r", "/var/lib/godwit")
        # The user goes with the last package and the last file; it stayed for the replica.
        self.assertIn("godwit:", root.read("/etc/passwd"))
        root.install([self.new["worker"]], ignore=",".join(LARGE))
        root.run("dpkg", "--purge", "godwit-worker")
        self.assertNotIn("godwit", root.read("/etc/passwd") + root.read("/etc/group"))
        self.assertEqual(sorted(root.files() - before), [], "purge leaves nothing")
        self.assertEqual(sorted(before - root.files()), [], "nor takes what is not ours")
        print("purged: no file, user or group is left")


if __name__ == "__main__":
    own_namespace()
    unittest.main(argv=sys.argv[:1], verbosity=2)
