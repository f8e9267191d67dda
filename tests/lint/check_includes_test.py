#!/usr/bin/env python3
"""check_includes.py finds what it should find, and nothing in a clean file."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]
CHECK = REPO / "deploy/dev/check_includes.py"


class CheckIncludesTest(unittest.TestCase):
    def run_on(self, path, text, others=()):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in [(path, text)] + [(o, "#pragma once\n") for o in others]:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
            done = subprocess.run([CHECK, "--root", root], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

    def expect_refused(self, path, include, why):
        code, said = self.run_on(path, f'#include "{include}"\n', [include])
        self.assertEqual(code, 1, said)
        self.assertIn(f"{path}:1: {include}: ", said)
        self.assertIn(why, said)

    def test_core_is_plain(self):
        for folder in ("domain", "app"):
            path = f"services/registry/{folder}/x.cc"
            self.expect_refused(path, "godwit/registry/v1/settings.pb.h", "no proto")
            self.expect_refused(path, "grpcpp/server.h", "no gRPC")
            self.expect_refused(path, "libpq-fe.h", "no database")
            self.expect_refused(path, "services/common/pg/pool.h", "no database")
            self.expect_refused(path, "services/common/rpc/serve.h", "services/common/rpc")
            self.expect_refused(path, "services/registry/storage/x.h", "no adapter")
        self.expect_refused("services/registry/domain/x.cc", "services/registry/app/x.h", "domain does not know app")

    def test_services_are_strangers(self):
        self.expect_refused("services/registry/rpc/x.cc", "services/jobs/domain/job.h", "does not include services/jobs")
        self.expect_refused("services/common/base/x.cc", "services/jobs/domain/job.h", "includes no service")
        self.expect_refused("services/replication/worker/store/x.cc", "services/replication/coordinator/domain/x.h",
                            "does not include")
        self.expect_refused("agent/engine/x.cc", "services/common/pg/pool.h", "the agent uses only")
        self.expect_refused("cli/x.cc", "services/registry/domain/x.h", "the command line uses only")

    def test_generated_headers_stay_at_the_edges(self):
        self.expect_refused("services/jobs/steps/x.cc", "godwit/jobs/v1/job.pb.h", "only in appliance/ and clients/")
        self.expect_refused("agent/tracker/x.cc", "godwit/replication/v1/block_stream.pb.h", "only in commands/")
        self.expect_refused("services/registry/storage/x.cc", "grpcpp/server.h", "storage knows no proto")

    def test_long_files_markers_and_missing_guards(self):
        code, said = self.run_on("cli/x.cc", "int x;\n" * 501)
        self.assertEqual((code, "at most 500" in said), (1, True), said)
        code, said = self.run_on("cli/x.cc", "// TO" + "DO: later\n")
        self.assertEqual((code, "work markers" in said), (1, True), said)
        code, said = self.run_on("cli/x.h", "int x;\n")
        self.assertEqual((code, "#pragma once" in said), (1, True), said)
        code, said = self.run_on("cli/x.cc", '#include "cli/gone.h"\n')
        self.assertEqual((code, "no such file" in said), (1, True), said)

    def test_what_is_allowed(self):
        include = '#include "services/registry/app/x.h"\n#include "godwit/registry/v1/settings.pb.h"\n'
        code, said = self.run_on("services/registry/rpc/x.cc", include, ["services/registry/app/x.h"])
        self.assertEqual(code, 0, said)
        code, said = self.run_on("services/registry/app/x.cc", '#include "services/registry/domain/x.h"\n',
                                 ["services/registry/domain/x.h"])
        self.assertEqual(code, 0, said)

    def test_an_empty_tree_is_an_error(self):
        code, _ = self.run_on("README.md", "nothing")
        self.assertEqual(code, 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
