-- When groups changed, when servers began to replicate, how replication goes, and notes of other tools.

alter table wave add column update_time timestamptz not null default now();
update wave set update_time = create_time;
alter table application add column update_time timestamptz not null default now();
update application set update_time = create_time;

-- Lists, oldest first.
create index application_by_age on application (create_time, id);
create index wave_by_age on wave (create_time, id);

alter table source_server add column replication_start_time timestamptz;
update source_server set replication_start_time = (
  select min(h.time) from source_server_history h where h.server_id = source_server.id and h.lifecycle between 4 and 9);
alter table source_server add column notes jsonb not null default '{}';

create table server_health (
  server_id text not null,
  health smallint not null,
  time timestamptz not null default now(),
  constraint server_health_pkey primary key (server_id),
  constraint server_health_known check (health between 1 and 3),
  constraint server_health_of_server
    foreign key (server_id) references source_server (id) on delete cascade
);
comment on table server_health is
  'What the replication service last said of each server: 1 healthy, 2 lagging, 3 stalled; when that changed.';
