-- DIFF (4) and UNDO (5) of ConversionTask.Mode.
ALTER TABLE task DROP CONSTRAINT task_mode_check;

ALTER TABLE task ADD CONSTRAINT task_mode CHECK (mode BETWEEN 1 AND 5);
