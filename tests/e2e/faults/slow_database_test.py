#!/usr/bin/python3
"""A database that answers slowly, does not answer at all, or has a row locked: calls end when their callers stop waiting, the pools
stay bounded, everybody else goes on, and nobody is taken for dead.

    slow_database_test.py SOURCE BIN

GODWIT_FAULT_DELAY: seconds that each answer of the database takes (2). GODWIT_FAULT_SECONDS: how long each phase lasts (8).
"""
import os
import subprocess
import sys
import time
import unittest

import fleet
import traffic
from line import Line
from processes import until
from rig import Rig

DELAY = float(os.environ.get("GODWIT_FAULT_DELAY", "2"))
SECONDS = float(os.environ.get("GODWIT_FAULT_SECONDS", "8"))
LEASE = 5
CONNECTIONS = 16 + 1 + 1  # of the coordinator: pool, probe, one being replaced
CALLS = 5  # seconds that callers here wait
SLACK = 2.5  # of a busy machine


def parsed(text):
    """Seconds of "1m2.5s", "300ms"."""
    units, total, number = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9, "h": 3600, "m": 60, "s": 1}, 0.0, ""
    while text:
        if text[0] in "0123456789.":
            number, text = number + text[0], text[1:]
            continue
        unit = text[:2] if text[:2] in units else text[0]
        total, number, text = total + float(number) * units[unit], "", text[len(unit):]
    return total


class SlowDatabase(unittest.TestCase):
    def setUp(self):
        self.lines = {}
        self.rig = Rig(*sys.argv[1:3], copies=1, database_through=self.through, lease=LEASE)
        self.addCleanup(self.rig.end)
        self.rig.start(only=("registry", "replication", "conversion", "jobs"))
        self.fleet = fleet.Fleet(self.rig, worker_count=3, agent_count=9)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        self.workers = list(self.fleet.workers.values())

    def through(self, service, _copy, conninfo):
        self.lines[service] = Line(conninfo)
        self.addCleanup(self.lines[service].end)
        return self.lines[service].conninfo

    def test_slow(self):
        servers = [agent.server for agent in self.fleet.agents]
        launches = traffic.Launches(self.rig)
        for server in servers[3:5]:
            launches.settings(server)
        work = traffic.Traffic(self.rig, servers, gateway=False)
        self.addCleanup(work.end)
        for server in servers[3:5]:
            launches.start(server)
        self.locked_rows(servers)
        self.phase("slow", f"every answer takes {DELAY:.0f} s", lambda line: setattr(line, "delay", DELAY), lambda line: setattr(line, "delay", 0.0))
        self.phase("silent", "no answers at all", lambda line: line.silent.add("down"), lambda line: (line.silent.clear(), line.cut()))
        jobs = launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4] * 2, [str(job) for job in jobs.values()])
        work.end()
        self.assertEqual(work.failed() + launches.failed, [], "calls that failed although they were tried again")
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        self.assertEqual(traffic.leftovers(self.rig, 2), [])
        print(f"{work.acknowledged()} changes acknowledged")
        self.control()

    def phase(self, name, what, begin, end):
        lines = list(self.lines.values())
        marks = {key: len(process.text()) for key, process in self.rig.processes.items()}
        for line in lines:
            line.most_open = 0
            begin(line)
        time.sleep(SECONDS)
        for line in lines:
            end(line)
        print(f"{what} for {SECONDS:.0f} s: all were heard of {self.fleet.heard(what, patience=3 * LEASE):.1f} s after it")
        self.assertEqual(self.fleet.moves(), [], f"{name}: somebody was taken for dead")
        self.assertLessEqual(self.lines["replication"].most_open, CONNECTIONS)
        longest, entry = max(((parsed(entry["took"]), entry) for key, process in self.rig.processes.items()
                              for message in ("call failed", "slow call") for entry in process.said(message, marks[key])
                              if entry["peer"].startswith(("agent/", "worker/", "user/"))), key=lambda found: found[0], default=(0.0, None))
        print(f"{name}: the longest call took the services {longest:.1f} s; callers wait {CALLS} s at most: {entry}")
        self.assertLess(longest, CALLS + SLACK, str(entry))

    def locked_rows(self, servers):
        """Rows of one worker, of one of its servers and of a run are held by a session that does nothing."""
        held, others = self.workers[0], self.workers[1:]
        # Not one that is launched: its clone may be reported by any worker of the store, and workers here wait for the answer between two
        # heartbeats.
        mine = next(agent for agent in self.fleet.agents if agent.worker == held.id and agent.server not in servers[3:5])
        theirs = [agent for agent in self.fleet.agents if agent.worker != held.id]
        for looping in [*others, *theirs]:
            looping.longest_gap = 0.0
        session = self.session(f"SELECT FROM replication.worker WHERE id = '{held.id}' FOR UPDATE; "
                               f"SELECT FROM replication.server WHERE 'sourceServers/' || id = '{mine.server}' FOR UPDATE; "
                               f"SELECT FROM jobs.run WHERE 'sourceServers/' || server = '{servers[3]}' FOR UPDATE;")
        time.sleep(SECONDS)
        waiting = self.rig.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        self.release(session)
        silent = max([*others, *theirs], key=lambda looping: looping.longest_gap)
        gap = silent.longest_gap
        print(f"three rows locked for {SECONDS:.0f} s: the longest silence of anybody else was {gap:.1f} s; {waiting} sessions waited at its end")
        self.assertLess(gap, LEASE * 2 / 3, self.told(silent))
        self.assertGreater(waiting, 0, "nobody met the locks")
        self.assertLessEqual(waiting, 8)
        moved = [move for move in self.fleet.moves() if held.id not in move]
        self.assertEqual(moved, [])
        # Its lease may have ended: nobody could renew it. It must have them back, and from now on nobody may move.
        until(lambda: time.monotonic() - held.last_success < LEASE / 2, "the worker does not get through again", patience=3 * LEASE)
        time.sleep(1.5)
        self.fleet.forget_moves()

    def told(self, looping):
        """What the coordinator has to say about it."""
        name = looping.name().split("/")[-1]
        return f"{looping.name()}: {looping.tally}; " + "\n".join(
            line for line in self.rig.processes["replication-0"].text().splitlines() if name in line or '"slow call"' in line or '"call failed"' in line)[-4000:]

    def session(self, statements):
        """A session that runs these and keeps its transaction."""
        session = subprocess.Popen(["psql", "-XAtq", "-d", self.rig.conninfo], stdin=subprocess.PIPE, text=True)
        session.stdin.write(f"BEGIN; {statements}\n")
        session.stdin.flush()
        self.addCleanup(session.kill)
        return session

    @staticmethod
    def release(session):
        session.kill()
        session.stdin.close()
        session.wait()

    def control(self):
        """When everybody's renewals are held up, the same figures say so."""
        for worker in self.workers:
            worker.longest_gap = 0.0
        session = self.session("LOCK TABLE replication.worker;")
        until(lambda: max(time.monotonic() - worker.last_success for worker in self.workers) > LEASE * 2 / 3, "nobody notices", patience=3 * LEASE)
        self.release(session)
        self.fleet.heard("control", patience=3 * LEASE)
        gap = max(worker.longest_gap for worker in self.workers)
        print(f"control: with the whole table locked the longest silence of a worker was {gap:.1f} s")
        self.assertGreater(gap, LEASE * 2 / 3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
