-- Installation tokens name the templates that new servers start with.

-- Defaults, so that programs that do not know them go on making tokens.
alter table installation_token add column replication_template text not null default '';
alter table installation_token add column launch_template text not null default '';
comment on column installation_token.replication_template is 'Id of a settings_template; empty: the default one.';
comment on column installation_token.launch_template is 'Id of a settings_template; empty: the default one.';
-- No foreign keys: tokens are kept for good, and those that are revoked or expired hold no template.
