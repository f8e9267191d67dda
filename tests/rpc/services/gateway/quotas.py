#!/usr/bin/python3
"""Quotas through boto3. Arguments: the quota of active servers, which is reached; that of jobs, of which one place is left; two
servers READY_FOR_TEST; one STOPPED."""
import sys

from client import mgn, refusal

active, jobs, a, b, stopped = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
client = mgn()


def state(name):
    return client.describe_source_servers(filters={"sourceServerIDs": [name]})["items"][0]["lifeCycle"]["state"]


# Launches declare no quota: a conflict that names it, and nothing has happened.
started = client.start_test(sourceServerIDs=[a])
assert started["ResponseMetadata"]["HTTPStatusCode"] == 202
code, error = refusal(client.start_test, sourceServerIDs=[b])
assert code == "ConflictException" and error["ResponseMetadata"]["HTTPStatusCode"] == 409, error
assert error["errors"][0]["code"] == "CONCURRENT_JOBS", error
message = error["Error"]["Message"]
assert "at most %d jobs at once" % jobs in message and "--quota-concurrent-jobs" in message, error
assert state(b) == "READY_FOR_TEST", state(b)

# StartReplication declares it, with all members.
code, error = refusal(client.start_replication, sourceServerID=stopped)
assert code == "ServiceQuotaExceededException" and error["ResponseMetadata"]["HTTPStatusCode"] == 402, error
assert error["serviceCode"] == "mgn" and error["quotaCode"] == "ACTIVE_SOURCE_SERVERS", error
assert error["quotaValue"] == active, error
assert error["resourceType"] == "SourceServer" and error["resourceId"] == stopped, error
assert state(stopped) == "STOPPED", state(stopped)
print("done", started["job"]["jobID"])
