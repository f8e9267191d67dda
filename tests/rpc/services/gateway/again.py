#!/usr/bin/python3
"""One StartTest sent twice as SDKs do (same invocation id, signed anew), and calls of other keys. Prints the request ids.

Arguments: two servers READY_FOR_TEST.
"""
import http.client
import json
import sys

from client import HOST, PORT, signed, tls

tested, other = sys.argv[1:]


def start(operation, server, invocation, key, status):
    """The job, or None when the call was refused as it should be."""
    body = json.dumps({"sourceServerIDs": [server]}).encode()
    method, target, headers, body = signed("/" + operation, body, key=key)
    headers["amz-sdk-invocation-id"] = invocation
    connection = http.client.HTTPSConnection(HOST, PORT, context=tls(), timeout=30)
    connection.request(method, target, body=body, headers=headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    assert answer.status == status, (answer.status, said)
    print(answer.headers["x-amzn-RequestId"])
    connection.close()
    return said["job"]["jobID"] if status == 202 else None


FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
job = start("StartTest", tested, FIRST, "operator", 202)
assert start("StartTest", tested, FIRST, "operator", 202) == job
start("StartTest", tested, SECOND, "operator", 409)
start("StartTest", tested, FIRST, "viewer", 403)
start("StartCutover", other, FIRST, "operator", 409)
start("StartCutover", other, FIRST, "lenient", 202)
