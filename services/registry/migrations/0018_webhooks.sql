-- Events pushed to HTTP receivers.

create table webhook (
  id text not null,
  version bigint not null default 1,
  url text not null,
  filter jsonb not null default '{}',
  description text not null default '',
  disabled boolean not null default false,
  ca_pem text not null default '',
  wrapped_secret bytea not null,
  master_key text not null,
  sequence bigint not null,
  missed_count bigint not null default 0,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint webhook_pkey primary key (id),
  constraint webhook_id_form check (id ~ '^wh-[0-9a-f]{17}$'),
  constraint webhook_url_length check (length(url) between 1 and 2048),
  -- nonce, 32 bytes, tag: nothing else fits, least of all a secret in clear
  constraint webhook_secret_is_wrapped check (length(wrapped_secret) = 12 + 32 + 16)
);
comment on table webhook is
  'Receivers of events. Events up to sequence have deliveries or were none of its. Secrets are wrapped as those of access keys.';

-- List, oldest first.
create index webhook_by_age on webhook (create_time, id);

create table webhook_delivery (
  webhook_id text not null,
  sequence bigint not null,
  event_id uuid not null,
  type smallint not null,
  resource text not null,
  body text not null,
  state smallint not null default 1,
  generation bigint not null default 0,
  attempt_count integer not null default 0,
  next_attempt_time timestamptz not null default now(),
  retry_until timestamptz,
  http_status integer not null default 0,
  error text not null default '',
  create_time timestamptz not null default now(),
  state_time timestamptz,
  constraint webhook_delivery_pkey primary key (webhook_id, sequence),
  constraint webhook_delivery_of_webhook foreign key (webhook_id) references webhook (id) on delete cascade,
  constraint webhook_delivery_state_known check (state between 1 and 4)
);
comment on table webhook_delivery is
  'Events on their way: state 1 waiting, 2 delivered, 3 parked, 4 dropped. While one is under way, next_attempt_time is the end of its
lease and generation its holder.';

-- The next one that is due.
create index webhook_delivery_due on webhook_delivery (next_attempt_time) where state = 1;
-- Whether an earlier one of its resource has not arrived.
create index webhook_delivery_before on webhook_delivery (webhook_id, resource, sequence) where state in (1, 3);
-- What is too old.
create index webhook_delivery_ended on webhook_delivery (state_time) where state in (2, 4);
