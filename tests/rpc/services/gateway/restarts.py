#!/usr/bin/python3
"""Calls without end, while copies of the registry are killed and started: until the file STOP is there. Reads are sent once each and
must all succeed; changes are sent as clients of AWS do it, which try again by themselves.

    restarts.py APPLICATION STOP
"""
import collections
import json
import os
import sys
import threading

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from client import CA, KEYS, URL

APPLICATION, STOP = sys.argv[1:]
TALLY = collections.Counter()
LOCK = threading.Lock()


def client(**retries):
    name, secret = KEYS["operator"]
    return boto3.client("mgn", region_name="us-east-1", endpoint_url=URL, verify=CA, aws_access_key_id=name, aws_secret_access_key=secret,
                        config=Config(retries=retries, connect_timeout=10, read_timeout=60))


def loop(name, mgn, operation, **members):
    while not os.path.exists(STOP):
        try:
            getattr(mgn, operation)(**members)
            outcome = "ok"
        except ClientError as error:
            outcome = "%s %s" % (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
        except HTTPClientError as error:
            outcome = repr(error)
        with LOCK:
            TALLY[name, outcome] += 1


once, again = client(total_max_attempts=1), client(mode="standard", total_max_attempts=10)
threads = [threading.Thread(target=loop, args=("read", once, "describe_source_servers"), kwargs={"filters": {}}),
           threading.Thread(target=loop, args=("read", once, "list_applications")),
           threading.Thread(target=loop, args=("read", once, "describe_source_servers"), kwargs={"filters": {"applicationIDs": [APPLICATION]}}),
           threading.Thread(target=loop, args=("change", again, "update_application"),
                            kwargs={"applicationID": APPLICATION, "description": "changed"})]
print(json.dumps({"msg": "calling"}), flush=True)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for (name, outcome), count in sorted(TALLY.items()):
    print("%d of %s: %s" % (count, name, outcome))
assert {outcome for _, outcome in TALLY} == {"ok"}, TALLY
assert TALLY["read", "ok"] > 50 and TALLY["change", "ok"] > 10, TALLY
