-- Jobs, their runs (one for each server), the steps of runs, and the job log. Numbers of types and
-- states are those of godwit.jobs.v1 and services/jobs/domain/job.h.
CREATE TABLE job (
  job_id text PRIMARY KEY CHECK (job_id ~ '^job-[0-9a-f]{17}$'),
  key bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  request_id uuid NOT NULL UNIQUE,
  request_hash text NOT NULL,
  type smallint NOT NULL CHECK (type BETWEEN 1 AND 6),
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6),
  initiated_by text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  start_time timestamptz,
  end_time timestamptz,
  cancel_requested boolean NOT NULL DEFAULT false,
  deleted boolean NOT NULL DEFAULT false,
  warnings jsonb NOT NULL DEFAULT '[]',
  version bigint NOT NULL DEFAULT 1,
  log_count bigint NOT NULL DEFAULT 0,
  CHECK ((state >= 4) = (end_time IS NOT NULL))
);
CREATE INDEX job_active ON job (key) WHERE state < 4;

-- due_at is "not before" while the run waits and the end of the lease while it is leased (owner is
-- set). Every claim raises epoch; every later write names the epoch it was claimed with.
CREATE TABLE run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id text NOT NULL REFERENCES job ON DELETE CASCADE,
  index integer NOT NULL,
  type smallint NOT NULL,
  server text NOT NULL CHECK (server ~ '^s-[0-9a-f]{17}$'),
  input jsonb NOT NULL,
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 7),
  step integer NOT NULL DEFAULT 0 CHECK (step >= 0),
  plan_version integer NOT NULL,
  outputs jsonb NOT NULL DEFAULT '{}',
  error_code integer NOT NULL DEFAULT 0,
  error_message text NOT NULL DEFAULT '',
  launch_status smallint NOT NULL DEFAULT 1 CHECK (launch_status BETWEEN 1 AND 5),
  cancel_requested boolean NOT NULL DEFAULT false,
  committed boolean NOT NULL DEFAULT false,
  needs_operator boolean NOT NULL DEFAULT false,
  machine_id text NOT NULL DEFAULT '',
  epoch bigint NOT NULL DEFAULT 0,
  crashes integer NOT NULL DEFAULT 0,
  tries integer NOT NULL DEFAULT 0,
  owner text,
  due_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (job_id, index),
  UNIQUE (job_id, server)
) WITH (fillfactor = 80);
CREATE INDEX run_due ON run (due_at, id) WHERE state < 5;
CREATE UNIQUE INDEX run_one_active_per_server ON run (server) WHERE state < 5 AND type IN (1, 2, 3);
CREATE UNIQUE INDEX run_machine ON run (machine_id) WHERE machine_id <> '';
CREATE INDEX run_server ON run (server);

CREATE TABLE step (
  run_id bigint NOT NULL REFERENCES run ON DELETE CASCADE,
  index integer NOT NULL,
  name text NOT NULL,
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6),
  start_time timestamptz,
  end_time timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  total_bytes bigint NOT NULL DEFAULT 0,
  done_bytes bigint NOT NULL DEFAULT 0,
  message text NOT NULL DEFAULT '',
  PRIMARY KEY (run_id, index)
) WITH (fillfactor = 80);

CREATE TABLE log (
  job_id text NOT NULL REFERENCES job ON DELETE CASCADE,
  sequence bigint NOT NULL,
  time timestamptz NOT NULL DEFAULT clock_timestamp(),
  event smallint NOT NULL,
  server text NOT NULL DEFAULT '',
  message text NOT NULL DEFAULT '',
  data jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (job_id, sequence)
);

CREATE VIEW log_readable AS
  SELECT job_id, sequence, time, server, message, data,
         CASE event
           WHEN 1 THEN 'JOB_START' WHEN 2 THEN 'SERVER_SKIPPED'
           WHEN 3 THEN 'CLEANUP_START' WHEN 4 THEN 'CLEANUP_END' WHEN 5 THEN 'CLEANUP_FAIL'
           WHEN 6 THEN 'SNAPSHOT_START' WHEN 7 THEN 'SNAPSHOT_END' WHEN 8 THEN 'SNAPSHOT_FAIL'
           WHEN 9 THEN 'USING_PREVIOUS_SNAPSHOT'
           WHEN 10 THEN 'CONVERSION_START' WHEN 11 THEN 'CONVERSION_END'
           WHEN 12 THEN 'CONVERSION_FAIL'
           WHEN 13 THEN 'LAUNCH_START' WHEN 14 THEN 'LAUNCH_FAILED'
           WHEN 15 THEN 'JOB_CANCEL' WHEN 16 THEN 'JOB_END'
           WHEN 32 THEN 'BOOT_PROOF_START' WHEN 33 THEN 'BOOT_PROOF_END'
           WHEN 34 THEN 'BOOT_PROOF_FAIL'
           WHEN 35 THEN 'STEP_RETRY' WHEN 36 THEN 'RUNNER_TAKEOVER'
           WHEN 37 THEN 'UNDO_START' WHEN 38 THEN 'UNDO_END'
           ELSE event::text
         END AS event
  FROM log;
