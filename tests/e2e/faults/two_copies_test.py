#!/usr/bin/python3
"""Two copies of every service over one database, with traffic: one of each is killed, and later those of one host after those of the
other are stopped and started as an upgrade does it. Nothing that was acknowledged is lost, nothing is done twice, and what was launched is there once.

    two_copies_test.py SOURCE BIN

GODWIT_FAULT_SEED chooses who dies; GODWIT_FAULT_ROUNDS (1) how often.
"""
import os
import random
import signal
import sys
import time
import unittest

import fleet
import traffic
from processes import until
from rig import SERVICES, Rig
from storm import storm

SEED = int(os.environ.get("GODWIT_FAULT_SEED", "20260201"))
ROUNDS = int(os.environ.get("GODWIT_FAULT_ROUNDS", "1"))


class TwoCopies(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(*sys.argv[1:3])
        self.addCleanup(self.rig.end)
        began = time.monotonic()
        self.rig.start()
        self.fleet = fleet.Fleet(self.rig)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        print(f"seed {SEED}; {len(self.rig.processes)} services serve, {len(self.fleet.agents)} servers are ready after {time.monotonic() - began:.1f} s")

    def test_copies(self):
        servers = [agent.server for agent in self.fleet.agents]
        launches = traffic.Launches(self.rig)
        for server in servers[3:6]:
            launches.settings(server)
        work = traffic.Traffic(self.rig, servers)
        self.addCleanup(work.end)
        chance = random.Random(SEED)
        for turn in range(ROUNDS):
            self.kill_one_of_each(chance, launches if turn == 0 else None, servers[3:5])
        self.assertEqual(storm(self.rig, servers[6:], SEED), [])
        self.restart_each(launches, servers[5])
        jobs = launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4] * 3, [str(job) for job in jobs.values()])
        time.sleep(1)  # traffic goes on with everybody there
        work.end()
        self.judge(work, launches, machines=3)
        self.control(work)

    def kill_one_of_each(self, chance, launches, servers):
        started = []
        for service in SERVICES:
            if launches is not None and service in ("replication", "jobs"):
                launches.start(servers[service == "jobs"])
                time.sleep(chance.uniform(0.3, 1.5))  # somewhere in the launch
            process = self.rig.processes[f"{service}-{chance.randrange(self.rig.copies)}"]
            process.kill()
            time.sleep(chance.uniform(0.1, 0.6))
            started.append(process.start())
        for process in started:
            process.await_serving()
        print(f"killed and started again: {', '.join(process.name for process in started)}")

    def restart_each(self, launches, server):
        """The copies of one host after those of the other, as an upgrade does it."""
        launches.start(server)
        began = time.monotonic()
        for copy in range(self.rig.copies):
            processes = [self.rig.processes[f"{service}-{copy}"] for service in SERVICES]
            for process in processes:
                process.signal(signal.SIGTERM)
            for process in processes:
                self.assertEqual(process.end(), 0, f"{process.name}: {process.text()[-2000:]}")
                process.start()
            for process in processes:
                process.await_serving()
        print(f"{len(self.rig.processes)} services were restarted host by host in {time.monotonic() - began:.1f} s")

    def judge(self, work, launches, machines):
        until(lambda: not traffic.leftovers(self.rig, machines), lambda: traffic.leftovers(self.rig, machines), patience=30)
        self.assertEqual(work.failed(), [], "calls that failed although they were tried again")
        self.assertEqual(launches.failed, [])
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(self.fleet.moves(), [], "no worker was away, yet servers moved")
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        # One job a launch, one conversion and one clone a job; nothing waits for delivery.
        self.assertEqual(self.rig.number("SELECT count(*) FROM jobs.job"), sum(map(len, launches.jobs.values())))
        self.assertEqual(self.rig.number("SELECT count(*) FROM conversion.task"), self.rig.number("SELECT count(*) FROM jobs.job"))
        self.assertEqual(self.rig.number("SELECT count(*) FROM replication.clone"), self.rig.number("SELECT count(*) FROM jobs.job"))
        self.assertEqual(self.rig.number("SELECT count(*) FROM registry.outbox WHERE done_time IS NULL"), 0)
        tallies = {looping.__class__.__name__: str(looping.tally) for looping in work.all}
        print(f"{work.acknowledged()} changes acknowledged; {tallies}")
        print(f"longest silence of a worker {max(worker.longest_gap for worker in self.fleet.workers.values()):.1f} s, "
              f"of an agent {max(agent.longest_gap for agent in self.fleet.agents):.1f} s; lease {self.rig.lease} s")

    def control(self, work):
        """The same checks notice what they are for: a lost row, a doubled one, a forgotten machine, a stray clone."""
        key, name = next(iter(work.inventories[0].acknowledged.items()))
        self.rig.sql(f"UPDATE registry.source_server SET user_provided_id = 'gone' WHERE user_provided_id = '{key}'")
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [f"{key} was acknowledged as {name} and is None"])
        self.rig.end_machines()
        until(lambda: not self.rig.machine_processes(), "machines do not end")
        (self.rig.dir / "store/s/c-stray").mkdir()
        faults = traffic.leftovers(self.rig, 3)
        self.assertEqual(len(faults), 2, faults)
        self.assertIn("0 processes of machines", faults[0])
        self.assertIn("c-stray", faults[1])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
