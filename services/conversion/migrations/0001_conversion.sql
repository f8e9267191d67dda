-- Conversion tasks. One row is the task and its lease: due_at is "run after" while pending and the
-- end of the lease while running; epoch rises with every lease and guards every later write.
CREATE TABLE task (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE CHECK (id ~ '^ct-[0-9a-f]{17}$'),
  request_id uuid NOT NULL,
  -- SHA-256 of the request, so that a repeated id with another request is noticed.
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  requester text NOT NULL,
  -- ConversionTask.State and .Mode.
  state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
  mode smallint NOT NULL CHECK (mode BETWEEN 1 AND 3),
  -- Serialized ConversionTask with the input fields, and with the fields a worker reported.
  input bytea NOT NULL,
  result bytea,
  timeout_ms bigint NOT NULL CHECK (timeout_ms > 0),
  attempt_count integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL CHECK (max_attempts > 0),
  epoch bigint NOT NULL DEFAULT 0,
  worker text NOT NULL DEFAULT '',
  message text NOT NULL DEFAULT '',
  due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  cancel_requested_at timestamptz,
  error_code integer NOT NULL DEFAULT 0,
  error_message text NOT NULL DEFAULT '',
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  start_time timestamptz,
  attempt_time timestamptz,
  end_time timestamptz,
  CONSTRAINT task_request_id UNIQUE (request_id),
  CONSTRAINT task_ended CHECK ((state IN (3, 4, 5)) = (end_time IS NOT NULL)),
  CONSTRAINT task_error CHECK ((state = 4) = (error_code <> 0)),
  CONSTRAINT task_running CHECK (state <> 2 OR (worker <> '' AND attempt_time IS NOT NULL))
) WITH (fillfactor = 80);

CREATE INDEX task_due ON task (due_at, seq) WHERE state IN (1, 2);

CREATE INDEX task_end ON task (end_time) WHERE end_time IS NOT NULL;
