-- Database roles of an installation: one for each service, which reaches its own schema alone; "godwit" owns all.
-- Run it as a superuser, in the database, after godwit-migrate. Running it again is harmless.
--
--   CREATE ROLE godwit LOGIN;  CREATE DATABASE godwit OWNER godwit;  (once, before godwit-migrate)
--
-- godwit-jobs works as "godwit-jobs" or, where it shares the system user of the workers and peer authentication is
-- used, as "godwit" (deploy/etc/jobs.conf).
DO $$
DECLARE
  service text;
  role text;
BEGIN
  FOREACH service IN ARRAY ARRAY['registry', 'replication', 'conversion', 'jobs'] LOOP
    role := 'godwit-' || service;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', role);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I', service, role);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', service, role);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %I', service, role);
    -- What later migrations add, too.
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE godwit IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I',
                   service, role);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE godwit IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO %I',
                   service, role);
  END LOOP;
END
$$;
