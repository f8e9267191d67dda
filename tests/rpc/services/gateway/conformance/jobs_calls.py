"""Jobs and their logs."""
from frame import checks

NONE = "mgnjob-" + "f" * 17


def started(run):
    """A job, and its name for gRPC."""
    job = run.mgn.start_test(sourceServerIDs=[run.server()])["job"]["jobID"]
    return job, f"job-{job.removeprefix('mgnjob-')}"


@checks("DescribeJobs")
def describe_jobs(run):
    job, name = started(run)
    listed = run.mgn.describe_jobs(filters={"jobIDs": [job]})["items"]
    shown = run.godwit("jobs", "get", name)
    run.effect([one["jobID"] for one in listed] == [job] and shown["name"] == f"jobs/{name}", "the job that gRPC shows")
    run.effect(run.mgn.describe_jobs(filters={"toDate": "2001-01-01T00:00:00Z"})["items"] == [], "none of that time")
    run.end(job)
    run.effect(run.mgn.describe_jobs(filters={"jobIDs": [job]})["items"][0]["status"] == "COMPLETED", "it ends as gRPC tells")
    run.refused("ValidationException", run.mgn.describe_jobs, nextToken="x")


@checks("DescribeJobLogItems")
def describe_job_log_items(run):
    job, name = started(run)
    run.end(job)
    pages = run.mgn.get_paginator("describe_job_log_items").paginate(jobID=job, PaginationConfig={"PageSize": 1})
    events = [item["event"] for page in pages for item in page["items"]]
    run.effect(events[0] == "JOB_START" and events[-1] == "JOB_END" and "JOB_CANCEL" in events, "from start to end")
    run.effect(len(events) <= len(run.godwit("jobs", "log", name)["items"]), "events that gRPC shows")
    run.refused("ValidationException", run.mgn.describe_job_log_items, jobID=NONE)


@checks("DeleteJob")
def delete_job(run):
    job, name = started(run)
    run.refused("ConflictException", run.mgn.delete_job, jobID=job)
    run.end(job)
    run.mgn.delete_job(jobID=job)
    run.effect(f"jobs/{name}" not in [one["name"] for one in run.godwit("jobs", "list")["jobs"]], "it is gone")
    run.refused("ResourceNotFoundException", run.mgn.delete_job, jobID=job)
