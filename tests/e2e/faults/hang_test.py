#!/usr/bin/python3
"""One copy each of registry, coordinator and jobs hangs (SIGSTOP: its connections stay, its answers do not come), the jobs copy in the
middle of making a machine, for two leases; then all go on. Workers keep their leases through the other copies, calls that are tried
again succeed, jobs are taken over, and what the ones that woke up find in their sockets or were about to do changes nothing. With the
guard of processes that stood still turned off, a write out of such a socket undoes a newer one: the control.

    hang_test.py SOURCE BIN

GODWIT_FAULT_SECONDS: how long they hang (two leases).
"""
import os
import signal
import sys
import threading
import time
import unittest

import grpc

import api
import fleet
import traffic
from line import Line
from processes import Process, free_port, until
from rig import Rig

LEASE = 6
SECONDS = float(os.environ.get("GODWIT_FAULT_SECONDS", str(2 * LEASE)))
SITE = "jobs.qemu.create"
NO_GUARD = "base.standstill.guard:*:error"
STANDSTILL = 2.5  # seconds, that every process notices
TAGS = "SourceServerService/UpdateSourceServer"
OLD = "old".ljust(200, "-")  # longer than all else that a connection has to say


class Waiting:
    """A write of a tag that waits in the socket of a copy that stands still, on a line that its caller's giving up does not pass. The caller
    gives up, and the tag is written anew through another copy: as the contract has it."""

    def __init__(self, rig, copy, server):
        self.rig, self.server, self.process = rig, server, rig.processes[f"registry-{copy}"]
        self.line = Line(f"host=127.0.0.1 port={rig.ports[f'registry-{copy}']}")
        tls = api.Tls(rig.dir / "clients/user_operator_launch")
        self.slow = api.Client("registry", [f"127.0.0.1:{self.line.port}"], tls)
        rig.clients.append(self.slow)
        self.other = rig.client("registry", "user/operator/launch", copy=1 - copy)
        self.slow("SourceServerService/GetSourceServer", name=server)  # it is connected

    def fields(self, value):
        return {"source_server": {"name": self.server, "tags": {"w": value}}, "update_mask": {"paths": ["tags"]}}

    def send(self):
        """Once the copy stands still."""
        passed, told = self.line.passed, []

        def old():
            try:
                self.slow.once(TAGS, timeout=2, **self.fields(OLD))
            except grpc.RpcError as error:
                told.append(error.code())
        thread = threading.Thread(target=old)
        thread.start()
        until(lambda: self.line.passed > passed + len(OLD), "nothing is sent", pause=0.01)
        self.line.silent.add("up")
        thread.join(30)
        assert told == [grpc.StatusCode.DEADLINE_EXCEEDED], told
        # The copy that stands still may have locks, until PostgreSQL ends its session.
        self.other(TAGS, **self.fields("new"))

    def value(self):
        return self.other("SourceServerService/GetSourceServer", name=self.server).tags["w"]

    def refused(self):
        return [entry for entry in self.process.said("call refused after a standstill") if int(entry["peer"].split(":")[-1]) in self.line.ports]

    def end(self):
        self.line.end()


class Hang(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(*sys.argv[1:3], lease=LEASE)
        self.addCleanup(self.rig.end)
        self.rig.start(only=("registry", "replication", "conversion", "jobs"))
        self.fleet = fleet.Fleet(self.rig, worker_count=2, agent_count=6)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        # Real workers, of stores without servers (all are placed by now): their own leases.
        self.known_all = self.worker(8, self.rig.target("replication"))
        self.known_one = self.worker(9, "ipv4:" + self.rig.endpoint("replication", 0))
        until(lambda: self.lease(self.known_all) is not None and self.lease(self.known_one) is not None, "the workers do not register")

    def worker(self, number, coordinators):
        name = f"w-{number:017x}"
        tls = self.rig.dir / "tls" / name
        self.rig.certificate(f"worker/{name}", tls)
        process = Process(name, [self.rig.bin / "godwit-replication-worker", "--listen", f"127.0.0.1:{free_port()}", "--store",
                                 self.rig.dir / f"store-{number}", "--tls-dir", tls, "--replication", coordinators,
                                 "--metrics-listen", f"127.0.0.1:{free_port()}"], self.rig.dir / f"log/{name}.log")
        self.rig.processes[name] = process.start()
        return name

    def lease(self, worker):
        """Seconds that are left of it, or None."""
        rows = self.rig.sql(f"SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM replication.worker WHERE id = '{worker}'")
        return float(rows[0][0]) if rows and rows[0][0] else None

    def test_hang(self):
        servers = [agent.server for agent in self.fleet.agents]
        launches = traffic.Launches(self.rig)
        launches.settings(servers[3])
        work = traffic.Traffic(self.rig, servers, gateway=False)
        self.addCleanup(work.end)
        job = self.stop_in_the_middle(launches, servers[3])
        hung = [self.rig.processes[f"{service}-0"] for service in ("registry", "replication")]
        waiting = Waiting(self.rig, 0, servers[4])
        self.addCleanup(waiting.end)
        for process in hung:
            process.signal(signal.SIGSTOP)
        waiting.send()
        began, before = time.monotonic(), work.acknowledged()
        least = self.watch_leases(began)
        jobs = launches.await_ends()
        self.assertEqual([found.state for found in jobs.values()], [4], str(jobs))
        self.removed_meanwhile(servers[3])
        for process in [*hung, job]:
            process.signal(signal.SIGCONT)
        took = time.monotonic() - began
        during = work.acknowledged() - before
        print(f"one copy each of registry and coordinator hung for {took:.1f} s: {during} changes meanwhile; least that was left of a lease "
              f"of {LEASE} s: {least:.1f} s; longest silence of an agent {max(agent.longest_gap for agent in self.fleet.agents):.1f} s")
        self.assertGreater(during, 10, "nothing was changed meanwhile")
        self.woken(hung, job)
        until(waiting.refused, "the write that waited was not refused", patience=30)
        self.assertEqual(waiting.value(), "new", "a write of long ago came back")
        work.end()
        self.judge(work, launches)
        self.control(servers[5])

    def control(self, server):
        """The same write, the guard turned off: it undoes the newer one."""
        process = self.rig.processes["registry-0"]
        process.end()
        process.start(GODWIT_FAILPOINT=NO_GUARD).await_serving()
        waiting = Waiting(self.rig, 0, server)
        self.addCleanup(waiting.end)
        process.signal(signal.SIGSTOP)
        began = time.monotonic()
        waiting.send()
        until(lambda: time.monotonic() - began > STANDSTILL, "")
        process.signal(signal.SIGCONT)
        until(lambda: waiting.value() == OLD, lambda: f"control: without the guard the write of long ago should have come back: {process.text()[-3000:]}",
              patience=30)
        until(lambda: process.said("the process stood still"), "control: the guard would have done nothing either", patience=30)
        self.assertEqual(waiting.refused(), [])
        print("control: without the guard a write that had waited in the socket undid a newer one")

    def stop_in_the_middle(self, launches, server):
        """Jobs runner 0 gets a launch and stops when it is about to make the machine; its lease goes to runner 1."""
        self.rig.processes["jobs-1"].end()
        first = self.rig.processes["jobs-0"]
        first.end()
        first.start(GODWIT_FAILPOINT=f"{SITE}:1:stop").await_serving()
        launches.start(server)
        until(lambda: first.said("failpoint"), lambda: f"the runner does not come to {SITE}: {first.text()[-2000:]}", patience=60)
        self.rig.processes["jobs-1"].start().await_serving()
        return first

    def watch_leases(self, began):
        """The least that was left of the lease of the worker that knows both coordinators."""
        least = float(LEASE)
        while time.monotonic() < began + SECONDS:
            least = min(least, self.lease(self.known_all))
            time.sleep(0.1)
        self.assertGreater(least, 0, "the worker lost its lease")
        judge = self.rig.processes["replication-1"]
        ended = [entry["worker"] for entry in judge.said("the lease of a worker ended")]
        self.assertNotIn(self.known_all, ended)
        # The same figures say so of a worker that cannot find another copy.
        self.assertLess(self.lease(self.known_one), 0, "it renewed through a process that stands still")
        self.assertEqual(set(ended), {self.known_one})
        return least

    def removed_meanwhile(self, server):
        """The launch is over, and its machine is taken away before the runner that was to make it wakes up."""
        until(lambda: not traffic.leftovers(self.rig, 1), lambda: traffic.leftovers(self.rig, 1), patience=30)
        self.rig.client("registry", "user/operator/launch")("SourceServerService/MarkReadyForCutover", name=server, request_id=api.request_id())
        removal = traffic.Launches(self.rig)
        removal.start(server, "TerminateTargetInstances")
        self.assertEqual([found.state for found in removal.await_ends().values()], [4])
        until(lambda: not traffic.leftovers(self.rig, 0), lambda: traffic.leftovers(self.rig, 0), patience=30)

    def woken(self, hung, job):
        for process in [*hung, job]:
            until(lambda process=process: process.said("the process stood still"), f"{process.name} did not notice", patience=30)
        refused = {process.name: len(process.said("call refused after a standstill")) for process in hung}
        print(f"calls that had waited in the sockets of those that woke up, refused: {refused}")
        until(lambda: job.said("run left before its end"), lambda: f"the runner does not let go: {job.text()[-2000:]}", patience=30)
        self.fleet.heard("after they woke up", patience=2 * LEASE)

    def judge(self, work, launches):
        self.assertEqual(work.failed() + launches.failed, [], "calls that failed although they were tried again")
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(self.fleet.moves(), [], "no worker was away, yet servers moved")
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        self.assertEqual(traffic.leftovers(self.rig, 0), [], "the runner that woke up brought the machine back")
        for table in ("conversion.task", "replication.clone"):
            self.assertEqual(self.rig.number(f"SELECT count(*) FROM {table}"), 1, table)
        takeovers = self.rig.number("SELECT count(*) FROM jobs.log WHERE event = 36")  # RUNNER_TAKEOVER
        self.assertEqual(takeovers, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
