#!/usr/bin/env python3
"""Every SQL statement that the programs hold is good on the schemas of this tree; and so is every one of the release before (N-1 on N).

    statements_test.py SOURCE BIN             checks
    statements_test.py SOURCE BIN --record    writes the statements of these programs into released_statements.sql, at a release

The statements are read out of the programs themselves: they are constants. PostgreSQL prepares each: names, types and rules that a
statement names must be there. What was released and needs another schema than the present one is a contraction too early.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, BIN = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CLUSTER = SOURCE / "deploy/dev/pg_cluster.sh"
RELEASED = pathlib.Path(__file__).with_name("released_statements.sql")
PROGRAMS = ["registry", "replication", "conversion", "jobs"]
SHAPE = re.compile(rb"(?<=\0)((?:select\s[\x20-\x7e\n]+?\sfrom|insert\s+into|update\s+\S+|delete\s+from|with\s+\w+\s+as)\s[\x20-\x7e\n]+)(?=\0)", re.IGNORECASE)


def statements():
    """Of the programs, without those that name no schema of ours."""
    found = set()
    for program in PROGRAMS:
        for match in SHAPE.finditer((BIN / f"godwit-{program}").read_bytes()):
            text = " ".join(match[1].decode().split())
            if re.search(rf"\b({'|'.join(PROGRAMS)})\.[a-z]", text):
                found.add(text)
    return sorted(found)


def released():
    return [line[:-1] for line in RELEASED.read_text().splitlines() if line and not line.startswith("--")]


class Statements(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="godwit-migrations-")
        self.addCleanup(subprocess.run, [CLUSTER, "destroy", self.folder], check=True)
        self.conninfo = subprocess.run([CLUSTER, "start", self.folder], capture_output=True, text=True, check=True).stdout.strip()
        subprocess.run([BIN / "godwit-migrate", "--database", self.conninfo], capture_output=True, check=True)

    def refused(self, texts, before=""):
        """What PostgreSQL says to those that it does not take."""
        script = f"BEGIN; {before}; SAVEPOINT s;\n" + "".join(f"PREPARE p{i} AS {text}; ROLLBACK TO s;\n" for i, text in enumerate(texts))
        done = subprocess.run(["psql", "-Xq", "-d", self.conninfo, "-f", "-"], input=script, capture_output=True, text=True, check=False)
        lines = re.findall(r"^psql:<stdin>:(\d+): ERROR: (.*)", done.stderr, re.MULTILINE)
        return [f"{said}: {texts[int(line) - 2]}" for line, said in lines]

    def test_statements(self):
        present, before = statements(), released()
        self.assertGreater(len(present), 150)
        self.assertGreater(len(before), 150)
        self.assertEqual(self.refused(present), [], "of these programs")
        self.assertEqual(self.refused(before), [], "of the release before: programs N-1 would fail on this schema")
        print(f"{len(present)} statements of these programs and {len(before)} of the release before are good; {len(set(before) & set(present))} are the same")
        # What goes too early is noticed.
        faults = self.refused(before, "ALTER TABLE jobs.run DROP COLUMN due_at")
        self.assertGreater(len(faults), 3)
        self.assertIn("due_at", faults[0])
        self.assertGreater(len(self.refused(before, "ALTER TABLE conversion.task DROP CONSTRAINT task_request_id")), 0)


if __name__ == "__main__":
    if "--record" in sys.argv:
        RELEASED.write_text("-- Statements of the programs of the last release, one a line: written by statements_test.py --record.\n"
                            + "".join(f"{text};\n" for text in statements()))
        print(f"{len(released())} statements recorded")
    else:
        unittest.main(argv=sys.argv[:1], verbosity=2)
