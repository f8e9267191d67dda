"""Tests, cutovers, and the end of what they launched."""
from frame import checks

NONE = "s-" + "f" * 17


def job_of(run, answer):
    """The job of a launch as gRPC shows it."""
    return run.godwit("jobs", "get", f"job-{answer['job']['jobID'].removeprefix('mgnjob-')}")


def seen(run, answer, server, kind):
    job = job_of(run, answer)
    run.effect(job["type"] == kind and job["initiatedBy"] == "user/operator/ci", "a job of that kind, the caller's")
    run.effect([one["sourceServer"] for one in job["servers"]] == [f"sourceServers/{server}"], "it is the server's")


def refusals(run, function, conflict):
    answer = run.refused("ConflictException", function, sourceServerIDs=[conflict])
    assert answer["errors"][0]["resourceId"] == conflict and answer["errors"][0]["resourceType"] == "SourceServer", answer
    run.refused("ValidationException", function, sourceServerIDs=[NONE])


@checks("StartTest")
def start_test(run):
    server = run.server()
    answer = run.mgn.start_test(sourceServerIDs=[server])
    run.effect(run.shown(server)["lifecycleState"] == "TESTING", "it is tested")
    seen(run, answer, server, "TEST_LAUNCH")
    refusals(run, run.mgn.start_test, server)


@checks("StartCutover")
def start_cutover(run):
    server = run.server()
    refusals(run, run.mgn.start_cutover, server)
    run.mgn.change_server_life_cycle_state(sourceServerID=server, lifeCycle={"state": "READY_FOR_CUTOVER"})
    answer = run.mgn.start_cutover(sourceServerIDs=[server])
    run.effect(run.shown(server)["lifecycleState"] == "CUTTING_OVER", "it cuts over")
    seen(run, answer, server, "CUTOVER_LAUNCH")


@checks("FinalizeCutover")
def finalize_cutover(run):
    server = run.server()
    run.refused("ConflictException", run.mgn.finalize_cutover, sourceServerID=server)
    run.mgn.change_server_life_cycle_state(sourceServerID=server, lifeCycle={"state": "READY_FOR_CUTOVER"})
    machine = run.launched(server, run.mgn.start_cutover(sourceServerIDs=[server])["job"]["jobID"], "cutover")
    assert run.shown(server)["launchedMachine"]["machineId"] == machine
    answer = run.mgn.finalize_cutover(sourceServerID=server)
    run.effect(run.shown(server)["lifecycleState"] == "CUTOVER", "the cutover is final")
    run.effect("lagDuration" not in answer["dataReplicationInfo"], "it does not replicate")
    run.refused("ResourceNotFoundException", run.mgn.finalize_cutover, sourceServerID=NONE)


@checks("TerminateTargetInstances")
def terminate_target_instances(run):
    server = run.server()
    run.launched(server, run.mgn.start_test(sourceServerIDs=[server])["job"]["jobID"], "test")
    refusals(run, run.mgn.terminate_target_instances, server)  # by the published rules not while it is tested
    run.mgn.change_server_life_cycle_state(sourceServerID=server, lifeCycle={"state": "READY_FOR_CUTOVER"})
    answer = run.mgn.terminate_target_instances(sourceServerIDs=[server])
    seen(run, answer, server, "TERMINATE")
    run.until(lambda: job_of(run, answer)["state"] == "SUCCEEDED", "the machine is not removed")
    run.effect(run.shown(server).get("launchedMachine") is None, "there is no machine")
