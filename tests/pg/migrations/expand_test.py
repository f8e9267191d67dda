#!/usr/bin/env python3
"""Every migration only expands the schema before it, so that programs that know the schema before go on working (N-1 on N).

    expand_test.py SOURCE

Applies the migrations of each service one by one to a real database and compares what is there before and after: no table or column goes or
changes its type or its name, what is new may be left out by those who do not know it, and no rule is added to what was there. A migration that
contracts (a release after nobody reads what goes) is listed in CONTRACTS with its reason.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv[1]).resolve()
CLUSTER = SOURCE / "deploy/dev/pg_cluster.sh"
CONTRACTS = {}  # "schema/NNNN_name.sql": "why nobody of the release before needs what goes"

COLUMNS = """SELECT coalesce(json_agg(json_build_object('place', table_name || '.' || column_name, 'type', data_type || coalesce(udt_name, ''),
  'optional', is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS',
  'nullable', is_nullable = 'YES')), '[]') FROM information_schema.columns WHERE table_schema = '{0}'"""
RULES = """SELECT coalesce(json_agg(json_build_object('table', c.relname, 'name', r.conname, 'kind', r.contype,
  'columns', (SELECT coalesce(json_agg(c.relname || '.' || a.attname), '[]') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.conkey)))), '[]')
  FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = '{0}' AND r.contype <> 't'"""


def faults(before, after):
    """What programs that know only `before` would stumble over."""
    found = []
    columns, new = ({entry["place"]: entry for entry in side["columns"]} for side in (before, after))
    tables = {place.split(".")[0] for place in columns}
    for place, entry in columns.items():
        if place not in new:
            found.append(f"{place} is gone")
        elif new[place]["type"] != entry["type"]:
            found.append(f"{place} is {new[place]['type']}, was {entry['type']}")
        elif entry["nullable"] and not new[place]["nullable"]:
            found.append(f"{place} may not be null any more")
    for place, entry in new.items():
        if place not in columns and place.split(".")[0] in tables and not entry["optional"]:
            found.append(f"{place} is new and must be given")
    rules = {(rule["table"], rule["name"]) for rule in before["rules"]}
    kept = {(rule["table"], rule["name"]) for rule in after["rules"]}
    for rule in after["rules"]:
        # A rule may be made anew under its name (a wider range), and may be about new columns.
        replaced = any(table == rule["table"] for table, _ in rules - kept)
        if rule["table"] in tables and (rule["table"], rule["name"]) not in rules and not replaced \
                and any(column in columns for column in rule["columns"]):
            found.append(f"rule {rule['name']} is new on what was there")
    return found


class Expand(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="godwit-migrations-")
        self.addCleanup(subprocess.run, [CLUSTER, "destroy", self.folder], check=True)
        self.conninfo = subprocess.run([CLUSTER, "start", self.folder], capture_output=True, text=True, check=True).stdout.strip()

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-1", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, "-f", "-"], input=text, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def look(self, schema):
        return {"columns": json.loads(self.sql(COLUMNS.format(schema))), "rules": json.loads(self.sql(RULES.format(schema)))}

    def test_every_migration_expands(self):
        count = 0
        for folder in sorted((SOURCE / "services").glob("*/migrations")):
            schema = folder.parent.name
            self.sql(f"CREATE SCHEMA {schema}")
            for file in sorted(folder.glob("*.sql")):
                before = self.look(schema)
                self.sql(f"SET LOCAL search_path = {schema};\n{file.read_text()}")
                name = f"{schema}/{file.name}"
                if name not in CONTRACTS:
                    with self.subTest(migration=name):
                        self.assertEqual(faults(before, self.look(schema)), [])
                count += 1
        self.assertGreater(count, 4)
        print(f"{count} migrations expand what was there")

    def test_what_contracts_is_noticed(self):
        self.sql("CREATE SCHEMA t; CREATE TABLE t.a (id int PRIMARY KEY, name text, size int)")
        before = self.look("t")
        for change, fault in (("DROP COLUMN name", "a.name is gone"), ("ALTER COLUMN size TYPE bigint", "a.size is bigintint8, was integerint4"),
                              ("ALTER COLUMN size SET NOT NULL", "a.size may not be null any more"),
                              ("ADD COLUMN more int NOT NULL", "a.more is new and must be given"),
                              ("ADD CONSTRAINT a_small CHECK (size < 9)", "rule a_small is new on what was there"),
                              ("RENAME COLUMN name TO title", "a.name is gone")):
            with self.subTest(change=change):
                self.sql(f"ALTER TABLE t.a {change}")
                self.assertEqual(faults(before, self.look("t")), [fault])
                self.sql("DROP TABLE t.a; CREATE TABLE t.a (id int PRIMARY KEY, name text, size int)")
        for change in ("ADD COLUMN more int NOT NULL DEFAULT 1", "ADD COLUMN more int CHECK (more > 0)"):
            with self.subTest(change=change):
                self.sql(f"ALTER TABLE t.a {change}")
                self.assertEqual(faults(before, self.look("t")), [])
                self.sql("ALTER TABLE t.a DROP COLUMN more")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
