-- Jobs that say whether a copy will boot.
ALTER TABLE job DROP CONSTRAINT job_type_check, ADD CONSTRAINT job_type_check CHECK (type BETWEEN 1 AND 7);
