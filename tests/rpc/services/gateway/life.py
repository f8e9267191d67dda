#!/usr/bin/python3
"""The operations that exist, through boto3, against real services. Arguments: three servers READY_FOR_TEST."""
import sys
import time

from client import call, mgn, refusal

a, b, c = sys.argv[1:4]
client = mgn()


def server(name):
    items = client.describe_source_servers(filters={"sourceServerIDs": [name]})["items"]
    assert len(items) == 1, items
    return items[0]


def state(name):
    return server(name)["lifeCycle"]["state"]


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


assert status(client.initialize_service()) == 204
assert client.describe_vcenter_clients()["items"] == []
assert call("ListManagedAccounts") == (200, None, {"items": []})

# Lists, filters, pages.
shown = server(a)
assert shown["arn"] == "arn:aws:mgn:us-east-1:123456789012:source-server/" + a, shown
assert shown["sourceProperties"]["identificationHints"]["hostname"] == "source.example", shown
assert shown["sourceProperties"]["disks"] == [{"deviceName": "/dev/sda", "bytes": 1 << 30}], shown
assert shown["lifeCycle"]["state"] == "READY_FOR_TEST" and not shown["isArchived"]
assert "steps" in shown["dataReplicationInfo"]["dataReplicationInitiation"], shown
assert shown["lifeCycle"]["addedToServiceDateTime"].endswith("Z")
pages = list(client.get_paginator("describe_source_servers").paginate(PaginationConfig={"PageSize": 1}))
assert {a, b, c} <= {i["sourceServerID"] for page in pages for i in page["items"]}, pages
assert all(len(page["items"]) <= 1 for page in pages) and len(pages) >= 3
pages = client.get_paginator("describe_source_servers").paginate(
    filters={"sourceServerIDs": [c, a, "s-fffffffffffffffff", "s-zzzzzzzzzzzzzzzzz"]},
    PaginationConfig={"PageSize": 1})
assert [i["sourceServerID"] for page in pages for i in page["items"]] == sorted([a, c])
assert client.describe_source_servers(filters={"replicationTypes": ["SNAPSHOT_SHIPPING"]})["items"] == []
assert client.describe_source_servers(filters={"lifeCycleStates": ["CUTOVER"]})["items"] == []
first = client.describe_source_servers(maxResults=1)
code, error = refusal(client.describe_source_servers, nextToken=first["nextToken"], filters={"isArchived": True})
assert code == "ValidationException" and error["fieldList"][0]["name"] == "nextToken", error
assert refusal(client.describe_jobs, nextToken="x")[0] == "ValidationException"

# Tags.
arn = shown["arn"]
assert status(client.tag_resource(resourceArn=arn, tags={"a b": "é/+", "x": "y"})) == 200
assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a b": "é/+", "x": "y"}
client.untag_resource(resourceArn=arn, tagKeys=["x", "none", "a+b"])
assert server(a)["tags"] == {"a b": "é/+"}
assert refusal(client.tag_resource, resourceArn=arn.replace("123456789012", "999999999999"),
               tags={"a": "b"})[0] == "ValidationException"
assert refusal(client.list_tags_for_resource,
               resourceArn=arn[:-19] + "s-fffffffffffffffff")[0] == "ResourceNotFoundException"

# The life cycle, strict.
change = client.change_server_life_cycle_state
assert change(sourceServerID=a, lifeCycle={"state": "READY_FOR_CUTOVER"})["lifeCycle"]["state"] == "READY_FOR_CUTOVER"
assert change(sourceServerID=a, lifeCycle={"state": "READY_FOR_TEST"})["lifeCycle"]["state"] == "READY_FOR_TEST"
code, error = refusal(client.start_cutover, sourceServerIDs=[a])
assert code == "ConflictException" and status(error) == 409, error
assert error["errors"][0]["resourceId"] == a and error["errors"][0]["resourceType"] == "SourceServer", error
started = client.start_test(sourceServerIDs=[a])
assert status(started) == 202, started
job = started["job"]
assert job["jobID"].startswith("mgnjob-") and job["type"] == "LAUNCH" and job["initiatedBy"] == "START_TEST", job
assert [s["sourceServerID"] for s in job["participatingServers"]] == [a], job
assert state(a) == "TESTING"
assert server(a)["lifeCycle"]["lastTest"]["initiated"]["jobID"] == job["jobID"]
assert refusal(client.start_test, sourceServerIDs=[a])[0] == "ConflictException"
assert refusal(client.terminate_target_instances, sourceServerIDs=[a])[0] == "ConflictException"
assert refusal(client.start_test, sourceServerIDs=["s-fffffffffffffffff"])[0] == "ValidationException"
assert refusal(client.start_test, sourceServerIDs=[b], tags={"a": "b"})[0] == "ValidationException"
assert refusal(client.finalize_cutover, sourceServerID="s-fffffffffffffffff")[0] == "ResourceNotFoundException"
listed = client.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"]
assert [j["jobID"] for j in listed] == [job["jobID"]], listed
assert client.describe_jobs(filters={"toDate": "2001-01-01T00:00:00Z"})["items"] == []
assert refusal(client.delete_job, jobID=job["jobID"])[0] == "ConflictException"
deadline = time.time() + 30
while not (log := client.describe_job_log_items(jobID=job["jobID"])["items"]):
    assert time.time() < deadline, "no log"
    time.sleep(0.2)
assert log[0]["event"] == "JOB_START" and log[0]["logDateTime"], log
assert refusal(client.describe_job_log_items, jobID="mgnjob-fffffffffffffffff")[0] == "ValidationException"

code, error = refusal(client.terminate_target_instances, sourceServerIDs=[b])
assert code == "ConflictException" and "no launched machine" in error["Error"]["Message"], error

# Replication on and off.
assert refusal(client.retry_data_replication, sourceServerID=b)[0] == "ValidationException"
for verb, wanted in (("PauseReplication", "PAUSED"), ("ResumeReplication", None)):
    code, name, body = call(verb, sourceServerID=b)
    assert (code, name) in ((200, None), (409, "ConflictException")), (verb, body)
    if code == 200 and wanted:
        assert body["dataReplicationInfo"]["dataReplicationState"] == wanted, body
code, _, body = call("StopReplication", sourceServerID=b)
assert code == 200 and body["lifeCycle"]["state"] == "STOPPED", body
assert client.start_replication(sourceServerID=b)["lifeCycle"]["state"] == "NOT_READY"
assert call("StopReplication", sourceServerID=b, accountID="999999999999")[1] == "ValidationException"

# The end.
assert refusal(client.mark_as_archived, sourceServerID=b)[0] == "ConflictException"
assert refusal(client.delete_source_server, sourceServerID=b)[0] == "ConflictException"
gone = client.disconnect_from_service(sourceServerID=b)
assert gone["lifeCycle"]["state"] == "DISCONNECTED", gone
assert gone["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED", gone
assert client.mark_as_archived(sourceServerID=b)["isArchived"] is True
assert [i["sourceServerID"] for i in client.describe_source_servers(filters={"isArchived": True})["items"]] == [b]
assert b not in [i["sourceServerID"] for i in client.describe_source_servers(filters={"isArchived": False})["items"]]
assert status(client.delete_source_server(sourceServerID=b)) == 204
assert client.describe_source_servers(filters={"sourceServerIDs": [b]})["items"] == []
assert refusal(client.delete_source_server, sourceServerID=b)[0] == "ResourceNotFoundException"

# What is not done says so.
assert call("NoSuchOperation")[:2] == (404, "UnknownOperationException")
viewer = mgn("viewer")
assert viewer.describe_source_servers(maxResults=1)["items"]
assert refusal(viewer.start_test, sourceServerIDs=[c])[0] == "AccessDeniedException"
print("done", job["jobID"])
