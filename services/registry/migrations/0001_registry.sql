-- Source servers, their life cycle and settings, enrolment tokens, fleet, audit, outbox.

create function micros(t timestamptz) returns bigint
  language sql immutable strict parallel safe
  return (extract(epoch from t) * 1000000)::bigint;

create table wave (
  id text not null,
  version bigint not null default 1,
  display_name text not null,
  description text not null default '',
  tags jsonb not null default '{}',
  archived boolean not null default false,
  create_time timestamptz not null default now(),
  constraint wave_pkey primary key (id),
  constraint wave_id_form check (id ~ '^wave-[0-9a-f]{17}$'),
  constraint wave_display_name_length check (length(display_name) between 1 and 256)
);
comment on table wave is 'Groups of applications that move together.';

create table application (
  id text not null,
  version bigint not null default 1,
  display_name text not null,
  description text not null default '',
  tags jsonb not null default '{}',
  archived boolean not null default false,
  wave_id text,
  create_time timestamptz not null default now(),
  constraint application_pkey primary key (id),
  constraint application_id_form check (id ~ '^app-[0-9a-f]{17}$'),
  constraint application_display_name_length check (length(display_name) between 1 and 256),
  constraint application_in_existing_wave foreign key (wave_id) references wave (id)
);
comment on table application is 'Groups of source servers that belong together.';

create index application_of_wave on application (wave_id);

create table source_server (
  id text not null,
  version bigint not null default 1,
  lifecycle smallint not null,
  state_time timestamptz not null default now(),
  archived boolean not null default false,
  properties jsonb,
  tags jsonb not null default '{}',
  user_provided_id text,
  application_id text,
  test_job text,
  test_initiate_time timestamptz,
  test_finalize_time timestamptz,
  test_revert_time timestamptz,
  cutover_job text,
  cutover_initiate_time timestamptz,
  cutover_finalize_time timestamptz,
  cutover_revert_time timestamptz,
  launch_job text,
  launch_status smallint not null default 0,
  machine jsonb,
  public_key_hash text,
  certificate_generation bigint not null default 0,
  renewal_hash text,
  identity_revoked boolean not null default false,
  replication_settings jsonb not null default '{}',
  launch_settings jsonb not null default '{}',
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  enroll_time timestamptz,
  constraint source_server_pkey primary key (id),
  constraint source_server_id_form check (id ~ '^s-[0-9a-f]{17}$'),
  constraint source_server_lifecycle_known check (lifecycle between 1 and 10),
  constraint source_server_launch_status_known check (launch_status between 0 and 5),
  constraint source_server_archived_only_at_the_end check (not archived or lifecycle in (9, 10)),
  constraint source_server_user_provided_id_unique unique (user_provided_id),
  constraint source_server_public_key_unique unique (public_key_hash),
  constraint source_server_in_existing_application
    foreign key (application_id) references application (id)
);
comment on table source_server is 'Machines being migrated. lifecycle: numbers of SourceServer.LifecycleState.';

-- List, oldest first.
create index source_server_by_age on source_server (create_time, id);
-- List of one application; its deletion.
create index source_server_of_application on source_server (application_id);
-- Watch: what changed lately.
create index source_server_by_change on source_server (update_time);

create table source_server_history (
  server_id text not null,
  version bigint not null,
  time timestamptz not null default now(),
  lifecycle smallint not null,
  event text not null,
  principal text not null,
  constraint source_server_history_pkey primary key (server_id, version),
  constraint source_server_history_of_server
    foreign key (server_id) references source_server (id) on delete cascade
);
comment on table source_server_history is 'One row for each version of a source server.';

create table settings_template (
  id text not null,
  version bigint not null default 1,
  replication jsonb not null default '{}',
  launch jsonb not null default '{}',
  tags jsonb not null default '{}',
  constraint settings_template_pkey primary key (id),
  constraint settings_template_id_form check (id ~ '^[a-z0-9-]{1,64}$')
);
comment on table settings_template is 'What new servers start with.';

insert into settings_template (id) values ('default');

create table installation_token (
  id text not null,
  secret_hash text not null,
  create_time timestamptz not null default now(),
  expire_time timestamptz not null,
  max_uses integer not null,
  use_count integer not null default 0,
  revoked boolean not null default false,
  description text not null default '',
  tags jsonb not null default '{}',
  constraint installation_token_pkey primary key (id),
  constraint installation_token_id_form check (id ~ '^t-[0-9a-f]{17}$'),
  constraint installation_token_not_overused check (use_count between 0 and max_uses)
);
comment on table installation_token is 'Tokens for enrolment; only SHA-256 hashes of their secrets.';

create index installation_token_by_age on installation_token (create_time, id);

create table installation_token_use (
  token_id text not null,
  public_key_hash text not null,
  server_id text not null,
  time timestamptz not null default now(),
  constraint installation_token_use_pkey primary key (token_id, public_key_hash),
  constraint installation_token_use_of_token
    foreign key (token_id) references installation_token (id)
);
comment on table installation_token_use is
  'Which keys enrolled with a token: the same key enrols again without using it up.';

create table request (
  id uuid not null,
  fingerprint text not null,
  answer bytea,
  create_time timestamptz not null default now(),
  constraint request_pkey primary key (id)
);
comment on table request is 'Answers of calls by request id, kept 24 hours.';

create index request_by_age on request (create_time);

create table outbox (
  sequence bigint generated always as identity,
  id uuid not null,
  kind smallint not null,
  servers text[] not null,
  body jsonb not null,
  create_time timestamptz not null default now(),
  attempt_count integer not null default 0,
  next_attempt_time timestamptz not null default now(),
  last_error text not null default '',
  done_time timestamptz,
  constraint outbox_pkey primary key (id),
  constraint outbox_kind_known check (kind between 1 and 3),
  constraint outbox_sequence_unique unique (sequence)
);
comment on table outbox is
  'Commands to other services: 1 CreateJob, 2 StartServer, 3 EndServer. Those of one server leave in order.';

-- The sender's next command, and whether an earlier one of the server waits.
create index outbox_waiting on outbox (sequence) where done_time is null;

create table launch_undo (
  outbox_id uuid not null,
  server_id text not null,
  version bigint not null,
  lifecycle smallint not null,
  state_time timestamptz not null,
  launch_job text,
  launch_status smallint not null,
  test_job text,
  test_initiate_time timestamptz,
  test_finalize_time timestamptz,
  test_revert_time timestamptz,
  cutover_job text,
  cutover_initiate_time timestamptz,
  cutover_finalize_time timestamptz,
  cutover_revert_time timestamptz,
  constraint launch_undo_pkey primary key (outbox_id, server_id),
  constraint launch_undo_of_outbox foreign key (outbox_id) references outbox (id) on delete cascade,
  constraint launch_undo_of_server
    foreign key (server_id) references source_server (id) on delete cascade
);
comment on table launch_undo is
  'What a server was before a launch verb, should the job service refuse the job.';

create table audit (
  sequence bigint generated always as identity,
  time timestamptz not null default now(),
  principal text not null,
  peer text not null,
  method text not null,
  resource text not null,
  code smallint not null,
  request_id text not null,
  detail text not null,
  constraint audit_pkey primary key (sequence)
);
comment on table audit is 'Every call that changes something, also refused ones. Append only.';

-- Audit entries of one resource, newest first.
create index audit_of_resource on audit (resource, sequence desc);
