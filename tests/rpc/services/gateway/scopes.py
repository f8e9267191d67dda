#!/usr/bin/python3
"""What the key of a user who is limited to one application does and does not see.

Arguments: a server within, the application it is in, a server outside.
"""
import sys

from client import mgn, refusal

inside, application, outside = sys.argv[1:]
free, limited = mgn(), mgn(key="scoped")


def ids(client, **filters):
    pages = client.get_paginator("describe_source_servers").paginate(filters=filters)
    return {server["sourceServerID"] for page in pages for server in page["items"]}


assert {inside, outside} <= ids(free), ids(free)
assert ids(limited) == {inside}, ids(limited)
# A server from outside is as one that does not exist, in lists as well.
assert ids(limited, sourceServerIDs=[outside]) == ids(limited, sourceServerIDs=["s-00000000000000bad"]) == set()
assert ids(limited, sourceServerIDs=[inside, outside]) == {inside}

job = free.start_test(sourceServerIDs=[outside])["job"]
assert job["jobID"] in {each["jobID"] for each in free.describe_jobs()["items"]}
own = limited.start_test(sourceServerIDs=[inside])["job"]
assert own["initiatedBy"]
seen = {each["jobID"] for each in limited.describe_jobs()["items"]}
assert own["jobID"] in seen and job["jobID"] not in seen, seen
assert limited.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"] == []

for function, members in [
        (limited.start_test, {"sourceServerIDs": [outside]}),
        (limited.start_test, {"sourceServerIDs": [inside, outside]}),
        (limited.get_launch_configuration, {"sourceServerID": outside}),
        (limited.get_replication_configuration, {"sourceServerID": outside}),
        (limited.update_launch_configuration, {"sourceServerID": outside, "name": "mine"}),
        (limited.mark_as_archived, {"sourceServerID": outside}),
        (limited.delete_source_server, {"sourceServerID": outside}),
        (limited.describe_job_log_items, {"jobID": job["jobID"]}),
        (limited.delete_job, {"jobID": job["jobID"]}),
        (limited.associate_source_servers, {"applicationID": application, "sourceServerIDs": [outside]})]:
    code, answer = refusal(function, **members)
    assert code in ("ResourceNotFoundException", "ValidationException"), (function, code, answer)
    assert "scope" not in str(answer).lower(), answer
assert limited.get_launch_configuration(sourceServerID=inside)["sourceServerID"] == inside

assert {each["applicationID"] for each in limited.list_applications()["items"]} == {application}
assert limited.list_waves()["items"] == []
for function, members in [
        (limited.create_application, {"name": "mine"}),
        (limited.create_wave, {"name": "mine"}),
        (limited.disassociate_source_servers, {"applicationID": application, "sourceServerIDs": [inside]}),
        (limited.delete_application, {"applicationID": application})]:
    code, answer = refusal(function, **members)
    assert code == "AccessDeniedException", (function, code, answer)
print("as it should be")
