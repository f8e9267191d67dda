#!/usr/bin/env python3
"""leftovers.py names a process of the run that is still there, and keeps quiet about what was there before."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "deploy/dev/leftovers.py"


class LeftoversTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.snapshot = os.path.join(self.folder.name, "before")
        mark = f"leftovers-test-{os.getpid()}"
        self.env = {**os.environ, "GODWIT_TEST_RUN": mark, "TMPDIR": self.folder.name}

    def tool(self, verb):
        return subprocess.run([TOOL, verb, self.snapshot], capture_output=True, text=True, env=self.env, check=False)

    def start_sleeper(self):
        sleeper = subprocess.Popen(["sleep", "300"], env=self.env)
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        return sleeper

    def test_names_a_process_that_stayed(self):
        self.assertEqual(self.tool("snapshot").returncode, 0)
        sleeper = self.start_sleeper()
        done = self.tool("check")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(f"process {sleeper.pid}: sleep 300", done.stdout)

    def test_what_was_there_before_does_not_count(self):
        self.start_sleeper()
        self.assertEqual(self.tool("snapshot").returncode, 0)
        done = self.tool("check")
        self.assertNotIn("sleep 300", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_usage(self):
        done = subprocess.run([TOOL, "look"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("snapshot FILE", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
