"""Replication on and off."""
from frame import checks

NONE = "s-" + "f" * 17
NO_QUOTA = {"ServiceQuotaExceededException": "it takes no place of another server"}


def replicated(run, server):
    """As the coordinator shows it; None until the registry's command has reached it."""
    listed = run.godwit("replication", "list")["replications"]
    return next((one for one in listed if one["name"] == f"sourceServers/{server}/replication"), None)


def running(run, kind="server"):
    """A server that the coordinator knows."""
    server = run.server(kind)
    run.until(lambda: replicated(run, server), "the coordinator does not know it")
    return server


def stop(run, server):
    run.mgn.stop_replication(sourceServerID=server)
    run.until(lambda: replicated(run, server)["state"] == "STOPPED", "the coordinator goes on")


@checks("StartReplication", never={"ServiceQuotaExceededException": "with a full quota only: quotas_test.cc"})
def start_replication(run):
    server = run.server()
    run.refused("ConflictException", run.mgn.start_replication, sourceServerID=server)
    run.mgn.stop_replication(sourceServerID=server)
    run.mgn.start_replication(sourceServerID=server)
    run.effect(run.shown(server)["lifecycleState"] == "NOT_READY", "it begins anew")
    run.refused("ResourceNotFoundException", run.mgn.start_replication, sourceServerID=NONE)


@checks("StopReplication", never=NO_QUOTA)
def stop_replication(run):
    server = running(run)
    stop(run, server)
    run.effect(run.shown(server)["lifecycleState"] == "STOPPED", "it is stopped")
    run.refused("ConflictException", run.mgn.stop_replication, sourceServerID=server)
    run.refused("ResourceNotFoundException", run.mgn.stop_replication, sourceServerID=NONE)


@checks("PauseReplication", never=NO_QUOTA)
def pause_replication(run):
    server = running(run)
    answer = run.mgn.pause_replication(sourceServerID=server)
    run.effect(answer["dataReplicationInfo"]["dataReplicationState"] == "PAUSED", "the answer says so")
    run.effect(replicated(run, server)["state"] == "PAUSED", "the coordinator says so")
    stop(run, server)
    run.refused("ConflictException", run.mgn.pause_replication, sourceServerID=server)
    run.refused("ResourceNotFoundException", run.mgn.pause_replication, sourceServerID=NONE)


@checks("ResumeReplication", never=NO_QUOTA)
def resume_replication(run):
    server = running(run)
    run.mgn.pause_replication(sourceServerID=server)
    run.mgn.resume_replication(sourceServerID=server)
    run.until(lambda: replicated(run, server)["state"] != "PAUSED", "it is still paused")
    run.effect(True, "the coordinator goes on")
    stop(run, server)
    run.refused("ConflictException", run.mgn.resume_replication, sourceServerID=server)
    run.refused("ResourceNotFoundException", run.mgn.resume_replication, sourceServerID=NONE)


@checks("RetryDataReplication")
def retry_data_replication(run):
    server = running(run, "stalled-server")
    stalled = run.until(lambda: (one := replicated(run, server))["state"] == "STALLED" and one, "it does not stall")
    run.effect(stalled["stallCause"] == "SOURCE_READ_ERROR", "it stood still for the cause that its agent gave")
    run.mgn.retry_data_replication(sourceServerID=server)
    run.refused("ValidationException", run.mgn.retry_data_replication, sourceServerID=running(run))  # it does not stand still
    run.refused("ResourceNotFoundException", run.mgn.retry_data_replication, sourceServerID=NONE)
