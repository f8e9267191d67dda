#!/usr/bin/python3
"""Many callers change overlapping sets of servers in different orders, at two copies of the registry: applications, waves, tags, launches of
200 servers. Beside them a session of PostgreSQL takes the same rows the other way round, so that there are deadlocks for sure, and the
services' transactions are the ones that PostgreSQL ends. No call hangs or fails, each takes all of its servers or none, no server is in two
jobs, and no change is missing in the histories.

    storm_test.py SOURCE BIN

GODWIT_FAULT_SECONDS: how long (8). GODWIT_FAULT_SEED: who wants what.
"""
import collections
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import grpc

import api
from processes import until
from rig import Rig

SEED = int(os.environ.get("GODWIT_FAULT_SEED", "20260302"))
SECONDS = float(os.environ.get("GODWIT_FAULT_SECONDS", "8"))
CALLERS = 12
SERVERS, READY = 200, 30  # of them have agents, and could be launched
JOB = 4                   # servers of a launch
LONGEST_CALL = 10         # seconds; PostgreSQL finds a deadlock after DEADLOCK_TIMEOUT
DEADLOCK_TIMEOUT = 0.1
DEADLOCKS = "SELECT sum(deadlocks) FROM pg_stat_database"
# What a caller may be told for good: the state of the servers is not such that it could be done.
REFUSED = {grpc.StatusCode.FAILED_PRECONDITION}
# What callers are told to try again.
BUSY = {grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE}


class Opposite:
    """A session that locks two servers at a time, the one with the larger name first; services take them the other way round. It waits
    longer than they do before it looks for deadlocks, so it is they who are ended."""

    def __init__(self, conninfo, ids, seed):
        self._process = subprocess.Popen(["psql", "-Xq", "-d", conninfo], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                         text=True)
        self._ids, self._random, self._ending = sorted(ids), random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        write = self._process.stdin.write
        write("SET deadlock_timeout = '30s';\n")
        while not self._ending.is_set():
            low, high = sorted(self._random.sample(self._ids, 2))
            write("BEGIN;\n")
            for server in (high, low):
                write(f"SELECT FROM registry.source_server WHERE id = '{server}' FOR UPDATE; SELECT pg_sleep(0.03);\n")
            write("COMMIT;\n")
            self._process.stdin.flush()
            time.sleep(0.08)

    def end(self):
        self._ending.set()
        self._thread.join(10)
        _, said = self._process.communicate(timeout=60)
        return said


class Storm(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(*sys.argv[1:3])
        self.addCleanup(self.rig.end)
        self.rig.start(only=("registry",))
        self.rig.sql(f"ALTER SYSTEM SET deadlock_timeout = '{int(DEADLOCK_TIMEOUT * 1000)}ms'")
        self.rig.sql("SELECT pg_reload_conf()")
        self.tally, self.lock = api.Tally(), threading.Lock()
        self.registry = self.rig.client("registry", "user/operator/storm", tally=self.tally)
        self.failed, self.refused, self.launched, self.changes = [], collections.Counter(), {}, collections.Counter()
        with ThreadPoolExecutor(8) as pool:
            pending = pool.map(lambda number: self.registry("SourceServerService/CreateSourceServer", request_id=api.request_id(),
                                                            user_provided_id=f"machine-{number}").name, range(SERVERS - READY))
            self.pending = list(pending)
            self.ready = list(pool.map(self.enrolled, range(READY)))
        self.servers = self.pending + self.ready
        self.applications = [self.registry("FleetService/CreateApplication", request_id=api.request_id(),
                                           application={"display_name": f"a{number}"}).name for number in range(4)]
        self.waves = [self.registry("FleetService/CreateWave", request_id=api.request_id(), wave={"display_name": f"w{number}"}).name
                      for number in range(2)]

    def enrolled(self, number):
        """A server whose agent came, and whose initial sync the coordinator reported."""
        folder = pathlib.Path(self.rig.dir / f"clients/agent-{number}")
        folder.mkdir()
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=agent",
                        "-keyout", folder / "tls.key", "-out", folder / "csr.pem"], check=True, capture_output=True)
        with self.lock:
            if not hasattr(self, "token"):
                self.token = self.rig.client("registry")("TokenService/CreateToken", request_id=api.request_id(), max_uses=1000).secret
                self.enrolment = self.rig.enrolment()
                self.coordinator = self.rig.client("registry", tls=api.Tls(self.rig.dir / "tls/replication"))
        server = self.enrolment("EnrollmentService/Enroll", token=self.token, csr_pem=(folder / "csr.pem").read_text(),
                                request_id=api.request_id(), properties={
                                    "hostname": f"source{number}.example", "boot_mode": "BIOS", "ram_bytes": 200 << 20,
                                    "cpus": [{"model_name": "x", "core_count": 1}], "disks": [{"device_name": "/dev/sda", "size_bytes": 1 << 20}],
                                    "network_interfaces": [{"name": "eth0", "mac_address": "52:54:00:aa:bb:cc", "is_primary": True}]}).source_server
        self.coordinator("RegistryEventService/ReportInitialSyncDone", source_server=server, point=f"{server}/points/p-{'0' * 17}",
                         request_id=api.request_id())
        return server

    # What callers do, each with servers in an order of its own.

    def call(self, what, method, /, **fields):
        """The answer, or nothing when the state of the servers forbids it."""
        try:
            answer = self.registry(method, request_id=api.request_id(), **fields)
            with self.lock:
                self.changes[what] += 1
            return answer
        except grpc.RpcError as error:
            with self.lock:
                if error.code() in REFUSED:
                    self.refused[what] += 1
                else:
                    self.failed.append(f"{what}: {error.code().name}: {error.details()}")
            return None

    def members(self, chance):
        verb = chance.choice(["AssociateSourceServers", "DisassociateSourceServers"])
        self.call(verb, f"FleetService/{verb}", name=chance.choice(self.applications), members=chance.sample(self.servers, 60))

    def wave(self, chance):
        verb = chance.choice(["AssociateApplications", "DisassociateApplications"])
        self.call(verb, f"FleetService/{verb}", name=chance.choice(self.waves), members=chance.sample(self.applications, 3))

    def tags(self, chance):
        server = chance.choice(self.servers)
        try:
            self.registry("SourceServerService/UpdateSourceServer", source_server={"name": server, "tags": {"n": str(chance.random())}},
                          update_mask={"paths": ["tags"]})
            with self.lock:
                self.changes["tags"] += 1
        except grpc.RpcError as error:
            self.failed.append(f"tags: {error.code().name}: {error.details()}")

    def launch(self, chance):
        names = chance.sample(self.ready, JOB)
        job = self.call("StartTest", "SourceServerService/StartTest", names=names)
        if job is not None:
            with self.lock:
                self.launched[job.name] = names

    def launch_all(self, chance):
        """All 200 at once: most have no agent, so it is always refused, after all of them were locked."""
        self.call("StartTest of all", "SourceServerService/StartTest", names=chance.sample(self.servers, SERVERS))

    def test_storm(self):
        before = self.rig.number(DEADLOCKS)
        end = time.monotonic() + SECONDS
        opposite = Opposite(self.rig.conninfo, [server.split("/")[1] for server in self.servers], SEED)

        def caller(number):
            chance = random.Random(SEED + number)
            while time.monotonic() < end:
                chance.choices([self.members, self.wave, self.tags, self.launch, self.launch_all], [4, 2, 4, 1, 1])[0](chance)
        threads = [threading.Thread(target=caller, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 60)
            self.assertFalse(thread.is_alive(), "a call hangs")
        said = opposite.end()
        until(lambda: self.rig.number(DEADLOCKS) > before, "there was no deadlock: this test shows nothing", patience=20)
        print(f"seed {SEED}: {CALLERS} callers, {SECONDS:.0f} s; {self.rig.number(DEADLOCKS) - before} deadlocks; slowest call "
              f"{self.tally.slowest:.1f} s\n  callers met: {self.tally}\n  made: {dict(self.changes)}\n  refused: {dict(self.refused)}")
        self.assertEqual(self.failed, [], "calls that failed although they were tried again")
        self.assertNotIn("ERROR", said, "the other session was to be spared")
        for code in grpc.StatusCode:
            if code not in REFUSED | BUSY | {grpc.StatusCode.OK}:
                self.assertEqual(self.tally[code.name], 0, "neither a deadline nor an internal error")
        self.assertLess(self.tally.slowest, LONGEST_CALL)
        for what in ("AssociateSourceServers", "DisassociateSourceServers", "AssociateApplications", "DisassociateApplications", "tags", "StartTest"):
            self.assertGreater(self.changes[what], 0, what)
        self.ledger()

    def ledger(self):
        self.assertEqual(self.faults(), [])
        # The same checks notice a server in two jobs, a lost version, and a call that took some of its servers only.
        name, servers = next(iter(self.launched.items()))
        self.launched["jobs/other"] = servers[:1]
        self.rig.sql("DELETE FROM registry.source_server_history WHERE (server_id, version) IN (SELECT server_id, max(version) FROM "
                     f"registry.source_server_history WHERE server_id = '{servers[0].split('/')[1]}' GROUP BY 1)")
        self.rig.sql(f"UPDATE registry.source_server SET lifecycle = 5 WHERE id = '{servers[1].split('/')[1]}'")
        faults = self.faults()
        print(f"control: {faults}")
        self.assertEqual(len(faults), 3, f"{name}: {faults}")

    def faults(self):
        found = [f"{server} is in {count} jobs" for server, count in collections.Counter(
            server for servers in self.launched.values() for server in servers).items() if count > 1]
        testing = {row[0] for row in self.rig.sql("SELECT 'sourceServers/' || id FROM registry.source_server WHERE lifecycle = 6")}
        launched = {server for servers in self.launched.values() for server in servers}
        if testing != launched:
            found.append(f"launched or acknowledged, but not both: {sorted(testing ^ launched)}")
        found += [f"history of {row[0]}: {row[1]} rows, version {row[2]}" for row in self.rig.sql(
            "SELECT s.id, count(h.*), s.version FROM registry.source_server s LEFT JOIN registry.source_server_history h ON h.server_id = s.id "
            "GROUP BY s.id HAVING count(h.*) <> s.version")]
        return found


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
