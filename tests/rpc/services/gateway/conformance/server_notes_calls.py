"""What tools keep with a source server, and how it replicates."""
from frame import checks

NONE = "s-" + "f" * 17
FQDN, SECRET = "shop.example.org", "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop"


@checks("UpdateSourceServer")
def update_source_server(run):
    server, update = run.server(), run.mgn.update_source_server
    connector = "connector-0123456789abcdefG"
    action = {"credentialsSecretArn": SECRET, "connectorArn": run.arn("connector", connector)}
    answer = update(sourceServerID=server, fqdnForActionFramework=FQDN, platform="linux", connectorAction=action, userProvidedID=f"id of {server}")
    run.effect((answer["fqdnForActionFramework"], answer["connectorAction"], answer["userProvidedID"]) == (FQDN, action, f"id of {server}"),
               "MGN shows it")
    shown = run.shown(server)
    run.effect(shown["notes"] == {"actionFqdn": FQDN, "platform": "linux", "connector": f"connectors/{connector}", "credentialsArn": SECRET},
               "gRPC shows it")
    run.effect(shown["userProvidedId"] == f"id of {server}", "gRPC shows the id")
    run.effect(update(sourceServerID=server)["sourceServerID"] == server, "nothing to change is a read, no fault")
    update(sourceServerID=server, platform="windows", connectorAction={})
    left = {name: text for name, text in run.shown(server)["notes"].items() if text}
    run.effect(left == {"actionFqdn": FQDN, "platform": "windows"}, "the action is one value, the rest stays")
    run.refused("ConflictException", update, sourceServerID=server, userProvidedID="another")
    run.refused("ConflictException", update, sourceServerID=run.server(), userProvidedID=f"id of {server}")
    answer = run.refused("ValidationException", update, sourceServerID=server, connectorAction={"connectorArn": run.arn("wave", "w" * 17)})
    run.effect(answer["fieldList"][0]["name"] == "connectorAction.connectorArn", "the member is named")
    run.refused("ResourceNotFoundException", update, sourceServerID=NONE, platform="linux")


@checks("UpdateSourceServerReplicationType")
def update_source_server_replication_type(run):
    server, update = run.server(), run.mgn.update_source_server_replication_type
    answer = update(sourceServerID=server, replicationType="AGENT_BASED")
    run.effect(answer["replicationType"] == run.shown(server)["replicationType"] == "AGENT_BASED", "as gRPC shows it")
    answer = run.refused("ConflictException", update, sourceServerID=server, replicationType="SNAPSHOT_SHIPPING")
    run.effect(answer["resourceId"] == server and run.shown(server)["replicationType"] == "AGENT_BASED", "the server is named and as it was")
    run.refused("ValidationException", update, sourceServerID=server, replicationType="NONE")
    run.refused("ResourceNotFoundException", update, sourceServerID=NONE, replicationType="AGENT_BASED")
