-- Events of replication: stalls, lag, lost agents, initial sync, comparisons of whole disks (docs/decisions/0043).

alter table event drop constraint event_type_known,
  add constraint event_type_known check (type between 1 and 11 or type between 13 and 20);

create table replication_told (
  server_id text not null,
  active boolean not null default true,
  stalled boolean not null default false,
  stalled_since timestamptz,
  stall_cause text not null default '',
  lagging boolean not null default false,
  lagging_since timestamptz,
  disconnected boolean not null default false,
  disconnected_since timestamptz,
  synced boolean,
  rescan_time timestamptz,
  rescan_reason text not null default '',
  look_time timestamptz not null default 'epoch',
  constraint replication_told_pkey primary key (server_id),
  constraint replication_told_of_server foreign key (server_id) references source_server (id) on delete cascade
);
comment on table replication_told is
  'What events said of each server''s replication, and since when (…_since) something else is seen. synced null: from before this table, nothing was said.';
-- What these servers did before is no news.
insert into replication_told (server_id) select id from source_server;

create function event_of_replication() returns trigger language plpgsql as $$
declare
  server registry.source_server;
  -- Whether there was something to be told before.
  is_new boolean := tg_op = 'INSERT';
  was registry.replication_told;
begin
  select s.* into server from registry.source_server s where s.id = new.server_id;
  if not found then
    return null;  -- deleted by the same transaction
  end if;
  if not is_new then
    was := old;
  end if;
  if new.disconnected and was.disconnected is not true then
    perform registry.event_of_replication_add(server, 19::smallint, '');
  elsif was.disconnected and not new.disconnected and new.active then
    perform registry.event_of_replication_add(server, 20::smallint, '');
  end if;
  if new.stalled and was.stalled is not true then
    perform registry.event_of_replication_add(server, 13::smallint, new.stall_cause);
  elsif was.stalled and not new.stalled and new.active then
    perform registry.event_of_replication_add(server, 14::smallint, was.stall_cause);
  end if;
  if new.lagging and was.lagging is not true then
    perform registry.event_of_replication_add(server, 15::smallint, '');
  elsif was.lagging and not new.lagging and new.active then
    perform registry.event_of_replication_add(server, 16::smallint, '');
  end if;
  if new.synced and (is_new or was.synced = false) then
    perform registry.event_of_replication_add(server, 17::smallint, '');
  end if;
  if new.rescan_time is not null and new.rescan_time is distinct from was.rescan_time and (is_new or was.synced is not null) then
    perform registry.event_of_replication_add(server, 18::smallint, new.rescan_reason);
  end if;
  return null;
end $$;

create function event_of_replication_add(server source_server, kind smallint, cause text) returns void language plpgsql as $$
declare
  entry registry.event := registry.event_of(server, cause, 'service/replication');
begin
  entry.type := kind;
  perform registry.event_add(entry);
end $$;

create constraint trigger event_of_replication after insert or update on replication_told
  deferrable initially deferred for each row execute function event_of_replication();
