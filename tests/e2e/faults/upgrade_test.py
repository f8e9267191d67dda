#!/usr/bin/python3
"""A rolling upgrade with programs of two releases: all services of the release before run, two copies each, with traffic and launches;
godwit-migrate of the new release runs, copies are replaced one at a time, one of each goes back to the release before, and forward
again; worker and conversion worker of the release before stay. Nothing that was acknowledged is lost, nothing is done twice.

    upgrade_test.py SOURCE BIN [PREVIOUS_BIN]

PREVIOUS_BIN, or GODWIT_PREVIOUS_BIN: the folder of the programs of the release before. Without one the test is skipped (status 77).
"""
import os
import pathlib
import subprocess
import sys
import time
import unittest

import fleet
import traffic
from processes import Process, free_port, run, until
from rig import SERVICES, Rig
from storm import storm

NEW = pathlib.Path(sys.argv[2])
OLD = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else os.environ.get("GODWIT_PREVIOUS_BIN", "."))
SEED = int(os.environ.get("GODWIT_FAULT_SEED", "20260301"))
SCHEMAS = """SELECT count(*), md5(string_agg(table_schema || table_name || column_name || data_type, ',' ORDER BY 1))
  FROM information_schema.columns WHERE table_schema IN ('registry', 'replication', 'conversion', 'jobs')"""


class Upgrade(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(sys.argv[1], OLD)
        self.addCleanup(self.rig.end)
        self.rig.start()
        self.fleet = fleet.Fleet(self.rig)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        self.launches = traffic.Launches(self.rig)
        self.worker = self.real_worker()
        self.addCleanup(self.worker.kill)

    def real_worker(self):
        """A replication worker of the release before; it comes when all servers have one, so it stays idle, and holds its lease."""
        tls = self.rig.dir / "clients/real-worker"
        self.worker_id = f"w-{99:017x}"
        self.rig.certificate(f"worker/{self.worker_id}", tls)
        (self.rig.dir / "real-store").mkdir()
        return Process("worker", [OLD / "godwit-replication-worker", "--listen", f"127.0.0.1:{free_port()}", "--store", self.rig.dir / "real-store",
                                  "--tls-dir", tls, "--replication", self.rig.target("replication"), "--master-key-file", self.rig.dir / "master.keys",
                                  "--metrics-listen", f"127.0.0.1:{free_port()}"], self.rig.dir / "log/worker.log").start()

    def old_command_line(self):
        """The command line of the release before, at the services of the new one."""
        folder = self.rig.dir / "clients/user_admin_test"
        listed = run(OLD / "godwit", "--tls-dir", folder, "--registry", self.rig.endpoint("registry", 0), "--output", "json", "servers", "list")
        self.assertEqual([agent.server for agent in self.fleet.agents if f'"{agent.server}"' not in listed], [])

    def worker_row(self):
        return self.rig.sql(f"SELECT incarnation, dead, lease_until > now() FROM replication.worker WHERE id = '{self.worker_id}'")

    def test_upgrade(self):
        servers = [agent.server for agent in self.fleet.agents]
        for server in servers[3:8]:
            self.launches.settings(server)
        until(self.worker_row, lambda: f"the worker does not register: {self.worker.text()[-2000:]}")
        row = self.worker_row()
        work = traffic.Traffic(self.rig, servers)
        self.addCleanup(work.end)
        until(lambda: work.acknowledged() > 30, "no changes get through")
        self.migrate(servers[3])
        self.replace("forward", NEW, copies=(0, 1), launch={"registry": servers[4], "jobs": servers[5]})
        self.assertEqual(storm(self.rig, servers[8:], SEED), [])
        self.replace("back", OLD, copies=(0,), launch={"registry": servers[6]})
        self.replace("forward again", NEW, copies=(0,), launch={"replication": servers[7]})
        jobs = self.launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4] * 5, [str(job) for job in jobs.values()])
        time.sleep(1)  # traffic goes on with the new ones alone
        work.end()
        self.assertEqual(self.worker_row(), row, "the worker of the release before has not kept its lease")
        self.assertEqual(row[0][1:], ["f", "t"])
        self.old_command_line()
        self.judge(work, machines=5)
        self.control(servers[0])

    def migrate(self, server):
        before = self.rig.sql(SCHEMAS)
        self.launches.start(server)
        said = run(NEW / "godwit-migrate", "--database", self.rig.conninfo)
        after = self.rig.sql(SCHEMAS)
        print(f"migrated under load: {' '.join(said.split())[:600] or 'nothing to do'}; columns {before[0][0]} -> {after[0][0]}")
        # One that is older than the schemas refuses, and changes nothing.
        old = subprocess.run([OLD / "godwit-migrate", "--database", self.rig.conninfo], capture_output=True, text=True, check=False, timeout=60)
        print(f"godwit-migrate of the release before: status {old.returncode}: {(old.stderr or old.stdout).strip()[-300:]}")
        self.assertEqual(old.returncode == 0, before == after)
        self.assertEqual(self.rig.sql(SCHEMAS), after)

    def replace(self, way, programs, copies, launch):
        """In the order of docs/operations.md, one copy at a time."""
        began = time.monotonic()
        for service in SERVICES:
            for copy in copies:
                name = f"{service}-{copy}"
                process = self.rig.processes[name]
                if copy == copies[-1] and service in launch:
                    self.launches.start(launch[service])
                self.assertEqual(process.end(), 0, f"{name}: {process.text()[-2000:]}")
                self.rig.programs[name] = programs
                self.rig.describe(service, copy).start().await_serving()
                self.assertEqual(os.readlink(f"/proc/{self.rig.processes[name].pid}/exe"), str((programs / f"godwit-{service}").resolve()))
        print(f"{way}: {len(SERVICES) * len(copies)} copies replaced in {time.monotonic() - began:.1f} s")

    def judge(self, work, machines):
        until(lambda: not traffic.leftovers(self.rig, machines), lambda: traffic.leftovers(self.rig, machines), patience=30)
        self.assertEqual(work.failed(), [], "calls that failed although they were tried again")
        self.assertEqual(self.launches.failed, [])
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(self.fleet.moves(), [], "no worker was away, yet servers moved")
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        jobs = sum(map(len, self.launches.jobs.values()))
        for table in ("jobs.job", "conversion.task", "replication.clone"):
            self.assertEqual(self.rig.number(f"SELECT count(*) FROM {table}"), jobs, table)
        self.assertEqual(self.rig.number("SELECT count(*) FROM registry.outbox WHERE done_time IS NULL"), 0)
        print(f"seed {SEED}; {work.acknowledged()} changes acknowledged; {[str(looping.tally) for looping in work.all]}")

    def control(self, server):
        """A release that contracts too early is noticed: a column that programs of this one use is gone."""
        self.rig.sql("ALTER TABLE registry.source_server RENAME COLUMN tags TO labels")
        tags = traffic.Tags(self.rig, server).begin()
        self.addCleanup(tags.end)
        until(lambda: tags.failed, "a column that is gone is not missed", patience=30)
        print(f"control: {tags.failed[0][:200]}")


if __name__ == "__main__":
    if not (OLD / "godwit-registry").exists() or OLD == pathlib.Path("."):
        print("skipped: no programs of the release before; name their folder in GODWIT_PREVIOUS_BIN")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
