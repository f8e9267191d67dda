#!/usr/bin/python3
"""Lists that are longer than a page. Arguments: how many servers are PENDING_INSTALLATION."""
import sys
import time

from client import call, mgn, refusal

count = int(sys.argv[1])
client = mgn()
start = time.time()
everything = client.describe_source_servers(maxResults=1000)
print("%d servers in %.3f s" % (len(everything["items"]), time.time() - start))
assert "nextToken" not in everything and len(everything["items"]) >= count
ids = [item["sourceServerID"] for item in everything["items"]]
assert len(set(ids)) == len(ids)
pages = list(client.get_paginator("describe_source_servers").paginate(PaginationConfig={"PageSize": 7}))
assert [item["sourceServerID"] for page in pages for item in page["items"]] == ids
assert len(pages) == -(-len(ids) // 7), len(pages)
assert len(client.describe_source_servers()["items"]) == 50  # the default

pending = client.describe_source_servers(maxResults=1000, filters={"lifeCycleStates": ["PENDING_INSTALLATION"]})["items"]
assert len(pending) == count, len(pending)
assert pending[0]["dataReplicationInfo"]["dataReplicationState"] == "STOPPED", pending[0]
assert "lagDuration" not in pending[0]["dataReplicationInfo"] and "launchedInstance" not in pending[0]
newer = call("DescribeSourceServers", maxResults=1, filters={"lifeCycleStates": ["PENDING_INSTALLATION"]})[2]
assert newer["items"][0]["userProvidedID"].startswith("machine "), newer  # boto3 of 2022 leaves it out

# What the registry cannot filter: the pages are what is left of its own.
nobody = ["app-fffffffffffffffff", "app-eeeeeeeeeeeeeeeee", "app-zzzzzzzzzzzzzzzzz"]
for some in (nobody[:1], nobody[:2], nobody):
    assert client.describe_source_servers(filters={"applicationIDs": some})["items"] == [], some
assert client.describe_source_servers(filters={"applicationIDs": nobody[2:]})["items"] == []
assert client.describe_source_servers(filters={"isArchived": True, "sourceServerIDs": ids[:100]})["items"] == []
chosen = list(client.get_paginator("describe_source_servers").paginate(
    filters={"sourceServerIDs": ids[:20], "isArchived": False}, PaginationConfig={"PageSize": 6}))
assert sorted(i["sourceServerID"] for page in chosen for i in page["items"]) == sorted(ids[:20])
assert refusal(client.describe_source_servers, nextToken=pages[0]["nextToken"],
               filters={"sourceServerIDs": ids[:20]})[0] == "ValidationException"
print("done")
