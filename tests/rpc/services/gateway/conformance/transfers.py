"""Imports, exports and connectors through boto3: what each operation answers and refuses, one function each (transfers_calls.py calls them).

`client` is one of mgn_2023(), whose model is written by hand, `folder` the bucket in the registry's transfer folder.
"""
import os
import re
import time

from client import call, refusal
from transfer_model import mgn_2023

BUCKET = "inventory-bucket"
PLACE = "arn:aws:mgn:us-east-1:123456789012:"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def path(folder, key):
    return os.path.join(folder, key)


def write(folder, key, text):
    with open(path(folder, key), "w", encoding="utf-8", newline="") as file:
        file.write(text)


def ended(listing, member, task):
    """The task once it has ended."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        items = listing(filters={member + "s": [task[member]]})["items"]
        assert len(items) == 1, items
        if "endDateTime" in items[0]:
            return items[0]
        time.sleep(0.05)
    raise AssertionError("not ended: %s" % task)


def run_import(client, folder, key, text, **members):
    write(folder, key, text)
    answer = client.start_import(s3BucketSource={"s3Bucket": BUCKET, "s3Key": key}, **members)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202, answer
    return ended(client.list_imports, "importID", answer["importTask"])


def start_import(client, folder):
    task = run_import(client, folder, "start.csv",
                      "mgn:account-id,mgn:region,mgn:wave:name,mgn:app:name,mgn:app:tag:Team,mgn:server:user-provided-id,"
                      "mgn:server:tag:Role,mgn:launch:instance-type\r\n"
                      "123456789012,us-east-1,Wave one,App one,blue,imported-1,\"web, \"\"front\"\"\",m5.large\r\n",
                      tags={"k": "v"}, clientToken="token-1")
    assert task["status"] == "SUCCEEDED" and task["progressPercentage"] == 100, task
    assert re.fullmatch("import-[0-9a-f]{17}", task["importID"]) and task["arn"] == PLACE + "import/" + task["importID"], task
    assert task["s3BucketSource"] == {"s3Bucket": BUCKET, "s3Key": "start.csv"} and task["tags"] == {"k": "v"}, task
    assert TIME.fullmatch(task["creationDateTime"]) and TIME.fullmatch(task["endDateTime"]), task
    one = {"createdCount": 1, "modifiedCount": 0}
    assert task["summary"] == {"waves": one, "applications": one, "servers": one}, task
    servers = [s for s in client.describe_source_servers(maxResults=1000)["items"] if s["tags"].get("Role") == 'web, "front"']
    assert len(servers) == 1 and servers[0]["lifeCycle"]["state"] == "PENDING_INSTALLATION", servers
    # The same token is the same import, whatever became of the file.
    os.remove(path(folder, "start.csv"))
    source = {"s3Bucket": BUCKET, "s3Key": "start.csv"}
    again = client.start_import(s3BucketSource=source, clientToken="token-1", tags={"k": "v"})["importTask"]
    assert again["importID"] == task["importID"] and again["status"] == "SUCCEEDED", again
    assert refusal(client.start_import, s3BucketSource=source, clientToken="token-1")[0] == "ValidationException"
    assert refusal(client.start_import, s3BucketSource=source)[0] == "ResourceNotFoundException"
    for bucket, key, code in (("none", "a.csv", "ResourceNotFoundException"), ("..", "a.csv", "ValidationException"),
                              (BUCKET, "../a.csv", "ValidationException"), (BUCKET, "/etc/a.csv", "ValidationException"),
                              (BUCKET, "a.txt", "ValidationException"), ("a/b", "a.csv", "ValidationException")):
        assert refusal(client.start_import, s3BucketSource={"s3Bucket": bucket, "s3Key": key})[0] == code, (bucket, key)
    os.symlink("/etc/passwd", path(folder, "link.csv"))
    os.symlink("/etc", path(folder, "etc"))
    for key in ("link.csv", "etc/passwd.csv"):
        assert refusal(client.start_import, s3BucketSource={"s3Bucket": BUCKET, "s3Key": key})[0] == "ConflictException", key
    assert call("StartImport", clientToken="x" * 65, s3BucketSource=source)[0] == 400
    assert refusal(mgn_2023("viewer").start_import, s3BucketSource=source)[0] == "AccessDeniedException"


def list_imports(client, folder):
    made = [run_import(client, folder, "list.csv", "mgn:app:name\nListed %d\n" % i)["importID"] for i in range(3)]
    pages = []
    token = {}
    while True:
        page = client.list_imports(maxResults=2, **token)
        assert len(page["items"]) <= 2, page
        pages += [task["importID"] for task in page["items"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert pages[:3] == made[::-1] and len(set(pages)) == len(pages), pages  # the newest first
    found = client.list_imports(filters={"importIDs": [made[1], "import-zzzzzzzzzzzzzzzzz"]})["items"]
    assert [task["importID"] for task in found] == [made[1]], found
    assert client.list_imports(filters={"importIDs": ["import-zzzzzzzzzzzzzzzzz"]})["items"] == []
    assert call("ListImports", filters={"importIDs": ["import-1"]})[0] == 400
    assert refusal(client.list_imports, nextToken="x")[0] == "ValidationException"


def list_import_errors(client, folder):
    task = run_import(client, folder, "wrong.csv",
                      "mgn:region,mgn:app:id,mgn:app:name,mgn:app:description\r\n,,Right,\r\nmars,,A,\r\n"
                      ",app-00000000000000000,,\r\n,,,nothing\r\n")
    assert task["status"] == "FAILED" and task["summary"]["applications"]["createdCount"] == 1, task
    first = client.list_import_errors(importID=task["importID"], maxResults=2)
    rest = client.list_import_errors(importID=task["importID"], nextToken=first["nextToken"])
    errors = first["items"] + rest["items"]
    assert [(e["errorType"], e["errorData"]["rowNumber"]) for e in errors] == [
        ("VALIDATION_ERROR", 3), ("PROCESSING_ERROR", 4), ("VALIDATION_ERROR", 5)], errors
    assert "us-east-1" in errors[0]["errorData"]["rawError"] and TIME.fullmatch(errors[0]["errorDateTime"]), errors
    broken = run_import(client, folder, "broken.csv", 'mgn:app:name\n"open\n')
    assert broken["status"] == "FAILED" and "row 2" in str(client.list_import_errors(importID=broken["importID"])), broken
    assert refusal(client.list_import_errors, importID="import-00000000000000000")[0] == "ValidationException"
    assert call("ListImportErrors")[0] == 400


def start_export(client, folder):
    run_import(client, folder, "before.csv", "mgn:wave:name,mgn:wave:description\n\"W, 1\",\"=x\"\"y\"\n")
    answer = client.start_export(s3Bucket=BUCKET, s3Key="deep/er/out.csv", tags={"a": "b"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202, answer
    task = ended(client.list_exports, "exportID", answer["exportTask"])
    assert task["status"] == "SUCCEEDED" and task["progressPercentage"] == 100 and task["tags"] == {"a": "b"}, task
    assert task["arn"] == PLACE + "export/" + task["exportID"] and task["s3Key"] == "deep/er/out.csv", task
    with open(path(folder, "deep/er/out.csv"), encoding="utf-8", newline="") as file:
        text = file.read()
    assert text.startswith("mgn:account-id,mgn:region,mgn:wave:id,mgn:wave:name,mgn:wave:description,"), text[:200]
    assert '"W, 1","=x""y"' in text, text
    servers = len(client.describe_source_servers(filters={"isArchived": False}, maxResults=1000)["items"])
    assert task["summary"]["serversCount"] == servers and task["summary"]["wavesCount"] >= 1, task
    # Taken back, it changes nothing.
    back = run_import(client, folder, "back.csv", text)
    none = {"createdCount": 0, "modifiedCount": 0}
    assert back["status"] == "SUCCEEDED", client.list_import_errors(importID=back["importID"])
    assert back["summary"] == {"waves": none, "applications": none, "servers": none}, back
    for bucket, key in (("none", "a.csv"), ("..", "a.csv"), (BUCKET, "a/../a.csv"), (BUCKET, "a")):
        assert refusal(client.start_export, s3Bucket=bucket, s3Key=key)[0] == "ValidationException", (bucket, key)
    assert refusal(mgn_2023("viewer").start_export, s3Bucket=BUCKET, s3Key="v.csv")[0] == "AccessDeniedException"


def list_exports(client, _folder):
    made = ended(client.list_exports, "exportID", client.start_export(s3Bucket=BUCKET, s3Key="e.csv")["exportTask"])
    page = client.list_exports(maxResults=1)
    assert page["items"] == [made] and "nextToken" in page, page
    assert client.list_exports(filters={"exportIDs": ["export-zzzzzzzzzzzzzzzzz"]})["items"] == []
    assert call("ListExports", filters={"exportIDs": ["x"]})[0] == 400


def list_export_errors(client, folder):
    made = ended(client.list_exports, "exportID", client.start_export(s3Bucket=BUCKET, s3Key="e.csv")["exportTask"])
    assert client.list_export_errors(exportID=made["exportID"])["items"] == []
    os.makedirs(path(folder, "taken.csv"))  # a folder where the file is to go
    task = ended(client.list_exports, "exportID", client.start_export(s3Bucket=BUCKET, s3Key="taken.csv")["exportTask"])
    errors = client.list_export_errors(exportID=task["exportID"])["items"]
    assert task["status"] == "FAILED" and len(errors) == 1 and "taken.csv" in errors[0]["errorData"]["rawError"], (task, errors)
    assert refusal(client.list_export_errors, exportID="export-00000000000000000")[0] == "ValidationException"


def make_connector(client, name, **members):
    return client.create_connector(name=name, ssmInstanceID="i-0123456789abcdef0", **members)


def create_connector(client):
    config = {"s3OutputEnabled": True, "outputS3BucketName": "out", "cloudWatchOutputEnabled": False}
    made = make_connector(client, "site_1", tags={"k": "v"}, ssmCommandConfig=config)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    identity = made["connectorID"]
    assert made == {"connectorID": identity, "name": "site_1", "ssmInstanceID": "i-0123456789abcdef0", "tags": {"k": "v"},
                    "arn": PLACE + "connector/" + identity, "ssmCommandConfig": config}, made
    assert client.list_connectors(filters={"connectorIDs": [identity]})["items"] == [made]
    assert call("CreateConnector", name="a b", ssmInstanceID="i-0123456789abcdef0")[0] == 400
    assert call("CreateConnector", name="a", ssmInstanceID="short")[0] == 400
    assert refusal(make_connector, client=mgn_2023("viewer"), name="x")[0] == "AccessDeniedException"


def update_connector(client):
    identity = make_connector(client, "before", tags={"k": "v"})["connectorID"]
    config = {"s3OutputEnabled": False, "cloudWatchOutputEnabled": True, "cloudWatchLogGroupName": "a/b"}
    changed = client.update_connector(connectorID=identity, name="after", ssmCommandConfig=config)
    assert changed["name"] == "after" and changed["ssmCommandConfig"] == config and changed["tags"] == {"k": "v"}, changed
    assert client.update_connector(connectorID=identity)["name"] == "after"
    assert client.list_connectors(filters={"connectorIDs": [identity]})["items"][0]["ssmCommandConfig"] == config
    assert refusal(client.update_connector, connectorID="connector-00000000000000000", name="x")[0] == "ResourceNotFoundException"
    assert call("UpdateConnector", connectorID=identity, name="a b")[0] == 400


def list_connectors(client):
    made = [make_connector(client, "listed-%d" % i)["connectorID"] for i in range(3)]
    first = client.list_connectors(maxResults=2, filters={"connectorIDs": made})
    rest = client.list_connectors(maxResults=2, filters={"connectorIDs": made}, nextToken=first["nextToken"])
    assert [c["connectorID"] for c in first["items"] + rest["items"]] == made and "nextToken" not in rest, (first, rest)
    assert refusal(client.list_connectors, nextToken=first["nextToken"])[0] == "ValidationException"
    assert client.list_connectors(filters={"connectorIDs": ["connector-zzzzzzzzzzzzzzzzz"]})["items"] == []


def delete_connector(client):
    identity = make_connector(client, "short-lived")["connectorID"]
    assert client.delete_connector(connectorID=identity)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.list_connectors(filters={"connectorIDs": [identity]})["items"] == []
    assert refusal(client.delete_connector, connectorID=identity)[0] == "ResourceNotFoundException"
