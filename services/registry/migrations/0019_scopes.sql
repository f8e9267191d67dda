-- What operators and viewers are limited to (docs/decisions/0042).

create table scope (
  principal text not null,
  version bigint not null default 1,
  description text not null default '',
  changed_by text not null,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint scope_pkey primary key (principal),
  constraint scope_of_a_user_who_can_be_limited check (principal ~ '^user/(viewer|operator)/[A-Za-z0-9._@-]{1,128}$')
);
comment on table scope is 'Users who are limited: to the entries of their scope, and to nothing where there are none. Others see everything.';

-- List, oldest first.
create index scope_by_age on scope (create_time, principal);

create table scope_entry (
  principal text not null,
  application_id text,
  wave_id text,
  tag_key text,
  tag_value text,
  constraint scope_entry_of_scope foreign key (principal) references scope (principal) on delete cascade,
  constraint scope_entry_of_application foreign key (application_id) references application (id) on delete cascade,
  constraint scope_entry_of_wave foreign key (wave_id) references wave (id) on delete cascade,
  constraint scope_entry_is_one_thing check (num_nonnulls(application_id, wave_id, tag_key) = 1),
  constraint scope_entry_value_has_key check (tag_value is null or tag_key is not null),
  constraint scope_entry_tag_length check (length(tag_key) between 1 and 128 and length(tag_value) <= 256),
  constraint scope_entry_once unique nulls not distinct (principal, application_id, wave_id, tag_key, tag_value)
);
comment on table scope_entry is
  'An application with its servers, a wave with its applications and their servers, or servers by a tag (tag_value null: any value).';

-- Deletion of applications and waves; whether a tag decides over a scope.
create index scope_entry_of_application on scope_entry (application_id) where application_id is not null;
create index scope_entry_of_wave on scope_entry (wave_id) where wave_id is not null;
create index scope_entry_of_tag on scope_entry (tag_key) where tag_key is not null;

-- Who reaches what: the only place that says so. Rows may come twice.
-- The document of tags is {"tags": {KEY: VALUE}}.
create view scope_server as
  select e.principal, s.id from registry.scope_entry e join registry.source_server s on s.application_id = e.application_id
  union all
  select e.principal, s.id from registry.scope_entry e join registry.application a on a.wave_id = e.wave_id
    join registry.source_server s on s.application_id = a.id
  union all
  select e.principal, s.id from registry.scope_entry e
    join registry.source_server s on s.tags -> 'tags' ? e.tag_key and (e.tag_value is null or s.tags -> 'tags' ->> e.tag_key = e.tag_value)
    where e.tag_key is not null;

create view scope_application as
  select e.principal, e.application_id as id from registry.scope_entry e where e.application_id is not null
  union all
  select e.principal, a.id from registry.scope_entry e join registry.application a on a.wave_id = e.wave_id;

create view scope_wave as
  select e.principal, e.wave_id as id from registry.scope_entry e where e.wave_id is not null;

create view scope_name as
  select v.principal, 'sourceServers/' || v.id as name from registry.scope_server v
  union all
  select v.principal, 'applications/' || v.id from registry.scope_application v
  union all
  select v.principal, 'waves/' || v.id from registry.scope_wave v;
