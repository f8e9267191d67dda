"""What the checks of operations are written with.

A file AREA_calls.py of this folder holds one function for each operation of its area:

    @checks("CreateWave", never={"ServiceQuotaExceededException": "why it cannot be had here"})
    def create_wave(run):
        wave = run.mgn.create_wave(name="one", tags={"a": "b"})                 # called: parsed by boto3, with the table's status
        run.effect(run.godwit("waves", "get", wave["waveID"])["displayName"] == "one", "gRPC shows it")
        run.refused("ConflictException", run.mgn.create_wave, name="one")       # errors

Around it the frame does, for every operation: a call of boto3 that succeeded has the table's status, and nothing in its answer is outside
of the table; each wrong member is refused with its name; each declared error came at least once, but for those of `never` and
of NEVER; the same request of a viewer is refused, unless the operation only reads. Operations that are not done yet stand in missing.txt.
"""
import json
import subprocess
import time

import client

CHECKS = {}
# Errors that no check can bring about.
NEVER = {"UninitializedAccountException": "an installation is ready once it runs",
         "ThrottlingException": "only under load", "InternalServerException": "only by a fault"}
PATIENCE = 60


class Check:
    """`never`: declared errors that cannot be had, and why. `succeeds`: False where there is nothing that it could do."""

    def __init__(self, operation, function, never=None, reads=None, succeeds=True):
        self.function, self.never, self.succeeds = function, never or {}, succeeds
        self.reads = operation.startswith(("Describe", "Get", "List")) if reads is None else reads


def checks(operation, **facts):
    """Makes the function the check of that operation; `facts` are those of Check."""
    def register(function):
        assert operation not in CHECKS, operation
        CHECKS[operation] = Check(operation, function, **facts)
        return function
    return register


class Run:
    """What a check gets. `mgn` is boto3's client with an operator's key; run.client("viewer") gives that of another one."""

    def __init__(self, installation, tool, godwit):
        self.installation, self.tool, self.cli = installation, tool, godwit
        self.client = client.mgn
        self.mgn = client.mgn()
        self.effects = []

    def _said(self, *command):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def printed(self, *arguments):
        """What the command line prints."""
        return self._said(self.cli, "--config", f"{self.installation}/cli.conf", *arguments)

    def godwit(self, *arguments):
        """The answer of the command line, which speaks gRPC, as JSON."""
        said = self.printed(*arguments, "--output", "json")
        return json.loads(said) if said.strip() else None

    def server(self, kind="server"):
        """Id of a new server READY_FOR_TEST; "stalled-server": one whose agent cannot read its disk."""
        return self._said(self.tool, kind, self.installation).strip()

    def launched(self, server, job, purpose):
        """The job's work is over, and a machine runs: "test" or "cutover". Id of the machine."""
        self.end(job)
        return self._said(self.tool, "launched", self.installation, server, f"jobs/job-{job.removeprefix('mgnjob-')}", purpose).strip()

    def end(self, job):
        """The job, as MGN names it, has ended."""
        self.godwit("jobs", "cancel", f"job-{job.removeprefix('mgnjob-')}", "--wait")

    def shown(self, server):
        """The server as gRPC shows it."""
        return self.godwit("servers", "get", server)["sourceServer"]

    def effect(self, true, what):
        assert true, f"no effect: {what}"
        self.effects.append(what)

    def refused(self, error, function, **members):
        """The call is refused with that error; the answer of the error."""
        name, answer = client.refusal(function, **members)
        assert name == error, (name, answer)
        return answer

    @staticmethod
    def until(condition, what):
        """What `condition` gives once that is true."""
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < deadline, what
            time.sleep(0.1)
        return value

    @staticmethod
    def status(answer):
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    @staticmethod
    def arn(kind, name):
        return f"arn:aws:mgn:us-east-1:123456789012:{kind}/{name}"
