"""Settings of servers."""
from frame import checks

NONE = "s-" + "f" * 17
NO_CONFLICT = {"ConflictException": "an update names no version; the last one counts"}


@checks("GetReplicationConfiguration")
def get_replication_configuration(run):
    server = run.server()
    run.godwit("replication", "settings", "set", server, "--bandwidth-limit", "2500000")
    run.effect(run.mgn.get_replication_configuration(sourceServerID=server)["bandwidthThrottling"] == 20, "what gRPC set")
    run.refused("ResourceNotFoundException", run.mgn.get_replication_configuration, sourceServerID=NONE)


@checks("UpdateReplicationConfiguration", never=NO_CONFLICT)
def update_replication_configuration(run):
    server = run.server()
    kept = {"stagingAreaSubnetId": "subnet-0123456789abcdef0", "replicationServerInstanceType": "t3.small", "createPublicIP": False,
            "useFipsEndpoint": True}
    answer = run.mgn.update_replication_configuration(sourceServerID=server, bandwidthThrottling=80, ebsEncryption="CUSTOM", stagingAreaTags={"a": "é"},
                                                      **kept)
    run.effect({name: answer[name] for name in kept} == kept, "what has no meaning here comes back as it was set")
    shown = run.godwit("replication", "settings", "get", server)
    run.effect((shown["bandwidthLimitBytesPerSecond"], shown["encryptStaging"], shown["stagingTags"]) == ("10000000", True, {"a": "é"}), "gRPC shows it")
    run.refused("ValidationException", run.mgn.update_replication_configuration, sourceServerID=server, replicatedDisks=[{"deviceName": "/dev/none"}])
    run.refused("ResourceNotFoundException", run.mgn.update_replication_configuration, sourceServerID=NONE, name="x")


@checks("GetLaunchConfiguration")
def get_launch_configuration(run):
    server = run.server()
    run.godwit("launch-settings", "set", server, "--disposition", "stopped", "--copy-tags")
    shown = run.mgn.get_launch_configuration(sourceServerID=server)
    run.effect((shown["launchDisposition"], shown["copyTags"]) == ("STOPPED", True), "what gRPC set")
    run.refused("ResourceNotFoundException", run.mgn.get_launch_configuration, sourceServerID=NONE)


@checks("UpdateLaunchConfiguration", never=NO_CONFLICT)
def update_launch_configuration(run):
    server = run.server()
    run.mgn.update_launch_configuration(sourceServerID=server, launchDisposition="STOPPED", licensing={"osByol": False}, bootMode="UEFI",
                                        postLaunchActions={"deployment": "TEST_ONLY", "ssmDocuments": [
                                            {"actionName": "web", "ssmDocumentName": "check-web", "timeoutSeconds": 90}]})
    shown = run.godwit("launch-settings", "get", server)
    run.effect((shown["disposition"], shown["licensing"], shown["bootMode"]) == ("STOPPED", "PROVIDED", "UEFI"), "gRPC shows it")
    action = shown["postLaunchActions"][0]
    run.effect((action["command"], action["timeout"], action["deployment"]) == ("true\n", "90s", "TEST_ONLY"), "the document is an action")
    run.refused("ValidationException", run.mgn.update_launch_configuration, sourceServerID=server,
                postLaunchActions={"ssmDocuments": [{"actionName": "a", "ssmDocumentName": "nothing"}]})
    run.refused("ResourceNotFoundException", run.mgn.update_launch_configuration, sourceServerID=NONE, copyTags=True)
