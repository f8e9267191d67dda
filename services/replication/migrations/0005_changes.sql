-- In which transaction the replication of a server last changed, for watches that go on where they were (docs/decisions/0043).

alter table server add column change_xid xid8 not null default pg_current_xact_id();
comment on column server.change_xid is 'The transaction that last set update_time; compared with the snapshots in tokens of watches.';

create function server_changed() returns trigger language plpgsql as $$
begin
  new.change_xid := pg_current_xact_id();
  return new;
end $$;
create trigger server_changed before update on server
  for each row when (new.update_time is distinct from old.update_time) execute function server_changed();
-- A copied row (a restored dump) is a change, too.
create trigger server_added before insert on server for each row execute function server_changed();
