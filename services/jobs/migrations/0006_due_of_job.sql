-- The due runs of one job, in their order: a claim enters a job first, then takes the run of it that is due for the longest. jobs_claim_take.
CREATE INDEX run_due_of_job ON run (job_id, due_at, id) WHERE state < 5;
