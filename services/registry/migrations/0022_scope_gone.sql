-- Limited users are told when what they could reach is deleted (docs/decisions/0050).

create table scope_gone (
  principal text not null,
  name text not null,
  time timestamptz not null default clock_timestamp(),
  constraint scope_gone_pkey primary key (principal, name)
);
comment on table scope_gone is
  'Servers, applications and waves that were within a user''s scope when they were deleted. Kept for as long as events.';
-- No foreign key to scope: a deletion waits for nobody who changes a scope.

-- What is too old.
create index scope_gone_by_age on scope_gone (time);

-- Before the row goes: entries of scopes go with their application or wave.
create function scope_remember_gone() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'source_server' then
    insert into registry.scope_gone (principal, name)
      select distinct v.principal, 'sourceServers/' || v.id from registry.scope_server v where v.id = old.id on conflict do nothing;
  elsif tg_table_name = 'application' then
    insert into registry.scope_gone (principal, name)
      select distinct v.principal, 'applications/' || v.id from registry.scope_application v where v.id = old.id on conflict do nothing;
  else
    insert into registry.scope_gone (principal, name)
      select distinct v.principal, 'waves/' || v.id from registry.scope_wave v where v.id = old.id on conflict do nothing;
  end if;
  return old;
end $$;
create trigger scope_remember_gone before delete on source_server for each row execute function scope_remember_gone();
create trigger scope_remember_gone before delete on application for each row execute function scope_remember_gone();
create trigger scope_remember_gone before delete on wave for each row execute function scope_remember_gone();
