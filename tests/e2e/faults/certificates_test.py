#!/usr/bin/python3
"""Certificates that are good for seconds, during a test launch and a cutover: everybody's are replaced in time, all services are started
again under way so that every connection is made with several of them, and no call fails. Then, the control, that of godwit-jobs is not
replaced: its log names it and says what to do, new connections are refused, nothing is lost, and the launch that waits goes on by itself when
there is a new one.

    certificates_test.py SOURCE BIN

GODWIT_FAULT_LIFE: seconds that a certificate is good (12).
"""
import hashlib
import os
import ssl
import subprocess
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import grpc

import api
import fleet
import traffic
from processes import Process, run, until
from rig import Rig

LIFE = float(os.environ.get("GODWIT_FAULT_LIFE", "12"))
SERVICES = ("registry", "replication", "conversion", "jobs")


class Renewal:
    """Issues all certificates of the rig anew, three times in a life; but those of `without`."""

    def __init__(self, rig):
        self.rig, self.without, self.rounds, self.errors = rig, set(), 0, []
        self._ending, self._one = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.wait(LIFE / 3):
            try:
                self.renew()
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(repr(error))

    def renew(self):
        todo = [(identity, folder, *more) for folder, (identity, *more) in list(self.rig.identities.items()) if identity not in self.without]
        with self._one, ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: self.rig.certificate(*one), todo))
            self.rounds += 1

    def last(self, identity, folder):
        """It gets a short one now, and no other after it."""
        self.without.add(identity)
        with self._one:
            kept = self.rig.identities[folder]
            self.rig.certificate(identity, folder, *kept[1:], "--lifetime", f"{LIFE / 3:.0f}s")
            self.rig.identities[folder] = kept

    def end(self):
        self._ending.set()
        self._thread.join(60)


class Certificates(unittest.TestCase):
    def setUp(self):
        self.rig = Rig(*sys.argv[1:3], copies=1)
        self.addCleanup(self.rig.end)
        self.rig.certificate_options, self.rig.follow_certificates = ["--lifetime", f"{LIFE:.0f}s"], True
        # The shortest that there is.
        self.rig.options["registry"] = ["--agent-certificate-lifetime", "1m"]
        self.began = time.monotonic()
        self.rig.start(only=SERVICES)
        self.lap("services serve")
        self.renewal = Renewal(self.rig)
        self.addCleanup(self.renewal.end)
        self.fleet = fleet.Fleet(self.rig, worker_count=1, agent_count=3)
        self.addCleanup(self.fleet.end)
        until(self.fleet.ready, lambda: f"servers are not ready: {self.fleet.errors()}")
        self.launches = traffic.Launches(self.rig)
        self.servers = [agent.server for agent in self.fleet.agents]
        for server in self.servers[:2]:
            self.launches.settings(server)
        self.lap("servers are ready")

    def lap(self, what):
        print(f"{time.monotonic() - self.began:5.1f} s: {what}", flush=True)

    def real_agent(self):
        """A real agent, in folders of its own; it replicates nothing, and its certificate is good for a minute."""
        disk = self.rig.dir / "disk"
        with open(disk, "wb") as file:
            file.truncate(16 << 20)
        loop = run("losetup", "-f", "--show", disk).strip()
        self.addCleanup(run, "losetup", "-d", loop)
        token = self.rig.dir / "token"
        token.write_text(self.rig.client("registry")("TokenService/CreateToken", request_id=api.request_id(), max_uses=5).secret)
        pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert((self.rig.dir / "ca/ca.crt").read_text())).hexdigest()
        agent = self.rig.bin / "godwit-agent"
        process = Process("agent", ["unshare", "-m", "sh", "-ec", f"""
            mount -t tmpfs godwit-test /var/lib
            mount -t tmpfs godwit-test /run
            {agent} install --registry 127.0.0.1:{self.rig.ports['registry-enroll-0']} --token-file {token} --ca-pin {pin} --disk {loop} \
              --no-replication --no-start
            exec {agent} run"""], self.rig.dir / "log/agent.log")
        process.start()
        self.addCleanup(process.kill)
        return process

    def test_certificates(self):
        work = traffic.Traffic(self.rig, self.servers, gateway=False, pause=0.1)
        self.addCleanup(work.end)
        agent = self.real_agent()
        self.in_time()
        self.lap("certificates replaced in time")
        self.too_late()
        self.lap("a certificate that was not")
        renewed = until(lambda: len(agent.said("certificate renewed")) >= 2 and agent.said("certificate renewed"),
                        lambda: f"the agent does not renew: {agent.text()[-3000:]}", patience=60)
        self.assertTrue(agent.running())
        self.assertEqual(agent.said("certificate not renewed"), [])
        print(f"the agent renewed its certificate {len(renewed)} times")
        self.people()
        self.lap("agent and people")
        work.end()
        self.renewal.end()
        self.assertEqual(work.failed() + self.launches.failed, [], "calls that failed although they were tried again")
        self.assertEqual(work.errors() + self.fleet.errors() + self.renewal.errors, [])
        self.assertEqual(self.fleet.moves(), [])
        self.assertEqual(traffic.lost_and_doubled(self.rig, work), [])
        until(lambda: not traffic.leftovers(self.rig, 2), lambda: traffic.leftovers(self.rig, 2), patience=30)
        self.lap("compared")
        print(f"{self.renewal.rounds} rounds of new certificates, {work.acknowledged()} changes acknowledged; "
              f"{[str(looping.tally) for looping in work.all]}")

    def restart_each(self, services):
        for service in services:
            process = self.rig.processes[f"{service}-0"]
            self.assertEqual(process.end(), 0, f"{process.name}: {process.text()[-2000:]}")
            process.start().await_serving()

    def in_time(self):
        began, restarts, cutover = time.monotonic(), 0, False
        self.launches.start(self.servers[0])
        while not cutover or time.monotonic() - began < 1.2 * LIFE:
            if not cutover and self.launches.over():
                self.launches.registry("SourceServerService/MarkReadyForCutover", name=self.servers[0], request_id=api.request_id())
                self.launches.start(self.servers[0], "StartCutover")
                cutover = True
            self.restart_each(SERVICES)
            restarts += 1
        jobs = self.launches.await_ends()
        self.assertEqual([job.state for job in jobs.values()], [4, 4], [str(job) for job in jobs.values()])
        self.assertGreater(time.monotonic() - began, LIFE)
        for service in SERVICES:
            # Of the present start; whoever has none lived on the certificate that it began with.
            until(lambda: self.rig.processes[f"{service}-0"].said("certificate replaced"), f"{service}: no new certificate", patience=LIFE)
        print(f"a test launch and a cutover under certificates of {LIFE:.0f} s; all services were restarted {restarts} times")

    def too_late(self):
        process = self.rig.processes["jobs-0"]
        self.renewal.last("service/jobs", self.rig.dir / "tls/jobs")
        ended = until(lambda: process.said("the certificate is not good"), lambda: f"nobody says it: {process.text()[-2000:]}", patience=2 * LIFE)[0]
        print(f"godwit-jobs: {ended['error']}")
        self.assertIn(str(self.rig.dir / "tls/jobs/tls.crt"), ended["error"])
        self.assertIn("ca-issue", ended["error"])
        # Connections that were open go on; all others are refused.
        self.restart_each(("registry", "replication", "conversion"))
        told = self.refusal()
        print(f"a user of godwit-jobs: {told.code().name}: {told.details()}")
        self.assertEqual(told.code(), grpc.StatusCode.UNAVAILABLE)
        jobs = self.rig.number("SELECT count(*) FROM jobs.job")
        self.launches.start(self.servers[1])
        until(lambda: self.rig.number("SELECT count(*) FROM registry.outbox WHERE done_time IS NULL AND attempt_count > 1"),
              "the order does not wait", patience=30)
        self.assertEqual(self.rig.number("SELECT count(*) FROM jobs.job"), jobs, "control: it cannot have come through")
        self.assertIsNotNone(self.refusal())
        self.renewal.without.clear()
        began = time.monotonic()
        self.renewal.renew()
        until(lambda: self.rig.number("SELECT count(*) FROM jobs.job") > jobs, "the order still waits", patience=60)
        ended = self.launches.await_ends()
        self.assertEqual([job.state for job in ended.values()], [4, 4, 4], [str(job) for job in ended.values()])
        self.assertEqual(self.rig.number("SELECT count(*) FROM jobs.job"), jobs + 1)
        print(f"it was launched {time.monotonic() - began:.1f} s after renewal went on")

    def refusal(self):
        """What a new connection to godwit-jobs meets; nothing when it is served."""
        client = self.rig.client("jobs")
        try:
            client.once("JobService/ListJobs", timeout=5)
            return None
        except grpc.RpcError as error:
            return error

    def people(self):
        """The command line says it before it asks anybody."""
        folder = self.rig.dir / "late"
        self.renewal.without.add("user/admin/late")
        self.rig.certificate("user/admin/late", folder, "--lifetime", "1s")
        time.sleep(2.5)  # until it has ended, by its own figures
        done = subprocess.run([self.rig.bin / "godwit", "--tls-dir", folder, "--registry", self.rig.endpoint("registry", 0), "servers", "list"],
                              capture_output=True, text=True, check=False, timeout=30)
        print(f"godwit: status {done.returncode}: {done.stderr.strip()}")
        self.assertNotEqual(done.returncode, 0)
        for part in (f"{folder}/tls.crt", "the certificate ended at", "ca-issue"):
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
