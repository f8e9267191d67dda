#!/usr/bin/python3
"""The life cycle in the order of published automation (a migration factory), by keys of both profiles; prints where they differ.

    life_cycle.py INSTALLATION BIN
"""
import importlib
import pathlib
import sys
import tempfile

from conformance import set_up

PROFILES = ("strict", "lenient")


class Way:
    """One server on its way, by the key of a profile."""

    def __init__(self, run, refusal, profile):
        self.run, self.refusal, self.profile = run, refusal, profile
        self.client = run.client(profile)
        self.server = run.server()
        self.seen = []  # (what, outcome)

    def state(self):
        return self.client.describe_source_servers(filters={"sourceServerIDs": [self.server]})["items"][0]

    def is_in(self, state):
        assert self.state()["lifeCycle"]["state"] == state, self.state()["lifeCycle"]

    def allowed(self, function, status, **members):
        answer = function(**members)
        assert self.run.status(answer) == status, answer
        return answer

    def differs(self, what, function, status, **members):
        """By the published rules a conflict; the answer of the lenient ones."""
        if self.profile == "lenient":
            answer = self.allowed(function, status, **members)
            self.seen.append((what, str(status)))
            return answer
        name, error = self.refusal(function, **members)
        assert name == "ConflictException" and self.run.status(error) == 409, error
        self.seen.append((what, "409 ConflictException"))
        return None

    def change(self, state):
        return self.allowed(self.client.change_server_life_cycle_state, 200, sourceServerID=self.server, lifeCycle={"state": state})

    def launch(self, function, purpose):
        """The job's id; its machine runs."""
        job = self.allowed(function, 202, sourceServerIDs=[self.server])["job"]["jobID"]
        machine = self.run.launched(self.server, job, purpose)
        shown = self.state()["launchedInstance"]
        assert (shown["jobID"], shown["ec2InstanceID"], shown["firstBoot"]) == (job, machine, "SUCCEEDED"), shown
        assert self.client.describe_jobs(filters={"jobIDs": [job]})["items"][0]["status"] == "COMPLETED"
        return job

    def ended(self, answer):
        """The job of the answer has ended."""
        job = answer["job"]["jobID"]
        self.run.until(lambda: self.client.describe_jobs(filters={"jobIDs": [job]})["items"][0]["status"] == "COMPLETED", job)


def until_cutover(way):
    client, one = way.client, {"sourceServerIDs": [way.server]}
    job = way.launch(client.start_test, "test")
    way.is_in("TESTING")
    assert way.state()["lifeCycle"]["lastTest"]["initiated"]["jobID"] == job
    if answer := way.differs("TerminateTargetInstances in TESTING", client.terminate_target_instances, 202, **one):
        way.ended(answer)
        way.is_in("TESTING")
        way.change("READY_FOR_CUTOVER")
    else:
        way.change("READY_FOR_CUTOVER")
        way.ended(way.allowed(client.terminate_target_instances, 202, **one))
    assert "ec2InstanceID" not in way.state().get("launchedInstance", {}), way.state()
    assert way.state()["lifeCycle"]["lastTest"]["finalized"]["apiCallDateTime"]
    way.change("READY_FOR_TEST")
    assert way.state()["lifeCycle"]["lastTest"]["reverted"]["apiCallDateTime"]
    if answer := way.differs("StartCutover in READY_FOR_TEST", client.start_cutover, 202, **one):
        way.run.end(answer["job"]["jobID"])
        way.is_in("CUTTING_OVER")
    else:
        way.change("READY_FOR_CUTOVER")
        way.launch(client.start_cutover, "cutover")
    way.change("READY_FOR_CUTOVER")
    assert way.state()["lifeCycle"]["lastCutover"]["reverted"]["apiCallDateTime"]
    job = way.launch(client.start_cutover, "cutover")
    way.is_in("CUTTING_OVER")
    assert way.state()["lifeCycle"]["lastCutover"]["initiated"]["jobID"] == job


def factory(way):
    """A factory finalises by disconnecting, then changing the state."""
    until_cutover(way)
    client, one = way.client, {"sourceServerID": way.server}
    gone = way.allowed(client.disconnect_from_service, 200, **one)
    assert gone["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED" and "lagDuration" not in gone["dataReplicationInfo"], gone
    way.differs("ChangeServerLifeCycleState CUTOVER after DisconnectFromService", client.change_server_life_cycle_state, 200,
                lifeCycle={"state": "CUTOVER"}, **one)
    way.is_in("CUTOVER" if way.profile == "lenient" else "DISCONNECTED")
    end(way)


def console(way):
    """The console finalises first."""
    until_cutover(way)
    client, one = way.client, {"sourceServerID": way.server}
    way.allowed(client.finalize_cutover, 200, **one)
    way.is_in("CUTOVER")
    assert way.state()["lifeCycle"]["lastCutover"]["finalized"]["apiCallDateTime"]
    way.differs("DisconnectFromService in CUTOVER", client.disconnect_from_service, 200, **one)
    end(way)


def end(way):
    assert way.allowed(way.client.mark_as_archived, 200, sourceServerID=way.server)["isArchived"] is True
    way.allowed(way.client.delete_source_server, 204, sourceServerID=way.server)
    assert way.client.describe_source_servers(filters={"sourceServerIDs": [way.server]})["items"] == []


def main():
    installation, programs = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="godwit-test-mgn-") as folder:
        set_up(installation, programs, pathlib.Path(folder))
        run = importlib.import_module("frame").Run(installation, programs / "mgn_conformance_tool", programs / "godwit")
        refusal = importlib.import_module("client").refusal
        seen = {}
        for profile in PROFILES:
            for order in (factory, console):
                way = Way(run, refusal, profile)
                order(way)
                for what, outcome in way.seen:
                    seen.setdefault(what, {})[profile] = outcome
    print(f"{'call':62} {'strict':22} lenient")
    for what, outcome in seen.items():
        print(f"{what:62} {outcome['strict']:22} {outcome['lenient']}")
    print(f"{len(PROFILES)} profiles x 2 orders, from READY_FOR_TEST to deleted; they differ in {len(seen)} calls")


if __name__ == "__main__":
    main()
