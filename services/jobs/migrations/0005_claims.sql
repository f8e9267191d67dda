-- Which runs of which jobs are leased: what a claim counts so that one job does not take all runners. jobs_claim, jobs_leased_of.
CREATE INDEX run_leased ON run (job_id, due_at) WHERE owner IS NOT NULL AND state < 5;
