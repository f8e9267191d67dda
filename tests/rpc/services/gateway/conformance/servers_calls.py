"""Source servers: the list, the life cycle, the end."""
from frame import checks

NONE = "s-" + "f" * 17


@checks("DescribeSourceServers")
def describe_source_servers(run):
    servers = sorted(run.server() for _ in range(3))
    found = run.mgn.describe_source_servers(filters={"sourceServerIDs": servers[:1]})["items"]
    shown = run.shown(servers[0])
    run.effect(found[0]["lifeCycle"]["state"] == shown["lifecycleState"] == "READY_FOR_TEST", "the state that gRPC tells")
    run.effect(found[0]["sourceProperties"]["identificationHints"]["hostname"] == shown["properties"]["hostname"], "the host name that gRPC tells")
    pages = list(run.mgn.get_paginator("describe_source_servers").paginate(filters={"sourceServerIDs": servers}, PaginationConfig={"PageSize": 1}))
    run.effect([item["sourceServerID"] for page in pages for item in page["items"]] == servers, "every server once, over pages")
    run.refused("ValidationException", run.mgn.describe_source_servers, nextToken="x")


@checks("ChangeServerLifeCycleState")
def change_server_life_cycle_state(run):
    server, change = run.server(), run.mgn.change_server_life_cycle_state
    change(sourceServerID=server, lifeCycle={"state": "READY_FOR_CUTOVER"})
    run.effect(run.shown(server)["lifecycleState"] == "READY_FOR_CUTOVER", "it is ready for cutover")
    change(sourceServerID=server, lifeCycle={"state": "READY_FOR_TEST"})
    run.effect(run.shown(server)["lifecycleState"] == "READY_FOR_TEST", "it is ready for test")
    run.refused("ConflictException", change, sourceServerID=server, lifeCycle={"state": "CUTOVER"})
    run.refused("ResourceNotFoundException", change, sourceServerID=NONE, lifeCycle={"state": "READY_FOR_TEST"})


@checks("DisconnectFromService")
def disconnect_from_service(run):
    server = run.server()
    answer = run.mgn.disconnect_from_service(sourceServerID=server)
    run.effect(answer["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED", "replication has ended")
    run.effect(run.shown(server)["lifecycleState"] == "DISCONNECTED", "it is out of service")
    run.refused("ConflictException", run.mgn.disconnect_from_service, sourceServerID=server)
    run.refused("ResourceNotFoundException", run.mgn.disconnect_from_service, sourceServerID=NONE)


@checks("MarkAsArchived")
def mark_as_archived(run):
    server = run.server()
    run.refused("ConflictException", run.mgn.mark_as_archived, sourceServerID=server)
    run.mgn.disconnect_from_service(sourceServerID=server)
    run.mgn.mark_as_archived(sourceServerID=server)
    run.effect(run.shown(server)["archived"] is True, "it is archived")
    run.refused("ResourceNotFoundException", run.mgn.mark_as_archived, sourceServerID=NONE)


@checks("DeleteSourceServer")
def delete_source_server(run):
    server = run.server()
    run.refused("ConflictException", run.mgn.delete_source_server, sourceServerID=server)
    run.mgn.disconnect_from_service(sourceServerID=server)
    run.mgn.delete_source_server(sourceServerID=server)
    listed = run.godwit("servers", "list", "--archived")["sourceServers"]
    run.effect(f"sourceServers/{server}" not in [one["name"] for one in listed], "it is gone")
    run.refused("ResourceNotFoundException", run.mgn.delete_source_server, sourceServerID=server)
