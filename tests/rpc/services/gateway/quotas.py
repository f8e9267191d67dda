#!/usr/bin/python3
"""Quotas through boto3. Arguments: the quota of active servers, which is reached; that of jobs, of which one place is left; two
servers READY_FOR_TEST; one STOPPED."""
import sys
import time

from client import mgn, refusal

active, jobs, a, b, stopped = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
client = mgn()


def state(name):
    return client.describe_source_servers(filters={"sourceServerIDs": [name]})["items"][0]["lifeCycle"]["state"]


def until_served(function, **members):
    """The answer, once the services that were just started anew are found again."""
    give_up = time.monotonic() + 60
    while True:
        try:
            return function(**members)
        except client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 503 or time.monotonic() > give_up:
                raise
            time.sleep(0.2)


until_served(client.describe_source_servers)
until_served(client.describe_jobs)
# Launches declare no quota: a conflict that names it, and nothing has happened.
started = client.start_test(sourceServerIDs=[a])
assert started["ResponseMetadata"]["HTTPStatusCode"] == 202
job = started["job"]["jobID"]
while not client.describe_jobs(filters={"jobIDs": [job]})["items"]:
    time.sleep(0.2)  # the registry has it, the job service not yet
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
print("done", job)
