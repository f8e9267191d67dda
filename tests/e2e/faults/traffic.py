"""Work for the services, and a ledger of what they acknowledged: afterwards each of it must be there, and only once."""
import http.client
import json
import ssl
import threading
import time
from urllib.parse import quote

import grpc
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import api
import fleet
from processes import until

RESOURCE = "arn:aws:mgn:us-east-1:123456789012:source-server/"


class Inventory(fleet.Looping):
    """Imports servers; every acknowledged one must be in the database exactly once under the name that was answered."""

    def __init__(self, rig, number, pause):
        super().__init__()
        self.pause = pause
        self.tally = api.Tally()
        self.client = rig.client("registry", "user/operator/inventory", tally=self.tally)
        self.prefix, self.count, self.acknowledged, self.failed = f"machine-{number}-", 0, {}, []

    def step(self):
        self.count += 1
        key = f"{self.prefix}{self.count}"
        try:
            made = self.client("SourceServerService/CreateSourceServer", patience=60, timeout=5, request_id=api.request_id(),
                               user_provided_id=key, tags={"from": "inventory"})
            self.acknowledged[key] = made.name
        except grpc.RpcError as error:
            self.failed.append(f"{key}: {error.code().name} {error.details()}")
        return self.pause


class Tags(fleet.Looping):
    """Writes a growing number into one server's tags and reads it back, from whatever copy answers."""

    def __init__(self, rig, server):
        super().__init__()
        self.tally = api.Tally()
        self.writer, self.reader = (rig.client("registry", "user/operator/tags", tally=self.tally) for _ in range(2))
        self.server, self.written, self.acknowledged, self.failed = server, 0, 0, []

    def step(self):
        self.written += 1
        try:
            self.writer("SourceServerService/UpdateSourceServer", timeout=5, source_server={
                "name": self.server, "tags": {"n": str(self.written)}}, update_mask={"paths": ["tags"]})
            self.acknowledged = self.written
            seen = int(self.reader("SourceServerService/GetSourceServer", timeout=5, name=self.server).tags["n"])
            if seen != self.acknowledged:
                self.errors.append(f"{self.server}: wrote {self.acknowledged} and read {seen}")
        except grpc.RpcError as error:
            self.failed.append(f"{self.server}: {error.code().name} {error.details()}")
        return 0.05


class Gateway(fleet.Looping):
    """A client of the MGN face: signed requests, tried again at the next gateway under the same invocation id, as SDKs do."""

    def __init__(self, rig, server):
        super().__init__()
        key = rig.client("registry")("AccessKeyService/CreateAccessKey", request_id=api.request_id(), access_key={"principal": "user/operator/ci"})
        self.credentials = Credentials(key.name.split("/")[1], key.secret)
        self.context = ssl.create_default_context(cafile=str(rig.dir / "ca/ca.crt"))
        self.endpoints, self.turn, self.tally = rig.endpoints("gateway"), 0, api.Tally()
        self.server, self.written, self.acknowledged, self.failed = server.split("/")[1], 0, 0, []

    def send(self, method, target, body, invocation):
        endpoint = self.endpoints[self.turn % len(self.endpoints)]
        request = AWSRequest(method=method, url=f"https://{endpoint}{target}", data=body)
        SigV4Auth(self.credentials, "mgn", "us-east-1").add_auth(request)
        connection = http.client.HTTPSConnection(endpoint, context=self.context, timeout=15)
        try:
            connection.request(method, target, body=body or None, headers={**dict(request.headers.items()), "amz-sdk-invocation-id": invocation})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method, target, body=b"", patience=60):
        invocation, end = api.request_id(), time.monotonic() + patience
        while True:
            try:
                status, answer = self.send(method, target, body, invocation)
                self.tally.add(f"HTTP {status}")
                if status < 500 and status != 429:
                    return status, answer
            except (OSError, http.client.HTTPException) as error:
                status, answer = 0, repr(error).encode()
                self.tally.add(type(error).__name__)
            if time.monotonic() > end:
                return status, answer
            self.turn += 1
            time.sleep(0.3)

    def step(self):
        self.turn += 1
        self.written += 1
        status, answer = self.call("POST", "/tags/" + quote(RESOURCE + self.server, safe=""), json.dumps({"tags": {"g": str(self.written)}}).encode())
        if status != 200:
            self.failed.append(f"TagResource: {status} {answer[:200]}")
            return 0.2
        self.acknowledged = self.written
        status, answer = self.call("POST", "/DescribeSourceServers", json.dumps({"filters": {"sourceServerIDs": [self.server]}}).encode())
        if status != 200:
            self.failed.append(f"DescribeSourceServers: {status} {answer[:200]}")
        elif json.loads(answer)["items"][0]["tags"]["g"] != str(self.acknowledged):
            self.errors.append(f"gateway: wrote {self.acknowledged}: {answer[:300]}")
        return 0.1


class Launches:
    """Test launches through the registry: one job each, whoever dies."""

    def __init__(self, rig):
        self.rig, self.jobs, self.tally = rig, {}, api.Tally()
        self.registry = rig.client("registry", "user/operator/launch", tally=self.tally)
        self.reader = rig.client("jobs", "user/operator/launch", tally=self.tally)
        self.threads, self.failed = [], []

    def settings(self, server):
        self.registry("SourceServerService/UpdateLaunchSettings", name=server, settings={
            "memory_bytes": 128 << 20, "boot_proof": {"console_text": fleet.HELLO, "timeout": {"seconds": 120}}},
            update_mask={"paths": ["memory_bytes", "boot_proof"]})

    def _start(self, call, server):
        try:
            self.jobs.setdefault(server, []).append(self.registry(f"SourceServerService/{call}", patience=90, names=[server],
                                                                  request_id=api.request_id()).name)
        except grpc.RpcError as error:
            self.failed.append(f"{call} {server}: {error.code().name} {error.details()}")

    def start(self, server, call="StartTest"):
        """In the background."""
        thread = threading.Thread(target=self._start, args=(call, server), daemon=True)
        thread.start()
        self.threads.append(thread)

    def over(self):
        """Whether all have ended by now."""
        jobs = [self._job(name) for names in list(self.jobs.values()) for name in names]
        return not any(thread.is_alive() for thread in self.threads) and all(job is not None and job.state >= 4 for job in jobs)

    def await_ends(self, patience=120):
        """The states by job, once all have ended."""
        for thread in self.threads:
            thread.join(patience)
        names = [name for names in self.jobs.values() for name in names]
        jobs = {}

        def ended():
            for name in names:
                if jobs.get(name) is None or jobs[name].state < 4:
                    jobs[name] = self._job(name)
            return all(job is not None and job.state >= 4 for job in jobs.values())
        until(ended, lambda: f"jobs do not end: {[str(job) for job in jobs.values() if job is None or job.state < 4]}", patience, pause=0.3)
        return jobs

    def _job(self, name):
        """Nothing while its order waits in the registry: the copy of godwit-jobs that it was sent to did not answer."""
        try:
            return self.reader("JobService/GetJob", name=name)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            return None


class Traffic:
    """All of it at once. `pause`: seconds between two servers that are imported (there is a quota of 4000)."""

    def __init__(self, rig, servers, gateway=True, pause=0.02):
        self.inventories = [Inventory(rig, number, pause) for number in range(2)]
        self.tags = [Tags(rig, server) for server in servers[:2]]
        self.gateways = [Gateway(rig, servers[2])] if gateway else []
        self.all = [*self.inventories, *self.tags, *self.gateways]
        for looping in self.all:
            looping.begin()

    def end(self):
        fleet.end_all(self.all)

    def acknowledged(self):
        return sum(len(inventory.acknowledged) for inventory in self.inventories) + sum(tags.acknowledged for tags in self.tags + self.gateways)

    def failed(self):
        return [failure for looping in self.all for failure in looping.failed]

    def errors(self):
        return [error for looping in self.all for error in looping.errors]


def lost_and_doubled(rig, traffic):
    """What was acknowledged and is not there, or is there twice."""
    faults, reader = [], rig.client("registry")
    rows = rig.sql("SELECT user_provided_id, 'sourceServers/' || id FROM registry.source_server WHERE user_provided_id LIKE 'machine-%'")
    there = {}
    for key, name in rows:
        if key in there:
            faults.append(f"{key} is there twice: {there[key]} and {name}")
        there[key] = name
    for inventory in traffic.inventories:
        for key, name in inventory.acknowledged.items():
            if there.get(key) != name:
                faults.append(f"{key} was acknowledged as {name} and is {there.get(key)}")
    for field, writers in (("n", traffic.tags), ("g", traffic.gateways)):
        for writer in writers:
            server = writer.server.split("/")[-1]
            value = int(reader("SourceServerService/GetSourceServer", name=f"sourceServers/{server}").tags.get(field, "0"))
            if not writer.acknowledged <= value <= writer.written:
                faults.append(f"{server}: {field} is {value}; acknowledged {writer.acknowledged}, written {writer.written}")
    # Every version of a server once, without gaps.
    faults += [f"history of {row[0]}: {row[1]} rows up to version {row[2]}" for row in rig.sql(
        "SELECT server_id, count(*), max(version) FROM registry.source_server_history GROUP BY server_id HAVING count(*) <> max(version)")]
    return faults


def leftovers(rig, expected_machines):
    """What the machines, clones and rows disagree about. `expected_machines`: how many run."""
    faults = []
    folders, processes = rig.machine_folders(), rig.machine_processes()
    recorded = sorted(row[0] for row in rig.sql("SELECT machine_id FROM jobs.run WHERE machine_id <> ''"))
    clones = sorted(row[0] for row in rig.sql("SELECT id FROM replication.clone WHERE state IN (1, 2, 3)"))
    if folders != recorded:
        faults.append(f"machines in the folder: {folders}; in the database: {recorded}")
    if len(processes) != expected_machines:
        faults.append(f"{len(processes)} processes of machines, {expected_machines} expected")
    if len(folders) != expected_machines:
        faults.append(f"{len(folders)} folders of machines, {expected_machines} expected")
    if rig.clone_folders() != clones:
        faults.append(f"clones in the store: {rig.clone_folders()}; in the database: {clones}")
    doubled = rig.sql("SELECT server, count(*) FROM jobs.run WHERE type IN (1, 2) AND machine_id <> '' GROUP BY server HAVING count(*) > 1")
    return faults + [f"{row[1]} machines of {row[0]}" for row in doubled]
