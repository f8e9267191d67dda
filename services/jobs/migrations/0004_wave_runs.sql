-- Runs over whole waves: the run, its groups (applications, in order), their members (servers), a log, and the request ids of the calls
-- that changed a run. Numbers of kinds, states and events are those of godwit.jobs.v1 and services/jobs/domain/wave_run.h.
--
-- due_at is "not before" while nobody has the run and the end of the lease while a runner has it (owner is set); null: nothing to do until
-- somebody approves, resumes or cancels. Every claim raises generation; every later write of a runner names the one it claimed with.
CREATE TABLE wave_run (
  run_id text PRIMARY KEY CONSTRAINT wave_run_id_form CHECK (run_id ~ '^wr-[0-9a-f]{17}$'),
  key bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  request_id uuid NOT NULL CONSTRAINT wave_run_one_per_request UNIQUE,
  request_hash text NOT NULL,
  kind smallint NOT NULL CONSTRAINT wave_run_kind_known CHECK (kind BETWEEN 1 AND 4),
  state smallint NOT NULL DEFAULT 1 CONSTRAINT wave_run_state_known CHECK (state BETWEEN 1 AND 8),
  reason text NOT NULL DEFAULT '',
  wave text NOT NULL CONSTRAINT wave_run_wave_form CHECK (wave ~ '^wave-[0-9a-f]{17}$'),
  wave_name text NOT NULL DEFAULT '',
  initiated_by text NOT NULL,
  options jsonb NOT NULL,
  request text NOT NULL DEFAULT '',
  leave_jobs boolean NOT NULL DEFAULT false,
  create_time timestamptz NOT NULL DEFAULT now(),
  start_time timestamptz,
  state_time timestamptz NOT NULL DEFAULT now(),
  end_time timestamptz,
  version bigint NOT NULL DEFAULT 1,
  event_count bigint NOT NULL DEFAULT 0,
  generation bigint NOT NULL DEFAULT 0,
  owner text,
  due_at timestamptz DEFAULT now(),
  CONSTRAINT wave_run_end_has_time CHECK ((state >= 6) = (end_time IS NOT NULL))
);
COMMENT ON TABLE wave_run IS 'One pass over all servers of a wave';
-- Claims of runners.
CREATE INDEX wave_run_due ON wave_run (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX wave_run_one_active_per_wave ON wave_run (wave) WHERE state < 6;
-- ListWaveRuns of one wave.
CREATE INDEX wave_run_of_wave ON wave_run (wave, key);

CREATE TABLE wave_group (
  run_id text NOT NULL REFERENCES wave_run ON DELETE CASCADE,
  index integer NOT NULL,
  application text NOT NULL,
  display_name text NOT NULL DEFAULT '',
  state smallint NOT NULL DEFAULT 1 CONSTRAINT wave_group_state_known CHECK (state BETWEEN 1 AND 6),
  reason text NOT NULL DEFAULT '',
  needs_approval boolean NOT NULL DEFAULT false,
  approved_by text NOT NULL DEFAULT '',
  checks jsonb NOT NULL DEFAULT '[]',
  check_timeout_ms bigint NOT NULL DEFAULT 300000,
  check_start timestamptz,
  checks_passed boolean NOT NULL DEFAULT false,
  start_time timestamptz,
  end_time timestamptz,
  PRIMARY KEY (run_id, index),
  CONSTRAINT wave_group_once UNIQUE (run_id, application)
);
COMMENT ON TABLE wave_group IS 'An application in a wave run, in the order of index';

CREATE TABLE wave_member (
  run_id text NOT NULL,
  group_index integer NOT NULL,
  index integer NOT NULL,
  server text NOT NULL CONSTRAINT wave_member_server_form CHECK (server ~ '^s-[0-9a-f]{17}$'),
  hostname text NOT NULL DEFAULT '',
  state smallint NOT NULL DEFAULT 1 CONSTRAINT wave_member_state_known CHECK (state BETWEEN 1 AND 9),
  reason text NOT NULL DEFAULT '',
  job text NOT NULL DEFAULT '',
  remove_job text NOT NULL DEFAULT '',
  attempt integer NOT NULL DEFAULT 1 CONSTRAINT wave_member_attempt_counts CHECK (attempt >= 1),
  left_behind boolean NOT NULL DEFAULT false,
  start_time timestamptz,
  end_time timestamptz,
  PRIMARY KEY (run_id, group_index, index),
  CONSTRAINT wave_member_once UNIQUE (run_id, server),
  CONSTRAINT wave_member_of_group FOREIGN KEY (run_id, group_index) REFERENCES wave_group (run_id, index) ON DELETE CASCADE
) WITH (fillfactor = 80);
COMMENT ON TABLE wave_member IS 'A server in a wave run';

CREATE TABLE wave_event (
  run_id text NOT NULL REFERENCES wave_run ON DELETE CASCADE,
  sequence bigint NOT NULL,
  time timestamptz NOT NULL DEFAULT clock_timestamp(),
  type smallint NOT NULL CONSTRAINT wave_event_type_known CHECK (type BETWEEN 1 AND 64),
  application text NOT NULL DEFAULT '',
  server text NOT NULL DEFAULT '',
  message text NOT NULL DEFAULT '',
  PRIMARY KEY (run_id, sequence)
);
COMMENT ON TABLE wave_event IS 'History of wave runs: every change of state, in order';

CREATE TABLE wave_request (
  request_id uuid PRIMARY KEY,
  run_id text NOT NULL REFERENCES wave_run ON DELETE CASCADE,
  request_hash text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE wave_request IS 'Approvals, resumes and cancels that were done: repeating one changes nothing';
