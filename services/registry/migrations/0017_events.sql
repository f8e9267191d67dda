-- What changed, numbered in the order of the commits (docs/decisions/0038).

create table event_head (
  one boolean not null default true,
  stream uuid not null default gen_random_uuid(),
  sequence bigint not null default 0,
  constraint event_head_pkey primary key (one),
  constraint event_head_is_one check (one)
);
comment on table event_head is
  'Number of the newest event: its lock puts the events in order. stream: part of every token; a new value refuses the old tokens.';
insert into event_head default values;

create table event (
  sequence bigint not null,
  id uuid not null,
  time timestamptz not null,
  type smallint not null,
  resource text not null,
  server_id text,
  application_id text,
  wave_id text,
  version bigint not null default 0,
  cause text not null default '',
  principal text not null default '',
  lifecycle smallint not null default 0,
  launch_status smallint not null default 0,
  launch_job text,
  archived boolean not null default false,
  display_name text not null default '',
  constraint event_pkey primary key (sequence),
  constraint event_type_known check (type between 1 and 11)
);
comment on table event is 'What changed, oldest first, without gaps. type: numbers of Event.Type. The oldest are deleted after a while.';

-- What is too old.
create index event_by_age on event (time);

-- Only from deferred triggers: they run at the end of a transaction, so whoever holds the lock of the head waits for nobody,
-- and numbers follow the order of the commits, without gaps.
create function event_add(entry event) returns void language plpgsql as $$
begin
  update registry.event_head set sequence = sequence + 1 returning sequence into strict entry.sequence;
  entry.id := gen_random_uuid();
  entry.time := clock_timestamp();
  insert into registry.event (sequence, id, time, type, resource, server_id, application_id, wave_id, version, cause, principal,
                              lifecycle, launch_status, launch_job, archived, display_name)
    values (entry.sequence, entry.id, entry.time, entry.type, entry.resource, entry.server_id, entry.application_id, entry.wave_id,
            coalesce(entry.version, 0), coalesce(entry.cause, ''), coalesce(entry.principal, ''), coalesce(entry.lifecycle, 0),
            coalesce(entry.launch_status, 0), entry.launch_job, coalesce(entry.archived, false), coalesce(entry.display_name, ''));
end $$;

create function event_of(server source_server, cause text, principal text) returns event language plpgsql stable as $$
declare
  entry registry.event;
begin
  entry.resource := 'sourceServers/' || server.id;
  entry.server_id := server.id;
  entry.application_id := server.application_id;
  select a.wave_id into entry.wave_id from registry.application a where a.id = server.application_id;
  entry.version := server.version;
  entry.cause := cause;
  entry.principal := principal;
  entry.lifecycle := server.lifecycle;
  entry.launch_status := server.launch_status;
  entry.launch_job := server.launch_job;
  entry.archived := server.archived;
  entry.display_name := left(coalesce(nullif(server.properties ->> 'hostname', ''), server.user_provided_id, ''), 256);
  return entry;
end $$;

-- Every version of a server has a history row, also those that programs of before make.
create function event_of_history() returns trigger language plpgsql as $$
declare
  server registry.source_server;
  entry registry.event;
  before smallint;
begin
  select s.* into server from registry.source_server s where s.id = new.server_id;
  if not found then
    return null;  -- deleted by the same transaction
  end if;
  select h.lifecycle into before from registry.source_server_history h
    where h.server_id = new.server_id and h.version = new.version - 1;
  entry := registry.event_of(server, new.event, new.principal);
  entry.version := new.version;
  entry.lifecycle := new.lifecycle;
  entry.type := case when new.version = 1 then 1
                     when before is distinct from new.lifecycle then 2
                     when new.event ~ '^(TEST_LAUNCH|CUTOVER_LAUNCH|TERMINATE|CLEAN_UP) ' then 3
                     else 4 end;
  perform registry.event_add(entry);
  return null;
end $$;
create constraint trigger event_of_history after insert on source_server_history
  deferrable initially deferred for each row execute function event_of_history();

create function event_of_deletion() returns trigger language plpgsql as $$
declare
  entry registry.event := registry.event_of(old, '', '');
begin
  entry.type := 5;
  perform registry.event_add(entry);
  return null;
end $$;
create constraint trigger event_of_deletion after delete on source_server
  deferrable initially deferred for each row execute function event_of_deletion();

create function event_of_group() returns trigger language plpgsql as $$
declare
  entry registry.event;
  body jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
  is_wave boolean := tg_table_name = 'wave';
begin
  entry.type := case tg_op when 'INSERT' then 6 when 'UPDATE' then 7 else 8 end + case when is_wave then 3 else 0 end;
  entry.resource := case when is_wave then 'waves/' else 'applications/' end || (body ->> 'id');
  entry.application_id := case when not is_wave then body ->> 'id' end;
  entry.wave_id := case when is_wave then body ->> 'id' else body ->> 'wave_id' end;
  entry.version := (body ->> 'version')::bigint;
  entry.archived := (body ->> 'archived')::boolean;
  entry.display_name := body ->> 'display_name';
  perform registry.event_add(entry);
  return null;
end $$;
create constraint trigger event_of_application after insert or update or delete on application
  deferrable initially deferred for each row execute function event_of_group();
create constraint trigger event_of_wave after insert or update or delete on wave
  deferrable initially deferred for each row execute function event_of_group();
