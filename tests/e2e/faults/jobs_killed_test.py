#!/usr/bin/python3
"""godwit-jobs is killed (kill -9 of itself) at every boundary of every step of a test launch that fails, a cutover and a termination:
before and after what the step does and what its undo does. The job ends, there is one machine and one clone of it, none after an undo,
and folders, processes, clones and rows agree.

    jobs_killed_test.py SOURCE BIN

GODWIT_FAULT_EVERY: 1 waits for the leases of dead runners to end by themselves; by default the test ends them, which saves minutes.
"""
import os
import sys
import unittest

import api
import fleet
import traffic
from processes import until
from rig import Rig

WAIT = os.environ.get("GODWIT_FAULT_EVERY") == "1"
PREPARE = ["look_up_server", "remove_machines", "take_point", "create_clone", "convert", "create_machine", "start_machine", "prove_boot"]
CUTOVER = PREPARE + ["run_actions", "report_launched", "detach_disks"]
ENDS = ["jobs.end.before", "jobs.end.after"]


def both(steps, infix=""):
    return [f"jobs.{step}.{infix}{side}" for step in steps for side in ("before", "after")]


class JobsKilled(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(*sys.argv[1:3], copies=1)
        self.addCleanup(self.rig.end)
        self.rig.start(only=("registry", "replication", "conversion", "jobs"))
        self.fleet = fleet.Fleet(self.rig, worker_count=1, agent_count=2)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        self.jobs = self.rig.processes["jobs-0"]
        self.launches = traffic.Launches(self.rig)
        self.registry = self.rig.client("registry", "user/operator/launch")
        self.reader = self.rig.client("jobs", "user/operator/launch")
        self.server = self.fleet.agents[0].server
        self.launches.settings(self.server)

    def killed_at_each(self, sites, call, expected_state, **fields):
        """The job that `call` starts, after its runner died at each of `sites`, in this order."""
        before = self.rig.number("SELECT count(*) FROM jobs.job")
        request = api.request_id()
        self.jobs.kill()
        job = None
        for number, site in enumerate(sites):
            self.jobs.start(GODWIT_FAILPOINT=f"{site}:1:crash")
            if number == 0:
                job = self.registry(f"SourceServerService/{call}", names=[self.server], request_id=request, patience=60, **fields).name
            until(lambda: not self.jobs.running(), lambda: f"{site} was not reached: {self.jobs.text()[-3000:]}", patience=60, pause=0.02)
            self.assertEqual([entry["site"] for entry in self.jobs.said("failpoint")], [site])
            if not WAIT:
                self.rig.sql("UPDATE jobs.run SET due_at = now() WHERE owner IS NOT NULL AND state < 5")
        self.jobs.start().await_serving()

        def ended():
            return next((found for found in [self.reader("JobService/GetJob", name=job)] if found.state >= 4), None)
        found = until(ended, lambda: str(self.reader("JobService/GetJob", name=job)))
        self.assertEqual(found.state, expected_state, str(found))
        self.assertEqual(list(found.warnings), [])
        self.assertEqual(self.registry(f"SourceServerService/{call}", names=[self.server], request_id=request, **fields).name, job)
        self.assertEqual(self.rig.number("SELECT count(*) FROM jobs.job"), before + 1)
        self.assertEqual(self.rig.number(f"SELECT count(*) FROM jobs.step s JOIN jobs.run r ON r.id = s.run_id WHERE r.job_id = '{job.split('/')[1]}' "
                                         "AND s.state = 2"), 0, "a step is still running")
        print(f"{call}: killed {len(sites)} times, ended {'as SUCCEEDED' if expected_state == 4 else 'as FAILED'}")
        return found

    def agree(self, machines):
        until(lambda: not traffic.leftovers(self.rig, machines), lambda: traffic.leftovers(self.rig, machines), patience=30)

    def count(self, table, where="true"):
        return self.rig.number(f"SELECT count(*) FROM {table} WHERE {where}")

    def test_killed(self):
        self.undone()
        self.cut_over()
        self.terminated()
        self.assertEqual(self.fleet.errors(), [])

    def undone(self):
        """A test launch whose machine never says what it should: everything is undone, the last step first."""
        self.registry("SourceServerService/UpdateLaunchSettings", name=self.server, settings={"boot_proof": {
            "console_text": "never said", "timeout": {"seconds": 2}}}, update_mask={"paths": ["boot_proof"]})
        self.killed_at_each(both(reversed(PREPARE), "undo.") + ["jobs.report_failure.before"] + ENDS, "StartTest", 5)
        self.agree(machines=0)
        until(lambda: self.rig.clone_folders() == [], "the clone stays")
        self.assertEqual((self.count("replication.clone"), self.count("conversion.task")), (1, 1), "made once, removed once")
        self.launches.settings(self.server)

    def cut_over(self):
        self.registry("SourceServerService/MarkReadyForCutover", name=self.server, request_id=api.request_id())
        self.killed_at_each(["jobs.claimed"] + both(CUTOVER) + ENDS, "StartCutover", 4)
        self.agree(machines=1)
        until(lambda: self.rig.clone_folders() == [], "the machine's disks are its own, and its clone stays")
        self.assertEqual((self.count("replication.clone"), self.count("conversion.task")), (2, 2))
        self.assertEqual(self.count("replication.point", "requested"), 2, "one point a launch")

    def terminated(self):
        # The oracle notices a machine that nobody knows.
        faults = traffic.leftovers(self.rig, 0)
        self.assertEqual(len(faults), 2, faults)
        self.registry("SourceServerService/RevertCutover", name=self.server, request_id=api.request_id())
        self.killed_at_each(["jobs.claimed"] + both(["remove_machines", "report_terminated"]) + ENDS, "TerminateTargetInstances", 4)
        self.agree(machines=0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
