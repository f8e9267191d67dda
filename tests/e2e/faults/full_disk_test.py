#!/usr/bin/python3
"""The file system of PostgreSQL is full, first for tables, then for its log: the services say why, lose nothing that they
acknowledged, and go on by themselves when there is room (after the server was started again, when it had to end).

    full_disk_test.py SOURCE BIN
"""
import errno
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

import api
import fleet
import traffic
from processes import run, until
from rig import Rig

SIZE_MIB = 160
LEASE = 5


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="godwit-test-disk-", dir="/var/tmp"))
        run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=755", "godwit-test", self.place)
        self.addCleanup(self.place.rmdir)
        self.addCleanup(run, "umount", self.place)
        before = os.environ.get("GODWIT_PG_PLACE")
        self.addCleanup(lambda: os.environ.pop("GODWIT_PG_PLACE") if before is None else os.environ.update(GODWIT_PG_PLACE=before))
        os.environ["GODWIT_PG_PLACE"] = str(self.place)
        self.rig = Rig(*sys.argv[1:3], copies=1, lease=LEASE)
        self.addCleanup(self.rig.end)
        self.rig.start(only=("registry", "replication", "conversion", "jobs"))
        self.fleet = fleet.Fleet(self.rig, worker_count=2, agent_count=6)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")

    def fill(self):
        """To the last block, while others write, too."""
        with open(self.place / "ballast", "ab", buffering=0) as ballast:
            for size in (1 << 20, 4096):
                try:
                    while ballast.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)

    def make_room(self):
        (self.place / "ballast").unlink()

    def refusal(self):
        """What somebody is told who wants to change something now; nothing when it works."""
        try:
            self.registry.once("SourceServerService/CreateSourceServer", request_id=api.request_id(), user_provided_id=api.request_id())
            return None
        except grpc.RpcError as error:
            return error.code(), error.details()

    def test_full(self):
        servers = [agent.server for agent in self.fleet.agents]
        self.registry = self.rig.client("registry", "user/operator/disk")
        launches = traffic.Launches(self.rig)
        launches.settings(servers[3])
        work = traffic.Traffic(self.rig, servers, gateway=False)
        self.addCleanup(work.end)
        launches.start(servers[3])
        until(lambda: work.acknowledged() > 50, "no changes get through")
        self.believer = traffic.Inventory(self.rig, 9, pause=0)  # never begun: it takes refusals for answers
        self.no_room_for_tables()
        self.no_room_for_the_log()
        jobs = launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4], [str(job) for job in jobs.values()])
        work.end()
        self.assertEqual(work.failed() + launches.failed, [], "calls that failed although they were tried again")
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        self.assertEqual(traffic.leftovers(self.rig, 1), [])
        self.assertEqual(self.fleet.moves(), [])
        self.control(work)
        print(f"{work.acknowledged()} changes acknowledged; {[str(looping.tally) for looping in work.all]}")

    def recovered(self, what):
        since = time.monotonic()
        until(lambda: self.refusal() is None, f"{what}: not as before", patience=4 * LEASE)
        self.fleet.heard(what, patience=4 * LEASE)
        print(f"{what}: as before {time.monotonic() - since:.1f} s after there was room")

    def refused(self):
        """One more change that is refused, and believed to be made all the same."""
        self.believer.count += 1
        key = f"{self.believer.prefix}{self.believer.count}"
        try:
            self.registry.once("SourceServerService/CreateSourceServer", request_id=api.request_id(), user_provided_id=key)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:  # others may mean that it was made
                self.believer.acknowledged[key] = "sourceServers/believed"
        return len(self.believer.acknowledged) >= 3

    def control(self, work):
        """Whoever takes a refusal for an acknowledgement is noticed, each time; so the ledger sees what a full disk loses. And what was
        refused is not there."""
        work.inventories.append(self.believer)
        self.assertEqual(sorted(traffic.lost_and_doubled(self.rig, work)), sorted(
            f"{key} was acknowledged as {name} and is None" for key, name in self.believer.acknowledged.items()))
        print(f"control: {len(self.believer.acknowledged)} refused changes that were believed are noticed")
        self.assertGreaterEqual(len(self.believer.acknowledged), 3)

    def no_room_for_tables(self):
        self.assertIsNone(self.refusal(), "control: with room there is no refusal")
        self.fill()
        code, told = until(self.refusal, "changes are taken although there is no room", patience=60)
        print(f"no room for tables: {code.name}: {told}")
        self.assertIn("No space left on device", told)
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        for name, process in self.rig.processes.items():
            self.assertTrue(process.running(), name)
        until(self.refused, "changes are taken although there is no room", patience=30)
        self.make_room()
        self.recovered("no room for tables")

    def no_room_for_the_log(self):
        self.assertIsNone(self.refusal(), "control: with room there is no refusal")
        self.fill()
        subprocess.run(["psql", "-Xq", "-d", self.rig.conninfo, "-c", "SELECT pg_switch_wal()", "-c", "CHECKPOINT", "-c", "SELECT pg_switch_wal()",
                        "-c", "CREATE TABLE public.more AS SELECT generate_series(1, 300000)"], capture_output=True, check=False, timeout=60)
        time.sleep(1)
        until(lambda: self.refusal(), "changes are taken although there is no room", patience=30)
        code, told = self.refusal() or (None, "")
        print(f"no room for the log: {code and code.name}: {told}")
        self.make_room()
        self.rig.postgres("start")
        self.recovered("no room for the log")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
