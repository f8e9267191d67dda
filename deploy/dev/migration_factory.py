#!/usr/bin/python3
"""One server's way through the API of AWS MGN, as scripts of migration factories go it: boto3, an access key, and nothing else of Godwit.

    migration_factory.py INSTALLATION SERVER strict|lenient test|terminate|cutover|finish [JOB-FILE]

INSTALLATION: a folder of installation.sh with a gateway and a file `credentials` with access keys "strict" and "lenient". The third argument
says whose order it is: strict goes as AWS's documentation says; lenient as published automation does, that terminates the test machine
before anybody marked the server and finalises by disconnecting, and first shows that the strict key is refused there.
Prints each call and, as it grows, the log of a job; JOB-FILE gets the id of a launch's job. Ends with 1 when anything is not as it should be.
"""
import pathlib
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PATIENCE = 40 * 60  # seconds that a launch may take
PAUSE = 2           # between two looks at a job


def client(installation, key):
    ports = dict(line.split("=") for line in (installation / "ports").read_text().split())
    session = boto3.session.Session(profile_name=key, region_name="us-east-1")
    return session.client("mgn", endpoint_url=f"https://127.0.0.1:{ports['gateway']}", verify=str(installation / "ca/ca.crt"),
                          config=Config(retries={"max_attempts": 5, "mode": "standard"}))


class Way:
    def __init__(self, installation, server, profile):
        self.server, self.lenient = server, profile == "lenient"
        self.strict_key, self.key = client(installation, "strict"), client(installation, profile)

    def call(self, name, wanted=200, **members):
        answer = getattr(self.key, name)(**members)
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        print(f"{name}: {status}", flush=True)
        assert status == wanted, f"{name}: {status}, not {wanted}"
        return answer

    def refused(self, name, **members):
        """By the published rules; the server stays as it is."""
        try:
            getattr(self.strict_key, name)(**members)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert (code, status) == ("ConflictException", 409), error
            print(f"{name} with a strict key: {status} {code}: {error.response['Error']['Message']}", flush=True)
            return
        raise AssertionError(f"{name} is not refused although the rules forbid it")

    def shown(self):
        servers = self.key.describe_source_servers(filters={"sourceServerIDs": [self.server]})["items"]
        assert len(servers) == 1, servers
        return servers[0]

    def state(self, wanted):
        state = self.shown()["lifeCycle"]["state"]
        assert state == wanted, f"the server is {state}, not {wanted}"
        print(f"the server is {state}", flush=True)

    def change(self, state):
        self.call("change_server_life_cycle_state", sourceServerID=self.server, lifeCycle={"state": state})
        self.state(state)

    def follow(self, job):
        """The job once it has completed; prints its log meanwhile."""
        seen, give_up = 0, time.monotonic() + PATIENCE
        while True:
            found = self.key.describe_jobs(filters={"jobIDs": [job]})["items"][0]
            pages = self.key.get_paginator("describe_job_log_items").paginate(jobID=job)
            log = [item for page in pages for item in page["items"]]
            for item in log[seen:]:
                facts = [f"{name}={value}" for name, value in sorted(item.get("eventData", {}).items()) if name in ("targetInstanceID", "rawError")]
                print("  " + " ".join([item["logDateTime"], item["event"], *facts]), flush=True)
            seen = len(log)
            if found["status"] == "COMPLETED":
                return found, [item["event"] for item in log]
            assert time.monotonic() < give_up, f"{job} does not end: {found}"
            time.sleep(PAUSE)

    def launch(self, name, by):
        """The id of the job, which has launched a machine that booted."""
        begun = self.call(name, 202, sourceServerIDs=[self.server])["job"]
        assert (begun["type"], begun["initiatedBy"]) == ("LAUNCH", by), begun
        job, events = self.follow(begun["jobID"])
        part = job["participatingServers"]
        assert [(one["sourceServerID"], one["launchStatus"]) for one in part] == [(self.server, "LAUNCHED")], part
        wanted = ("JOB_START", "SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "JOB_END")
        assert [event for event in events if event in wanted] == list(wanted), events
        machine = self.shown()["launchedInstance"]
        assert machine["jobID"] == job["jobID"] and machine["ec2InstanceID"] == part[0]["launchedEc2InstanceID"], (machine, part)
        assert machine["firstBoot"] == "SUCCEEDED", machine
        print(f"launched {machine['ec2InstanceID']}, first boot {machine['firstBoot']}", flush=True)
        return job["jobID"]

    def test(self):
        servers = {"sourceServerIDs": [self.server]}
        assert "lagDuration" in self.shown()["dataReplicationInfo"], "what scripts tell a launchable server by"
        self.state("READY_FOR_TEST")
        if self.lenient:
            self.refused("start_cutover", **servers)
        job = self.launch("start_test", "START_TEST")
        self.state("TESTING")
        return job

    def terminate(self):
        servers = {"sourceServerIDs": [self.server]}
        if self.lenient:
            self.refused("terminate_target_instances", **servers)
        else:
            self.change("READY_FOR_CUTOVER")
        job, _ = self.follow(self.call("terminate_target_instances", 202, **servers)["job"]["jobID"])
        assert [one["launchStatus"] for one in job["participatingServers"]] == ["TERMINATED"], job
        assert "ec2InstanceID" not in self.shown().get("launchedInstance", {}), self.shown()
        self.state("TESTING" if self.lenient else "READY_FOR_CUTOVER")

    def cutover(self):
        if self.lenient:
            self.refused("start_cutover", sourceServerIDs=[self.server])
        job = self.launch("start_cutover", "START_CUTOVER")
        self.state("CUTTING_OVER")
        return job

    def finish(self):
        server = {"sourceServerID": self.server}
        if self.lenient:
            gone = self.call("disconnect_from_service", **server)
            assert gone["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED", gone
            self.refused("change_server_life_cycle_state", lifeCycle={"state": "CUTOVER"}, **server)
            self.change("CUTOVER")
        else:
            self.call("finalize_cutover", **server)
            self.state("CUTOVER")
        assert self.call("mark_as_archived", **server)["isArchived"] is True


def main():
    installation, server, profile, step = pathlib.Path(sys.argv[1]).resolve(), *sys.argv[2:5]
    assert profile in ("strict", "lenient") and step in ("test", "terminate", "cutover", "finish"), sys.argv
    job = getattr(Way(installation, server, profile), step)()
    if job and len(sys.argv) > 5:
        pathlib.Path(sys.argv[5]).write_text(job + "\n")


if __name__ == "__main__":
    main()
