#!/usr/bin/python3
"""The wall clock of one of two copies of every service is wrong by an hour, ahead and behind, and steps under load; PostgreSQL and the other
copies have the right one. Nothing is decided wrongly: no lease is taken, no worker is taken for dead, no call waits for an hour or gives up at
once, tokens and certificates are good when they should be, recorded times are right, points stay in order; and signed requests are refused
by the copy that is wrong, as skewed.

    clocks_test.py SOURCE BIN

GODWIT_FAULT_SECONDS: how long each step is watched (4).
"""
import datetime
import json
import mmap
import os
import struct
import subprocess
import sys
import threading
import time
import unittest

import api
import fleet
import traffic
from processes import until
from rig import SERVICES, Rig

SECONDS = float(os.environ.get("GODWIT_FAULT_SECONDS", "4"))
HOUR = 3600


class Shift:
    """How far the clocks of all programs that begin under .environment are off; changes at once."""

    def __init__(self, folder, module):
        path = folder / "clock-shift"
        path.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(module), "GODWIT_CLOCK_SHIFT_FILE": str(path), "ASAN_OPTIONS": "verify_asan_link_order=0"}
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def set(self, seconds):
        self._map[:8] = struct.pack("=q", int(seconds * 1e9))


class Clocks(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(*sys.argv[1:3])
        self.addCleanup(self.rig.end)
        module = self.rig.bin / "godwit-clock-shift.so"
        self.shift, self.past = Shift(self.rig.dir, module), Shift(self.rig.dir / "log", module)
        # Certificates of last week: a host that is an hour behind takes no new ones.
        self.past.set(-7 * 24 * HOUR)
        self.rig.issue_environment = self.past.environment
        for service in SERVICES:
            self.rig.environments[f"{service}-1"] = self.shift.environment
        self.rig.start()
        self.fleet = fleet.Fleet(self.rig)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        self.servers = [agent.server for agent in self.fleet.agents]
        self.launches = traffic.Launches(self.rig)
        for server in self.servers[3:6]:
            self.launches.settings(server)

    def test_clocks(self):
        work = traffic.Traffic(self.rig, self.servers, gateway=False)
        self.addCleanup(work.end)
        key = traffic.Gateway(self.rig, self.servers[2])
        self.ahead(key)
        self.behind(key)
        self.stepping()
        jobs = self.launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4] * 3, [str(job) for job in jobs.values()])
        work.end()
        self.assertEqual(work.failed() + self.launches.failed, [], "calls that failed although they were tried again")
        self.assertEqual(work.errors() + self.fleet.errors(), [])
        self.assertEqual(self.fleet.moves(), [], "a lease was taken, or a worker taken for dead")
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        until(lambda: not traffic.leftovers(self.rig, 3), lambda: traffic.leftovers(self.rig, 3), patience=30)
        slowest = max(looping.tally.slowest for looping in work.all)
        self.assertLess(slowest, 20, "a call waited for the wall clock")
        self.times_are_right()
        print(f"{work.acknowledged()} changes acknowledged, slowest call {slowest:.1f} s; {[str(looping.tally) for looping in work.all]}; "
              f"longest silence of a worker {max(worker.longest_gap for worker in self.fleet.workers.values()):.1f} s")

    def watch(self, what):
        """Everybody gets through, again and again."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.fleet.heard(what, patience=2 * self.rig.lease)
        self.assertEqual(self.fleet.moves(), [], what)

    def control(self, hours):
        """The clock is off indeed: the log of a program says another time."""
        process = self.rig.processes["registry-1"]
        until(lambda: [line for line in process.text()[-4000:].splitlines()[1:] if line.startswith("{") and self.hours(json.loads(line)) == hours],
              lambda: f"its clock is not off: {process.text()[-1000:]}", patience=15)

    def told(self):
        """Programs with a database say by themselves that their host's clock is off."""
        for service in ("registry", "jobs"):
            process = self.rig.processes[f"{service}-1"]
            said = until(lambda process=process: process.said("this host's clock is not the database's"),
                         lambda process=process: f"{process.name} does not say it: {process.text()[-1000:]}", patience=15)
            self.assertRegex(said[0]["ahead"], "^(59m|1h)")
            self.assertIn("NTP", said[0]["do"])

    @staticmethod
    def hours(entry):
        when = datetime.datetime.strptime(entry["ts"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        return round((when - time.time()) / HOUR)

    def ahead(self, key):
        self.launches.start(self.servers[3])
        self.shift.set(HOUR)
        self.control(1)
        self.told()
        self.tokens()
        self.signatures(key)
        self.watch("an hour ahead")

    def behind(self, key):
        self.launches.start(self.servers[4])
        self.shift.set(-HOUR)
        self.control(-1)
        self.signatures(key)
        self.points()
        self.watch("an hour behind")

    def stepping(self):
        ended = threading.Event()

        def step():
            turn = 0
            while not ended.wait(0.3):
                turn += 1
                self.shift.set(HOUR * (turn % 3 - 1))
        thread = threading.Thread(target=step)
        thread.start()
        try:
            self.launches.start(self.servers[5])
            self.watch("the clock steps")
            self.launches.await_ends()
        finally:
            ended.set()
            thread.join()
        self.shift.set(0)

    def tokens(self):
        """A token of two minutes is good at the copy whose clock is an hour ahead, and what that one issues is good from now on."""
        right, wrong = (self.rig.client("registry", copy=copy) for copy in (0, 1))
        token = right("TokenService/CreateToken", request_id=api.request_id(), max_uses=5, lifetime={"seconds": 120})
        folder = self.rig.dir / "clients/late"
        folder.mkdir()
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=agent",
                        "-keyout", folder / "tls.key", "-out", folder / "csr.pem"], check=True, capture_output=True)
        enrolment = api.Client("registry", [f"127.0.0.1:{self.rig.ports['registry-enroll-1']}"], (self.rig.dir / "ca/ca.crt").read_bytes())
        self.rig.clients.append(enrolment)
        enrolled = enrolment("EnrollmentService/Enroll", token=token.secret, csr_pem=(folder / "csr.pem").read_text(), request_id=api.request_id(),
                             properties={"hostname": "late.example", "boot_mode": "BIOS", "ram_bytes": 200 << 20,
                                         "cpus": [{"model_name": "x", "core_count": 1}],
                                         "disks": [{"device_name": "/dev/sda", "size_bytes": 1 << 20}],
                                         "network_interfaces": [{"name": "eth0", "mac_address": "52:54:00:aa:bb:cd", "is_primary": True}]})
        (folder / "tls.crt").write_text(enrolled.certificate_chain_pem)
        end = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", folder / "tls.crt"], check=True, capture_output=True, text=True).stdout
        end = datetime.datetime.strptime(end.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=datetime.timezone.utc).timestamp()
        self.assertLess(abs(end - time.time() - 24 * HOUR), 120)
        # And one that ends is over at both, made by the wrong one as well.
        made = wrong("TokenService/CreateToken", request_id=api.request_id(), max_uses=5, lifetime={"seconds": 120})
        self.assertLess(abs(made.expire_time.seconds - time.time() - 120), 30)
        print("ahead: a token of two minutes and a certificate of a day are judged and made right")

    def signatures(self, key):
        """Signed now: taken by the gateway whose clock is right, refused by the other as what it is."""
        answers = []
        for endpoint in self.rig.endpoints("gateway"):
            key.endpoints, key.turn = [endpoint], 0
            answers.append(key.send("POST", "/DescribeSourceServers", json.dumps({}).encode(), api.request_id()))
        self.assertEqual(answers[0][0], 200, answers[0])
        self.assertEqual(answers[1][0], 403, answers[1])
        print(f"signed for another time: {answers[1][0]} {answers[1][1].decode()}")
        self.assertRegex(answers[1][1].decode(), "(?i)(time|skew|expired|current)")

    def points(self):
        """Cut by a source whose clock is two hours ahead, then right, then two hours behind: the last one stays the newest."""
        agent = self.fleet.agents[0]
        worker = self.fleet.workers[agent.worker]
        for ahead in (2 * HOUR, 0, -2 * HOUR):
            with worker.lock:
                epoch = worker.epochs[agent.server] + 1
                worker.epochs[agent.server] = epoch
            worker.client("WorkerService/ReportPoint", incarnation=worker.incarnation, source_server=agent.server,
                          lease_generation=agent.generation, epoch=epoch, cut_time={"seconds": int(time.time() + ahead)},
                          commit_time={"seconds": int(time.time())}, consistency=1)
        server = agent.server.split("/")[1]
        reader = self.rig.client("replication")
        listed = reader("ReplicationService/ListPoints", parent=agent.server)
        epochs = [point.epoch for point in listed.points]
        self.assertEqual(epochs[:3], [epoch, epoch - 1, epoch - 2])
        self.assertFalse(listed.points[0].HasField("expire_time"), "the newest is the last one, whatever the clocks said")
        self.assertTrue(listed.points[2].HasField("expire_time"))
        self.assertEqual(self.rig.number(f"SELECT count(*) FROM replication.point WHERE server_id = '{server}' AND cut_time > now()"), 0)

    def times_are_right(self):
        """What was recorded meanwhile lies between the beginning and now, by the database's clock."""
        for table, column in (("registry.source_server", "state_time"), ("registry.source_server", "update_time"), ("jobs.step", "end_time"),
                              ("registry.installation_token", "create_time"), ("registry.source_server_history", "time"), ("replication.point", "commit_time")):
            self.assertEqual(self.rig.number(f"SELECT count(*) FROM {table} WHERE {column} > now() + interval '5 seconds' OR {column} < "
                                             "now() - interval '20 minutes'"), 0, f"{table}.{column}")
        # The control: an hour is noticed.
        self.rig.sql("UPDATE registry.source_server SET state_time = state_time + interval '1 hour' WHERE id = "
                     f"'{self.servers[0].split('/')[1]}'")
        self.assertEqual(self.rig.number("SELECT count(*) FROM registry.source_server WHERE state_time > now() + interval '5 seconds'"), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
