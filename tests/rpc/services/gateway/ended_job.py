#!/usr/bin/python3
"""A job that has ended, through boto3. Arguments: the job and its server."""
import sys

from client import mgn, refusal

job, server = sys.argv[1:]
client = mgn()
shown = client.describe_jobs(filters={"jobIDs": [job]})["items"][0]
assert shown["status"] == "COMPLETED" and shown["endDateTime"] > shown["creationDateTime"], shown
assert shown["participatingServers"][0]["sourceServerID"] == server, shown
assert job in [j["jobID"] for j in client.describe_jobs(filters={"fromDate": shown["creationDateTime"]})["items"]]
pages = list(client.get_paginator("describe_job_log_items").paginate(jobID=job, PaginationConfig={"PageSize": 1}))
events = [item["event"] for page in pages for item in page["items"]]
assert events[0] == "JOB_START" and events[-1] == "JOB_END" and "JOB_CANCEL" in events, events
assert client.delete_job(jobID=job)["ResponseMetadata"]["HTTPStatusCode"] == 204
assert client.describe_jobs(filters={"jobIDs": [job]})["items"] == []
assert refusal(client.delete_job, jobID=job)[0] == "ResourceNotFoundException"
print("done")
