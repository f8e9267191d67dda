-- The audit log is append only, without gaps, and each entry holds the hash of the one before.

alter table audit add column prev_hash bytea;
alter table audit add column hash bytea;

create table audit_head (
  one boolean not null default true,
  sequence bigint not null,
  hash bytea not null,
  constraint audit_head_pkey primary key (one),
  constraint audit_head_is_one check (one)
);
comment on table audit_head is 'The newest entry of the audit log: its lock puts the entries in order.';

-- What the hash is of: each field as its length in bytes, a colon, and itself. services/common/crypt/audit_chain.h does the same.
create function audit_hash(prev bytea, entry audit) returns bytea
  language sql stable
  return sha256(prev || convert_to((
    select string_agg(octet_length(field) || ':' || field, '' order by place)
    from unnest(array[
      entry.sequence::text, registry.micros(entry.time)::text, entry.principal, entry.peer, entry.method,
      entry.resource, entry.code::text, entry.request_id, entry.detail]) with ordinality as fields (field, place)
  ), 'UTF8'));

-- Entries of before: chained as they are.
do $$
declare
  entry registry.audit;
  previous bytea := sha256('godwit audit log'::bytea);
  last bigint := 0;
begin
  for entry in select * from registry.audit order by sequence loop
    update registry.audit set prev_hash = previous, hash = registry.audit_hash(previous, entry)
      where sequence = entry.sequence returning hash, sequence into previous, last;
  end loop;
  insert into registry.audit_head (sequence, hash) values (last, previous);
end $$;

-- Programs of before know neither: the trigger below gives both, whatever a statement says.
alter table audit alter column prev_hash set default '', alter column prev_hash set not null;
alter table audit alter column hash set default '', alter column hash set not null;

-- Under the lock of the head, until the transaction ends: numbers have no gaps and follow the order of the commits. It is the
-- last statement of a change, so whoever holds the lock waits for nobody.
create function audit_chain() returns trigger language plpgsql as $$
declare
  head registry.audit_head;
begin
  select * into strict head from registry.audit_head for update;
  new.sequence := head.sequence + 1;
  new.time := clock_timestamp();
  new.prev_hash := head.hash;
  new.hash := registry.audit_hash(head.hash, new);
  update registry.audit_head set sequence = new.sequence, hash = new.hash;
  return new;
end $$;
create trigger audit_chained before insert on audit for each row execute function audit_chain();

create function audit_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append only' using errcode = 'insufficient_privilege';
end $$;
create trigger audit_append_only before update or delete on audit for each row execute function audit_refuse_change();
create trigger audit_not_emptied before truncate on audit for each statement execute function audit_refuse_change();
