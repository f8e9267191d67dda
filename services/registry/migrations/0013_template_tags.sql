-- Tags of templates themselves: the API of MGN sees two templates in one, with tags each.

-- Defaults, so that programs that do not know them go on writing templates.
alter table settings_template add column replication_tags jsonb not null default '{}';
alter table settings_template add column launch_tags jsonb not null default '{}';
comment on column settings_template.replication_tags is 'Of the template as one of replication settings; not put on servers.';
comment on column settings_template.launch_tags is 'Of the template as one of launch settings; not put on servers.';
