-- The screen of a launched machine as its boot proof ended; one for each run, it outlives the machine.
CREATE TABLE screenshot (
  run_id bigint PRIMARY KEY REFERENCES run ON DELETE CASCADE,
  time timestamptz NOT NULL DEFAULT clock_timestamp(),
  png bytea NOT NULL CONSTRAINT screenshot_is_small CHECK (octet_length(png) BETWEEN 8 AND 2097152)
);
COMMENT ON TABLE screenshot IS 'PNG of a machine''s screen, kept with its run';
