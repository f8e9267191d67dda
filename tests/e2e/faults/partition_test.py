#!/usr/bin/python3
"""The coordinator in a network namespace of its own, cut off from its database, from workers and agents, in one direction only, and
again and again: nothing wrong is decided, everybody is served again after it, and memory stays bounded.

    partition_test.py SOURCE BIN

A direction is cut by a neighbour entry that leads nowhere: packets vanish, and nobody is told. GODWIT_FAULT_SECONDS: how long each
cut lasts (a lease and a little more; one that ends leases until that is seen). GODWIT_FAULT_SEED: when the flapping line is up.
"""
import os
import random
import subprocess
import sys
import time
import unittest

import fleet
import traffic
from line import Line
from processes import Process, run, until
from rig import Rig

SEED = int(os.environ.get("GODWIT_FAULT_SEED", "20260204"))
LEASE = 4
SECONDS = float(os.environ.get("GODWIT_FAULT_SECONDS", str(LEASE + 0.5)))
MEMORY_MIB = 64  # more than before
NOWHERE = "02:00:00:00:00:99"


class Cable:
    """A pair of interfaces: `here` with address .1 in this namespace, .2 in that of the process."""

    def __init__(self, number, pid):
        self.net, self.pid = f"10.213.{number}", pid
        self.here, self.there = (f"gwt{os.getpid() % 10000}{side}{number}" for side in "ab")
        run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there)
        run("ip", "link", "set", self.there, "netns", pid)
        run("ip", "addr", "add", f"{self.net}.1/24", "dev", self.here)
        run("ip", "link", "set", self.here, "up")
        self.inside("ip", "addr", "add", f"{self.net}.2/24", "dev", self.there)
        self.inside("ip", "link", "set", self.there, "up")

    def inside(self, *command):
        return run("nsenter", "-t", self.pid, "-n", *command)

    def cut(self, out=True, back=True):
        """out: from this side to the other one."""
        for wanted, call, address, device in ((out, run, f"{self.net}.2", self.here), (back, self.inside, f"{self.net}.1", self.there)):
            if wanted:
                call("ip", "neigh", "replace", address, "lladdr", NOWHERE, "dev", device, "nud", "permanent")

    def heal(self):
        for call, address, device in ((run, f"{self.net}.2", self.here), (self.inside, f"{self.net}.1", self.there)):
            shown = call("ip", "neigh", "show", "to", address, "dev", device)
            if NOWHERE in shown:
                call("ip", "neigh", "del", address, "dev", device)

    def end(self):
        subprocess.run(["ip", "link", "del", self.here], check=False, capture_output=True)


class Partition(unittest.TestCase):
    def setUp(self):
        self.lines = []
        self.rig = Rig(*sys.argv[1:3], copies=1, database_through=self.through, lease=LEASE)
        self.addCleanup(self.rig.end)
        holder = Process("namespace", ["unshare", "-n", "sleep", "infinity"], self.rig.dir / "log/namespace.log").start()
        self.addCleanup(holder.kill)
        mine = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != mine, "no namespace")
        run("nsenter", "-t", holder.pid, "-n", "ip", "link", "set", "lo", "up")
        self.to_database, self.to_fleet = Cable(1, holder.pid), Cable(2, holder.pid)
        self.addCleanup(self.to_database.end)
        self.addCleanup(self.to_fleet.end)
        self.rig.hosts["replication"] = f"{self.to_fleet.net}.2"
        self.rig.hosts["registry"] = f"{self.to_fleet.net}.1"  # the coordinator asks it
        self.rig.prefixes["replication"] = ["nsenter", "-t", str(holder.pid), "-n"]
        self.rig.start(only=("registry", "replication", "conversion", "jobs"))
        self.fleet = fleet.Fleet(self.rig, worker_count=2, agent_count=8)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")

    def through(self, service, _copy, conninfo):
        if service != "replication":
            return conninfo
        self.lines.append(Line(conninfo, host=f"{self.to_database.net}.1"))
        self.addCleanup(self.lines[0].end)
        return self.lines[0].conninfo

    def test_partitions(self):
        servers = [agent.server for agent in self.fleet.agents]
        launches = traffic.Launches(self.rig)
        launches.settings(servers[3])
        work = traffic.Traffic(self.rig, servers, gateway=False)
        self.addCleanup(work.end)
        self.memory = self.rig.processes["replication-0"].rss_mib()
        launches.start(servers[3])
        for name, cable, sides in (("coordinator and database", self.to_database, {}),
                                   ("coordinator hears the database, which does not hear it", self.to_database, {"out": False}),
                                   ("database hears the coordinator, which does not hear it", self.to_database, {"back": False}),
                                   ("coordinator and workers", self.to_fleet, {}),
                                   ("coordinator hears the workers, which do not hear it", self.to_fleet, {"out": False})):
            ended = self.ended_leases()
            cable.cut(**sides)
            time.sleep(SECONDS)
            if cable is self.to_fleet:
                until(lambda: self.ended_leases() > ended, f"{name}: longer than a lease, and nobody noticed", patience=5 * LEASE)
            self.healed(name, cable)
        self.flapping()
        jobs = launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4], [str(job) for job in jobs.values()])
        work.end()
        self.assertEqual(work.failed() + launches.failed, [])
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        self.assertEqual(traffic.leftovers(self.rig, 1), [])

    def ended_leases(self):
        return len(self.rig.processes["replication-0"].said("the lease of a worker ended"))

    def healed(self, name, cable):
        both = [*self.fleet.workers.values(), *self.fleet.agents]
        silence = min(time.monotonic() - looping.last_success for looping in both)
        self.assertGreater(silence, SECONDS / 2, f"{name}: the cut cuts nothing")
        cable.heal()
        took = self.fleet.heard(name, patience=60)
        memory = self.rig.processes["replication-0"].rss_mib()
        print(f"{name}, {SECONDS:.1f} s or a little more: all {len(both)} were heard of after {took:.1f} s; "
              f"the coordinator has {memory:.0f} MiB ({self.memory:.0f} before)")
        self.assertLess(memory, self.memory + MEMORY_MIB)
        if cable is self.to_database:
            self.assertEqual(self.fleet.moves(), [], f"{name}: somebody was taken for dead")
        else:
            # Nobody could know better: their leases end. Generations only grow (see fleet.py), and this is what the check above would see.
            self.assertGreater(len(self.fleet.moves()), 0, f"{name}: longer than a lease, and nobody noticed")
            self.settled()

    def settled(self):
        """Agents, workers and database agree who has what; the moves so far are forgotten."""
        def wrong():
            rows = {f"sourceServers/{row[0]}": (row[1], int(row[2])) for row in self.rig.sql("SELECT id, worker_id, generation FROM replication.server")}
            held = [server for worker in self.fleet.workers.values() for server in worker.groups]
            return [f"{agent.server}: {agent.worker}/{agent.generation}, {rows[agent.server]}" for agent in self.fleet.agents
                    if rows[agent.server] != (agent.worker, agent.generation) or held.count(agent.server) != 1]
        until(lambda: not wrong(), wrong)
        self.fleet.forget_moves()

    def flapping(self):
        chance = random.Random(SEED)
        until_when = time.monotonic() + SECONDS
        flaps = 0
        while time.monotonic() < until_when:
            cable = chance.choice([self.to_database, self.to_fleet])
            cable.cut(**chance.choice([{}, {"out": False}, {"back": False}]))
            time.sleep(chance.uniform(0.1, 0.6))
            cable.heal()
            time.sleep(chance.uniform(0.1, 0.6))
            flaps += 1
        took = self.fleet.heard("flapping", patience=60)
        self.assertEqual(self.fleet.moves(), [], "flapping: somebody was taken for dead")
        print(f"seed {SEED}: {flaps} flaps: all were heard of after {took:.1f} s")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
