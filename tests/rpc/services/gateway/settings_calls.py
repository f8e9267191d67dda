#!/usr/bin/python3
"""Settings of servers and templates and post-launch actions, one check an operation: what it answers, what it changed as
gRPC shows it (`godwit`), what it refuses. Argument: a server with the disk /dev/sda. Besides the environment of client.py:
GODWIT (the program), GODWIT_CONFIG (an admin's). The gateway's --documents holds report/1, report/2
and check-web.
"""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from client import call, mgn, refusal

NOWHERE = "s-fffffffffffffffff"
REPLICATION = {
    "stagingAreaSubnetId": "subnet-0123456789abcdef0", "associateDefaultSecurityGroup": True,
    "replicationServersSecurityGroupsIDs": ["sg-0123456789abcdef0"], "replicationServerInstanceType": "t3.small",
    "useDedicatedReplicationServer": False, "defaultLargeStagingDiskType": "GP3", "ebsEncryption": "CUSTOM",
    "ebsEncryptionKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0123", "bandwidthThrottling": 80,
    "dataPlaneRouting": "PRIVATE_IP", "createPublicIP": False, "stagingAreaTags": {"team": "north é"}}
LAUNCH = {
    "launchDisposition": "STOPPED", "targetInstanceTypeRightSizingMethod": "NONE", "copyPrivateIp": True, "copyTags": True,
    "licensing": {"osByol": False}, "bootMode": "UEFI", "enableMapAutoTagging": True, "mapAutoTaggingMpeID": "mpe1"}
ACTION = {"actionID": "report", "actionName": "Report it", "documentIdentifier": "report", "order": 1001}


def operator():
    return mgn()


def admin():
    return mgn("lenient")


def godwit(*arguments):
    """What gRPC says."""
    done = subprocess.run([os.environ["GODWIT"], *arguments, "--output", "json"], check=True, capture_output=True)
    return json.loads(done.stdout)


def replication_of(server):
    return godwit("replication", "settings", "get", server)


def launch_of(server):
    return godwit("launch-settings", "get", server)


def actions_of(settings):
    return {action["actionId"]: action for action in settings["postLaunchActions"]}


def body(answer):
    answer.pop("ResponseMetadata")
    return answer


def code_of(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def check_fields(error, *names):
    assert error[0] == "ValidationException", error
    assert [field["name"] for field in error[1]["fieldList"]] == list(names), error[1]


def holds(answer, wanted):
    for name, value in wanted.items():
        assert answer.get(name) == value, (name, answer.get(name), value)


# Settings of a server.
def get_replication_configuration(server):
    shown = body(operator().get_replication_configuration(sourceServerID=server))
    now = replication_of(server)
    assert shown["sourceServerID"] == server and shown["replicatedDisks"][0]["deviceName"] == "/dev/sda", shown
    assert shown["replicatedDisks"][0]["isBootDisk"] is True, shown
    assert shown["bandwidthThrottling"] * 125000 == int(now["bandwidthLimitBytesPerSecond"]), (shown, now)
    assert shown["ebsEncryption"] == ("CUSTOM" if now["encryptStaging"] else "DEFAULT"), (shown, now)
    assert refusal(operator().get_replication_configuration, sourceServerID=NOWHERE)[0] == "ResourceNotFoundException"
    assert refusal(operator().get_replication_configuration, sourceServerID="s-zzzzzzzzzzzzzzzzz")[0] == "ResourceNotFoundException"
    assert call("GetReplicationConfiguration", sourceServerID="x")[1] == "ValidationException"


def update_replication_configuration(server):
    update = operator().update_replication_configuration
    disks = [{"deviceName": "/dev/sda", "isBootDisk": True, "stagingDiskType": "GP3", "iops": 3000, "throughput": 125}]
    answer = body(update(sourceServerID=server, name="web", replicatedDisks=disks, **REPLICATION))
    holds(answer, dict(REPLICATION, name="web", sourceServerID=server, replicatedDisks=disks))
    assert body(operator().get_replication_configuration(sourceServerID=server)) == answer
    now = replication_of(server)
    holds(now, {"bandwidthLimitBytesPerSecond": "10000000", "encryptStaging": True, "stagingTags": {"team": "north é"}})
    # What is not there stays; 0 is no limit.
    answer = body(update(sourceServerID=server, bandwidthThrottling=0, ebsEncryption="DEFAULT", stagingAreaTags={}))
    holds(answer, {"bandwidthThrottling": 0, "ebsEncryption": "DEFAULT", "stagingAreaTags": {}, "createPublicIP": False,
                   "replicatedDisks": disks})
    holds(replication_of(server), {"bandwidthLimitBytesPerSecond": "0", "encryptStaging": False, "stagingTags": {}})
    newer = call("UpdateReplicationConfiguration", sourceServerID=server, useFipsEndpoint=True, internetProtocol="IPV4")
    assert newer[0] == 200 and newer[2]["useFipsEndpoint"] is True and newer[2]["internetProtocol"] == "IPV4", newer
    # What others set by gRPC stays, and a limit is never shown as none.
    godwit("replication", "settings", "set", server, "--lanes", "3", "--bandwidth-limit", "20000")
    assert update(sourceServerID=server, name="web2")["bandwidthThrottling"] == 1
    holds(replication_of(server), {"laneCount": 3, "bandwidthLimitBytesPerSecond": "20000"})
    update(sourceServerID=server, bandwidthThrottling=8)
    check_fields(refusal(update, sourceServerID=server, bandwidthThrottling=10001), "bandwidthThrottling")
    check_fields(refusal(update, sourceServerID=server, stagingAreaSubnetId="net"), "stagingAreaSubnetId")
    check_fields(refusal(update, sourceServerID=server, ebsEncryption="NONE"), "ebsEncryption")
    check_fields(refusal(update, sourceServerID=server, stagingAreaTags={"k" * 129: "v"}), "stagingAreaTags")
    check_fields(refusal(update, sourceServerID=server, replicatedDisks=[{"deviceName": "/dev/sdz"}]),
                 "replicatedDisks[0].deviceName")
    holds(replication_of(server), {"bandwidthLimitBytesPerSecond": "1000000"})
    assert refusal(update, sourceServerID=NOWHERE, name="x")[0] == "ResourceNotFoundException"
    viewer = mgn("viewer")
    assert refusal(viewer.update_replication_configuration, sourceServerID=server, name="x")[0] == "AccessDeniedException"


def get_launch_configuration(server):
    shown = body(operator().get_launch_configuration(sourceServerID=server))
    now = launch_of(server)
    assert shown["sourceServerID"] == server and shown["copyTags"] == now["copyTags"], (shown, now)
    assert shown["launchDisposition"] in ("STARTED", "STOPPED") and shown["postLaunchActions"]["deployment"], shown
    assert "ec2LaunchTemplateID" not in shown, shown
    assert refusal(operator().get_launch_configuration, sourceServerID=NOWHERE)[0] == "ResourceNotFoundException"
    assert call("GetLaunchConfiguration")[1] == "ValidationException"


def update_launch_configuration(server):
    update = operator().update_launch_configuration
    document = {"actionName": "web", "ssmDocumentName": "check-web", "timeoutSeconds": 90, "mustSucceedForCutover": True,
                "parameters": {"port": [{"parameterType": "STRING", "parameterName": "web.port"}]}}
    after = {"deployment": "CUTOVER_ONLY", "s3LogBucket": "logs", "cloudWatchLogGroupName": "a/b",
             "ssmDocuments": [document, {"actionName": "again", "ssmDocumentName": "check-web"}]}
    answer = body(update(sourceServerID=server, name="n", postLaunchActions=after, **LAUNCH))
    holds(answer, dict(LAUNCH, name="n", sourceServerID=server))
    shown = answer["postLaunchActions"]
    holds(shown, {"deployment": "CUTOVER_ONLY", "s3LogBucket": "logs", "cloudWatchLogGroupName": "a/b"})
    assert shown["ssmDocuments"][0] == document and shown["ssmDocuments"][1]["actionName"] == "again", shown
    assert body(operator().get_launch_configuration(sourceServerID=server)) == answer
    now = launch_of(server)
    holds(now, {"disposition": "STOPPED", "rightSizing": "NONE", "copyPrivateIp": True, "copyTags": True,
                "licensing": "PROVIDED", "bootMode": "UEFI"})
    first = now["postLaunchActions"][0]
    holds(first, {"order": 1, "command": "curl -fs http://127.0.0.1/\n", "timeout": "90s", "mustSucceedForCutover": True,
                  "deployment": "CUTOVER_ONLY", "active": True, "parameters": {"port": "web.port"}})
    # What is not there stays; documents are replaced as a whole.
    answer = body(update(sourceServerID=server, launchDisposition="STARTED", licensing={"osByol": True},
                         postLaunchActions={"deployment": "TEST_ONLY", "ssmDocuments": [document]}))
    holds(answer, {"launchDisposition": "STARTED", "copyTags": True, "mapAutoTaggingMpeID": "mpe1"})
    holds(answer["postLaunchActions"], {"deployment": "TEST_ONLY", "s3LogBucket": "logs", "ssmDocuments": [document]})
    now = launch_of(server)
    assert now["licensing"] == "BYOL" and [a["deployment"] for a in now["postLaunchActions"]] == ["TEST_ONLY"], now
    update(sourceServerID=server, postLaunchActions={"ssmDocuments": []})
    assert launch_of(server)["postLaunchActions"] == []
    # What others set by gRPC stays.
    godwit("launch-settings", "set", server, "--cpus", "3", "--disposition", "stopped")
    assert update(sourceServerID=server, copyTags=False)["launchDisposition"] == "STOPPED"
    assert launch_of(server)["cpuCount"] == 3
    assert call("UpdateLaunchConfiguration", sourceServerID=server, bootMode="USE_SOURCE")[2]["bootMode"] == "USE_SOURCE"
    check_fields(refusal(update, sourceServerID=server, launchDisposition="LATER"), "launchDisposition")
    unknown = {"ssmDocuments": [{"actionName": "a", "ssmDocumentName": "nothing"}]}
    check_fields(refusal(update, sourceServerID=server, postLaunchActions=unknown),
                 "postLaunchActions.ssmDocuments[0].ssmDocumentName")
    late = {"ssmDocuments": [dict(document, timeoutSeconds=86401)]}
    check_fields(refusal(update, sourceServerID=server, postLaunchActions=late),
                 "postLaunchActions.ssmDocuments[0].timeoutSeconds")
    assert launch_of(server)["postLaunchActions"] == []
    assert refusal(update, sourceServerID=NOWHERE, copyTags=True)[0] == "ResourceNotFoundException"


# Actions of a server and of a template: the same but for who owns them.
def put_action(put, shown, owner, extra):
    answer = body(put(**owner, **ACTION))
    holds(answer, dict(ACTION, active=True, timeoutSeconds=60, mustSucceedForCutover=False))
    action = actions_of(shown())["report"]
    holds(action, {"order": 1001, "command": "echo two\n", "active": True, "operatingSystem": ""})
    parameters = {"hosts": [{"parameterType": "STRING", "parameterName": "a"}, {"parameterType": "STRING", "parameterName": "b.c"}]}
    full = dict(ACTION, documentVersion="1", active=False, timeoutSeconds=7200, mustSucceedForCutover=True,
                parameters=parameters, order=1500, **extra)
    holds(body(put(**owner, **full)), full)  # in place of the first
    action = actions_of(shown())["report"]
    holds(action, {"order": 1500, "command": "echo one\n", "active": False, "timeout": "7200s", "mustSucceedForCutover": True,
                   "parameters": {"hosts": "a b.c"}, "operatingSystem": extra.get("operatingSystem", "")})
    put(**owner, **dict(ACTION, actionID="web", order=1400, documentIdentifier="arn:aws:ssm:us-east-1:123456789012:document/check-web"))
    error = refusal(put, **owner, **dict(ACTION, actionID="other", order=1400))
    assert error[0] == "ConflictException" and "web" in error[1]["Error"]["Message"], error
    for wrong, field in (({"order": 1000}, "order"), ({"order": 10001}, "order"), ({"documentIdentifier": "../report"}, "documentIdentifier"),
                         ({"documentIdentifier": "nothing"}, "documentIdentifier"), ({"documentVersion": "3"}, "documentVersion"),
                         ({"documentVersion": "newest"}, "documentVersion"), ({"actionID": "é1"}, "actionID"),
                         ({"timeoutSeconds": 86401}, "timeoutSeconds"),
                         ({"parameters": {"1a": parameters["hosts"]}}, "parameters")):
        check_fields(refusal(mgn_of(put, wrong), **dict(owner, **dict(ACTION, **wrong))), field)
    assert set(actions_of(shown())) == {"report", "web"}, shown()


def mgn_of(put, wrong):
    """The call as it is, or without the client's own check of least values."""
    if wrong != {"order": 1000}:
        return put
    client = mgn("lenient", parameter_validation=False)
    return getattr(client, put.__name__)


def list_actions(lists, owner):
    items = lists(**owner)["items"]
    assert [(a["actionID"], a["order"]) for a in items] == [("web", 1400), ("report", 1500)], items
    assert [a["actionID"] for a in lists(**owner, filters={"actionIDs": ["report", "none"]})["items"]] == ["report"]
    first = lists(**owner, maxResults=1)
    assert [a["actionID"] for a in first["items"]] == ["web"], first
    second = lists(**owner, maxResults=1, nextToken=first["nextToken"])
    assert [a["actionID"] for a in second["items"]] == ["report"] and "nextToken" not in second, second
    check_fields(refusal(lists, **owner, nextToken="x"), "nextToken")


def remove_action(remove, shown, owner):
    assert code_of(remove(**owner, actionID="web")) == 204
    assert set(actions_of(shown())) == {"report"}, shown()
    assert refusal(remove, **owner, actionID="web")[0] == "ResourceNotFoundException"
    remove(**owner, actionID="report")
    assert actions_of(shown()) == {}


def put_source_server_action(server):
    owner = {"sourceServerID": server}
    put_action(operator().put_source_server_action, lambda: launch_of(server), owner, {})
    more = call("PutSourceServerAction", **owner, **dict(ACTION, order=1500, description="says", category="VALIDATION",
                                                         externalParameters={"id": {"dynamicPath": "a.b[0]"}}))
    holds(more[2], {"description": "says", "category": "VALIDATION", "externalParameters": {"id": {"dynamicPath": "a.b[0]"}}})
    assert refusal(operator().put_source_server_action, sourceServerID=NOWHERE, **ACTION)[0] == "ResourceNotFoundException"
    # Several at once are all kept.
    client, names = operator(), ["at-once-%d" % i for i in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda i: client.put_source_server_action(**owner, **dict(ACTION, actionID=names[i], order=2000 + i)), range(4)))
    assert set(names) < set(actions_of(launch_of(server)))
    for name in names:
        client.remove_source_server_action(**owner, actionID=name)


def list_source_server_actions(server):
    list_actions(operator().list_source_server_actions, {"sourceServerID": server})
    assert refusal(operator().list_source_server_actions, sourceServerID=NOWHERE)[0] == "ResourceNotFoundException"


def remove_source_server_action(server):
    remove_action(operator().remove_source_server_action, lambda: launch_of(server), {"sourceServerID": server})
    assert refusal(operator().remove_source_server_action, sourceServerID=NOWHERE, actionID="a1")[0] == "ResourceNotFoundException"


# Templates. The same for both kinds.
KINDS = {"ReplicationConfiguration": ("replication_configuration", "rct-", "replication-configuration-template"),
         "LaunchConfiguration": ("launch_configuration", "lct-", "launch-configuration-template")}


def template_calls(kind, client=None):
    client = client or admin()
    words = KINDS[kind][0]
    return {verb: getattr(client, "%s_%s_template%s" % (verb, words, "s" * (verb == "describe")))
            for verb in ("create", "describe", "update", "delete")}


def id_member(kind):
    return kind[0].lower() + kind[1:] + "TemplateID"


def templates_of(kind, ids=()):
    name = id_member(kind)
    return {item[name]: item for item in template_calls(kind)["describe"](**({name + "s": ids} if ids else {}))["items"]}


def default_template(kind):
    """The one that no gRPC name has: it follows from "default"."""
    names = [t["name"] for t in godwit("templates", "list")["templates"]]
    found = [i for i in templates_of(kind) if "settingsTemplates/" + i not in names]
    assert len(found) == 1, (found, names)
    return found[0]


def create_template(kind, members, half, effect):
    calls, (_, prefix, arn_type) = template_calls(kind), KINDS[kind]
    answer = calls["create"](tags={"made": "by é"}, **members)
    assert code_of(answer) == 201, answer
    made = answer[id_member(kind)]
    assert made.startswith(prefix) and answer["arn"] == "arn:aws:mgn:us-east-1:123456789012:%s/%s" % (arn_type, made), answer
    holds(answer, dict(members, tags={"made": "by é"}))
    seen = godwit("templates", "get", made)
    holds(seen[half], effect)
    assert seen["tags"] == {} and seen[half + "Tags"] == {"made": "by é"}, seen
    assert refusal(template_calls(kind, operator())["create"], **members)[0] == "AccessDeniedException"
    # Tags of the template itself.
    client, arn = admin(), answer["arn"]
    client.tag_resource(resourceArn=arn, tags={"b": "c"})
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"made": "by é", "b": "c"}
    client.untag_resource(resourceArn=arn, tagKeys=["made", "none"])
    assert templates_of(kind)[made]["tags"] == {"b": "c"}
    check_fields(refusal(client.tag_resource, resourceArn=arn, tags={"": "x"}), "tags")
    assert refusal(client.list_tags_for_resource, resourceArn=arn[:-17] + "f" * 17)[0] == "ResourceNotFoundException"
    return made


def describe_templates(kind):
    calls, name = template_calls(kind), id_member(kind)
    made, default = sorted(templates_of(kind)), default_template(kind)
    assert default in made and len(made) >= 2, made
    assert sorted(templates_of(kind, made)) == made
    pages = list(admin().get_paginator(calls["describe"].__name__).paginate(PaginationConfig={"PageSize": 1}))
    assert sorted(i[name] for page in pages for i in page["items"]) == made
    pages = list(admin().get_paginator(calls["describe"].__name__).paginate(**{name + "s": made}, PaginationConfig={"PageSize": 1}))
    assert [i[name] for page in pages for i in page["items"]] == made and len(pages) == len(made)
    prefix = KINDS[kind][1]
    error = refusal(calls["describe"], **{name + "s": [made[0], prefix + "f" * 17]})
    assert error[0] == "ResourceNotFoundException" and error[1]["resourceId"] == prefix + "f" * 17, error
    check_fields(refusal(calls["describe"], nextToken="x"), "nextToken")
    assert call(calls_name("Describe", kind) + "s", maxResults=0)[1] == "ValidationException"
    viewer = template_calls(kind, mgn("viewer"))
    assert len(viewer["describe"]()["items"]) == len(made)


def calls_name(verb, kind):
    return verb + kind + "Template"


def update_template(kind, change, half, effect, wrong):
    calls, name = template_calls(kind), id_member(kind)
    default = default_template(kind)
    for template, seen in ((default, "default"), (sorted(set(templates_of(kind)) - {default})[0], None)):
        answer = calls["update"](**{name: template}, **change)
        holds(answer, dict(change, **{name: template}))
        holds(godwit("templates", "get", seen or template)[half], effect)
        assert templates_of(kind, [template])[template] == body(answer)
    for member, value in wrong.items():
        check_fields(refusal(calls["update"], **{name: default, member: value}), member)
    assert refusal(calls["update"], **{name: KINDS[kind][1] + "f" * 17}, **change)[0] == "ResourceNotFoundException"
    assert refusal(template_calls(kind, operator())["update"], **{name: default}, **change)[0] == "AccessDeniedException"


def delete_template(kind):
    calls, name = template_calls(kind), id_member(kind)
    default = default_template(kind)
    error = refusal(calls["delete"], **{name: default})
    assert error[0] == "ConflictException" and error[1]["resourceId"] == default, error
    for made in set(templates_of(kind)) - {default}:
        assert code_of(calls["delete"](**{name: made})) == 204
        assert refusal(calls["delete"], **{name: made})[0] == "ResourceNotFoundException"
        assert made not in [t["name"].split("/")[1] for t in godwit("templates", "list")["templates"]]
    assert list(templates_of(kind)) == [default]


def create_replication_configuration_template(_):
    create_template("ReplicationConfiguration", REPLICATION, "replication",
                    {"bandwidthLimitBytesPerSecond": "10000000", "encryptStaging": True, "stagingTags": {"team": "north é"}})
    incomplete = call("CreateReplicationConfigurationTemplate", **{k: v for k, v in REPLICATION.items() if k != "createPublicIP"})
    assert incomplete[1] == "ValidationException" and incomplete[2]["fieldList"][0]["name"] == "createPublicIP", incomplete
    check_fields(refusal(admin().create_replication_configuration_template, **dict(REPLICATION, ebsEncryption="x")), "ebsEncryption")


def describe_replication_configuration_templates(_):
    describe_templates("ReplicationConfiguration")


def update_replication_configuration_template(_):
    update_template("ReplicationConfiguration", {"bandwidthThrottling": 16, "dataPlaneRouting": "PUBLIC_IP"}, "replication",
                    {"bandwidthLimitBytesPerSecond": "2000000"},
                    {"bandwidthThrottling": 10001, "arn": "arn:aws:mgn:us-east-1:123456789012:replication-configuration-template/rct-" + "f" * 17})


def delete_replication_configuration_template(_):
    delete_template("ReplicationConfiguration")


def create_launch_configuration_template(_):
    members = dict(LAUNCH, associatePublicIpAddress=True, smallVolumeMaxSize=100,
                   smallVolumeConf={"volumeType": "gp3", "iops": 3000, "throughput": 125})
    create_template("LaunchConfiguration", members, "launch",
                    {"disposition": "STOPPED", "rightSizing": "NONE", "copyTags": True, "licensing": "PROVIDED", "bootMode": "UEFI"})
    check_fields(refusal(admin().create_launch_configuration_template, smallVolumeConf={"iops": 64001}), "smallVolumeConf.iops")


def describe_launch_configuration_templates(_):
    describe_templates("LaunchConfiguration")


def update_launch_configuration_template(_):
    update_template("LaunchConfiguration", {"copyTags": True, "associatePublicIpAddress": False, "launchDisposition": "STOPPED"},
                    "launch", {"copyTags": True, "disposition": "STOPPED"}, {"bootMode": "BIOS"})


def delete_launch_configuration_template(_):
    delete_template("LaunchConfiguration")


def template_owner():
    return {"launchConfigurationTemplateID": default_template("LaunchConfiguration")}


def default_launch():
    return godwit("templates", "get", "default")["launch"]


def put_template_action(_):
    put_action(admin().put_template_action, default_launch, template_owner(), {"operatingSystem": "windows"})
    nobody = {"launchConfigurationTemplateID": "lct-" + "f" * 17}
    assert refusal(admin().put_template_action, **nobody, **ACTION)[0] == "ResourceNotFoundException"
    assert refusal(operator().put_template_action, **template_owner(), **ACTION)[0] == "AccessDeniedException"


def list_template_actions(_):
    list_actions(admin().list_template_actions, template_owner())
    nobody = {"launchConfigurationTemplateID": "lct-" + "f" * 17}
    assert refusal(admin().list_template_actions, **nobody)[0] == "ResourceNotFoundException"


def remove_template_action(_):
    remove_action(admin().remove_template_action, default_launch, template_owner())


# In an order in which each finds what it needs.
CHECKS = {
    "UpdateReplicationConfiguration": update_replication_configuration,
    "GetReplicationConfiguration": get_replication_configuration,
    "UpdateLaunchConfiguration": update_launch_configuration,
    "GetLaunchConfiguration": get_launch_configuration,
    "PutSourceServerAction": put_source_server_action,
    "ListSourceServerActions": list_source_server_actions,
    "RemoveSourceServerAction": remove_source_server_action,
    "CreateReplicationConfigurationTemplate": create_replication_configuration_template,
    "DescribeReplicationConfigurationTemplates": describe_replication_configuration_templates,
    "UpdateReplicationConfigurationTemplate": update_replication_configuration_template,
    "DeleteReplicationConfigurationTemplate": delete_replication_configuration_template,
    "CreateLaunchConfigurationTemplate": create_launch_configuration_template,
    "DescribeLaunchConfigurationTemplates": describe_launch_configuration_templates,
    "UpdateLaunchConfigurationTemplate": update_launch_configuration_template,
    "PutTemplateAction": put_template_action,
    "ListTemplateActions": list_template_actions,
    "RemoveTemplateAction": remove_template_action,
    "DeleteLaunchConfigurationTemplate": delete_launch_configuration_template,
}

if __name__ == "__main__":
    for operation, check in CHECKS.items():
        check(sys.argv[1])
        print(operation)
    print("done")
