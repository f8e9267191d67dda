#!/usr/bin/python3
"""One StartTest sent twice as SDKs do (same invocation id, signed anew), once by itself, once with another key."""
import http.client
import json
import os

from client import HOST, PORT, signed, tls

BODY = json.dumps({"sourceServerIDs": ["s-0123456789abcdef0"]}).encode()


def start(invocation):
    method, target, headers, body = signed("/StartTest", BODY)
    headers["amz-sdk-invocation-id"] = invocation
    connection = http.client.HTTPSConnection(HOST, PORT, context=tls(), timeout=30)
    connection.request(method, target, body=body, headers=headers)
    answer = connection.getresponse()
    job = json.loads(answer.read())["job"]
    assert answer.status == 202 and job["jobID"] == "mgnjob-0123456789abcdef0", (answer.status, job)
    print(answer.headers["x-amzn-RequestId"])
    connection.close()


start("11111111-1111-4111-8111-111111111111")
start("11111111-1111-4111-8111-111111111111")
start("22222222-2222-4222-8222-222222222222")
os.environ["AWS_ACCESS_KEY_ID"] = "GWAKLENIENTLENIENTLE"
start("22222222-2222-4222-8222-222222222222")
