#!/usr/bin/env python3
"""A whole installation seen from outside: what it says of itself, and that it can be stopped, saved and brought back.

    operations_test.py SOURCE BIN
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

SOURCE, BIN = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
DEV = SOURCE / "deploy/dev"
PROCESSES = ["registry", "replication", "replication-worker", "conversion", "conversion-worker", "jobs"]
CONFIGURED = [*PROCESSES, "gateway"]
# Series of single servers and launches: there are none in an empty installation.
OF_SERVERS = re.compile(r"^godwit_(replication_|group_|servers$|jobs$|conversion_tasks$)")
PATIENCE = 60


def run(*command, status=0, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=180, check=False, **more)
    if done.returncode != status:
        raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installation:
    def __init__(self, folder):
        self.dir = folder

    def script(self, action):
        return run(DEV / "installation.sh", action, self.dir, "--bin", BIN)

    def postgres(self, *arguments):
        return run(DEV / "pg_cluster.sh", arguments[0], self.dir / "pg", *arguments[1:]).strip()

    def port(self, name):
        return dict(line.split("=") for line in (self.dir / "ports").read_text().split())[name]

    def cli(self, *arguments, status=0):
        return run(BIN / "godwit", "--config", self.dir / "cli.conf", *arguments, status=status)

    def pid(self, name):
        return int((self.dir / "run" / f"{name}.pid").read_text())

    def metrics(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port(name + '-metrics')}/metrics", timeout=20) as page:
            text = page.read().decode()
        # Family -> sum of its series.
        found = {}
        for line in text.splitlines():
            if not line.startswith("#") and not line.startswith("exposer_"):
                series, value = line.rsplit(" ", 1)
                family = re.sub(r"_(bucket|sum|count)$", "", series.split("{")[0]) if "godwit_rpc_seconds" in series else series.split("{")[0]
                found[family] = found.get(family, 0) + float(value)
        return found


class Operations(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="godwit-operations-"))
        self.here = Installation(self.folder / "a")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.here.script, "destroy")
        self.here.script("start")

    def until(self, text, *command, status=0):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                said = self.here.cli(*command, status=status)
                if text in said:
                    return said
            except AssertionError as error:
                said = str(error)
            if time.monotonic() > deadline:
                raise AssertionError(f"{command} did not say {text!r}: {said}")
            time.sleep(0.2)

    def test_installation(self):
        for step in (self.configurations, self.metrics, self.health, self.bundle, self.drain, self.restore):
            began = time.monotonic()
            step()
            print(f"{step.__name__}: {time.monotonic() - began:.1f} s")

    def configurations(self):
        """What is shipped has the names of options: a program that reads it gets as far as its certificate."""
        files = [path for folder in ("deploy/etc", "deploy/kubernetes/base/conf") for path in sorted((SOURCE / folder).glob("*.conf"))
                 if path.stem != "migrate"]
        self.assertEqual(len(files), 2 * len(CONFIGURED))
        for path in files:
            text = path.read_text()
            every = self.folder / path.name
            # Also what is only proposed.
            every.write_text(re.sub(r"(?m)^#(?=[a-z-]+ = )", "", text))
            ended = subprocess.run([BIN / f"godwit-{path.stem}", "--config", every, "--tls-dir", self.folder / "none"],
                                   capture_output=True, text=True, timeout=60, check=False)
            said = ended.stdout + ended.stderr
            self.assertNotEqual(ended.returncode, 0)
            self.assertRegex(said, "tls.crt|--(ca|work)-dir", path)
            self.assertNotIn("there is no option", said)

    def metrics(self):
        docs = (SOURCE / "docs/metrics.md").read_text()
        listed, section = {}, ""
        for line in docs.splitlines():
            if heading := re.match(r"\| \*\*(.*?)\*\*", line):
                section = heading[1]
            elif line.startswith("| `"):
                for name in re.findall(r"`([a-z_]+)`", line.split("|")[1]):
                    listed[name] = section
        self.here.cli("tokens", "list")
        count = 0
        for name in PROCESSES:
            given = self.here.metrics(name)
            self.assertEqual(sorted(set(given) - set(listed)), [], f"{name} gives what docs/metrics.md does not list")
            wanted = {metric for metric, section in listed.items() if section in ("every process", f"godwit-{name}")}
            if name not in ("replication-worker", "conversion-worker"):
                wanted |= {metric for metric, section in listed.items() if section == "those with a database"}
            if name == "conversion-worker":
                wanted -= {"godwit_ready", "godwit_rpc_calls_total", "godwit_rpc_seconds"}
            # In an installation without servers hardly anybody calls the others.
            if name not in ("registry", "replication"):
                wanted -= {"godwit_rpc_calls_total", "godwit_rpc_seconds"}
            missing = [metric for metric in wanted - set(given) if not OF_SERVERS.match(metric)]
            self.assertEqual(missing, [], f"{name} does not give")
            count += len(given)
        self.assertEqual(self.here.metrics("registry")["godwit_ready"], 1)
        self.assertGreater(self.here.metrics("registry")["godwit_certificate_expiry_timestamp_seconds"], time.time())
        print(f"{count} metrics of {len(PROCESSES)} processes")

    def health(self):
        worker = ["health", "--endpoint", f"127.0.0.1:{self.here.port('replication-worker')}", "--identity", "worker/w-00000000000000001"]
        said = self.here.cli("health")
        self.assertEqual(said.count(": ready\n"), 4, said)
        self.here.postgres("stop", "immediate")
        # Not ready, which is not dead; a worker needs no database.
        self.until("registry: not ready", "health", status=5)
        self.until("jobs: not ready", "health", status=5)
        self.assertEqual(self.here.cli("health", "--live").count(": alive\n"), 4)
        self.assertIn("ready\n", self.here.cli(*worker))
        self.assertEqual(self.here.metrics("registry")["godwit_ready"], 0)
        self.here.postgres("start")
        self.until("registry: ready", "health")
        self.assertIn("alive\n", self.here.cli(*worker, "--live"))
        self.assertIn("no answer", run(BIN / "godwit", "--tls-dir", self.here.dir / "tls/admin", "health", "--endpoint",
                                       f"127.0.0.1:{self.here.port('jobs')}", "--identity", "service/registry", status=5))

    def bundle(self):
        secret = "correct-horse-battery-staple"
        config = self.folder / "registry.conf"
        config.write_text(f"listen = 127.0.0.1:1\ndatabase = host=db password={secret}\n")
        file = self.folder / "bundle.tar.zst"
        self.here.cli("support-bundle", file, "--metrics", f"127.0.0.1:{self.here.port('jobs-metrics')}", "--metrics", "127.0.0.1:1",
                      "--file", config, "--file", self.here.dir / "tls/admin/tls.key", "--file", self.here.dir / "log/registry.log")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        out = self.folder / "bundle"
        out.mkdir()
        run("tar", "-C", out, "--zstd", "-xf", file)
        texts = {path.name: path.read_text() for path in out.iterdir()}
        manifest = json.loads(texts["manifest.json"])
        self.assertEqual({entry["name"] for entry in manifest["files"]} | {"manifest.json"}, set(texts))
        self.assertEqual([text.split(":")[0] for text in manifest["missing"]], ["metrics-127.0.0.1_1.txt"])
        self.assertIn("registry: ready", texts["health.txt"])
        self.assertIn("w-00000000000000001", texts["workers.json"])
        self.assertIn("godwit_build_info", texts[f"metrics-127.0.0.1_{self.here.port('jobs-metrics')}.txt"])
        for name, text in texts.items():
            self.assertNotIn(secret, text, name)
            self.assertNotIn("PRIVATE KEY", text, name)
        self.assertIn("password=[redacted]", "".join(texts.values()))
        self.here.cli("support-bundle", file, status=4)  # never overwrites
        print(f"bundle: {len(texts)} texts, {file.stat().st_size} bytes")

    def drain(self):
        """SIGTERM ends every process in order and in time; nothing that is stopped so has failed."""
        self.token = self.here.cli("tokens", "create", "--description", "before the backup", "--output", "json")
        for name in PROCESSES:
            pid = self.here.pid(name)
            began = time.monotonic()
            os.kill(pid, signal.SIGTERM)
            while pathlib.Path(f"/proc/{pid}").exists() and "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text():
                self.assertLess(time.monotonic() - began, 30, f"{name} does not end")
                time.sleep(0.05)
            print(f"{name} ended after {time.monotonic() - began:.1f} s")
            log = (self.here.dir / "log" / f"{name}.log").read_text()
            self.assertIn('"msg":"stopping"', log)
            self.assertNotIn('"level":"error"', log)

    def restore(self):
        """As docs/operations.md says: dump, store, keys; into an installation that has nothing."""
        (self.here.dir / "store/kept").write_text("a replica")
        dump = self.folder / "godwit.dump"
        run("pg_dump", "--format=custom", "--no-owner", "--file", dump, "-d", self.here.postgres("conninfo"))
        there = Installation(self.folder / "b")
        shutil.copytree(self.here.dir, there.dir, ignore=shutil.ignore_patterns("pg", "log", "run", "conversion", "ports", "cli.conf"))
        self.addCleanup(there.script, "destroy")
        there.postgres("start")
        run("pg_restore", "--no-owner", "--exit-on-error", "-d", there.postgres("conninfo"), dump)
        there.script("start")
        self.assertIn("before the backup", there.cli("tokens", "list"))
        self.assertIn("up to date", run(BIN / "godwit-migrate", "--database", there.postgres("conninfo")))
        self.assertEqual((there.dir / "store/kept").read_text(), "a replica")
        # The same CA: certificates that agents have stay good; and the token still is what it was.
        self.assertEqual(json.loads(self.token)["caPin"], json.loads(there.cli("tokens", "create", "--output", "json"))["caPin"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
