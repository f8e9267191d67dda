#!/usr/bin/python3
"""PostgreSQL dies and comes back, is away for two leases, and loses the answers to commits, under load of heartbeats, changes and
launches: what was acknowledged is there, nothing is there twice, nobody is taken for dead, and all is well again within two leases.

    outage_test.py SOURCE BIN

GODWIT_FAULT_SECONDS: how long the database is away (two leases). GODWIT_FAULT_SEED: whose commits lose their answers.
"""
import os
import sys
import time
import unittest

import fleet
import traffic
from line import Line
from processes import run, until
from rig import Rig

SEED = int(os.environ.get("GODWIT_FAULT_SEED", "20260202"))
LEASE = 4
AWAY = float(os.environ.get("GODWIT_FAULT_SECONDS", str(2 * LEASE)))


class Outage(unittest.TestCase):
    def setUp(self):
        self.line = None
        self.rig = Rig(*sys.argv[1:3], copies=1, database_through=self.through, lease=LEASE)
        self.addCleanup(self.rig.end)
        self.rig.start(only=("registry", "replication", "conversion", "jobs"))
        self.fleet = fleet.Fleet(self.rig)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")

    def through(self, _service, _copy, conninfo):
        if self.line is None:
            self.line = Line(conninfo, SEED)
            self.addCleanup(self.line.end)
        return self.line.conninfo

    def test_outage(self):
        servers = [agent.server for agent in self.fleet.agents]
        self.launches = traffic.Launches(self.rig)
        for server in servers[3:6]:
            self.launches.settings(server)
        work = traffic.Traffic(self.rig, servers, gateway=False)
        self.addCleanup(work.end)
        self.crashes(servers[3])
        self.away(servers[4])
        self.lost_answers(servers[5])
        jobs = self.launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4] * 3, [str(job) for job in jobs.values()])
        self.judge(work)
        self.control(work)

    def crashes(self, server):
        self.launches.start(server)
        for _ in range(3):
            time.sleep(0.5)
            self.rig.postgres("stop", "immediate")
            self.rig.postgres("start")
        self.recovered("three crashes of the database")

    def away(self, server):
        self.launches.start(server)
        time.sleep(1)
        self.rig.postgres("stop", "immediate")
        began = time.monotonic()
        self.before = f"{self.rig.database_folder()}.before"  # for the control
        run("cp", "-a", self.rig.database_folder(), self.before)
        time.sleep(max(began + AWAY - time.monotonic(), 0))
        self.rig.postgres("start")
        self.recovered(f"{AWAY:.0f} s without the database")

    def lost_answers(self, server):
        self.launches.start(server)
        self.line.lost_commits = 0.1
        until(lambda: self.line.lost_count >= 20, lambda: f"{self.line.lost_count} answers lost", patience=30)
        self.line.lost_commits = 0.0
        self.recovered(f"{self.line.lost_count} commits without an answer")

    def recovered(self, what):
        """Everybody was heard of again, and servers are where they were."""
        print(f"{what}: all were heard of after {self.fleet.heard(what, patience=2 * LEASE):.1f} s")
        self.assertEqual(self.fleet.moves(), [], what)

    def judge(self, work):
        time.sleep(1)
        work.end()
        self.assertEqual(work.failed() + self.launches.failed, [], "calls that failed although they were tried again")
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(self.fleet.moves(), [])
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        until(lambda: not traffic.leftovers(self.rig, 3), lambda: traffic.leftovers(self.rig, 3), patience=30)
        for table in ("jobs.job", "conversion.task", "replication.clone"):
            self.assertEqual(self.rig.number(f"SELECT count(*) FROM {table}"), 3, table)
        print(f"seed {SEED}; {work.acknowledged()} changes acknowledged; {[str(looping.tally) for looping in work.all]}; "
              f"{self.line.most_open} connections at most")

    def control(self, work):
        """A worker that is away is noticed; so is a database that comes back as it was earlier (as a standby may that copies late)."""
        away = next(iter(self.fleet.workers.values()))
        away.paused = True
        until(self.fleet.moves, "a worker that is away keeps its servers", patience=6 * LEASE)
        print(f"control: {self.fleet.moves()[0]}")
        data = self.rig.database_folder()
        self.rig.postgres("stop", "immediate")
        run("rm", "-rf", data)
        run("mv", self.before, data)
        self.rig.postgres("start")
        faults = traffic.lost_and_doubled(self.rig, work)
        print(f"control: {len(faults)} of {work.acknowledged()} changes were lost by a database that came back as it was earlier")
        self.assertGreater(len(faults), 10)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
