-- Workers, the replication of each source server, points, clones, orders to workers, outbox.

create function micros(t timestamptz) returns bigint
  language sql immutable strict parallel safe
  return (extract(epoch from t) * 1000000)::bigint;

create table worker (
  id text not null,
  incarnation bigint not null,
  endpoint text not null,
  store_id text not null,
  labels jsonb not null default '{}',
  max_server_count integer not null,
  version text not null,
  draining boolean not null default false,
  leaving boolean not null default false,
  dead boolean not null default false,
  lease_until timestamptz not null,
  seen_time timestamptz not null,
  store_total_bytes bigint not null default 0,
  store_free_bytes bigint not null default 0,
  create_time timestamptz not null default now(),
  constraint worker_pkey primary key (id),
  constraint worker_id_form check (id ~ '^w-[0-9a-f]{17}$'),
  constraint worker_incarnation_positive check (incarnation > 0),
  constraint worker_max_server_count_range check (max_server_count between 1 and 10000),
  constraint worker_store_bytes check (store_free_bytes >= 0 and store_total_bytes >= 0)
);
comment on table worker is 'Replication workers. draining: wish of an operator; leaving: it is shutting down.';
-- Finds workers whose lease ended.
create index worker_by_lease on worker (lease_until) where not dead;

create table server (
  id text not null,
  version bigint not null default 1,
  -- 1 replicate, 2 pause, 3 stop, 4 disconnect
  wish smallint not null,
  state smallint not null,
  state_time timestamptz not null default now(),
  stall_cause smallint not null default 0,
  error_message text not null default '',
  -- Since when the present attempt to connect runs; whether data flowed since the start, and when last.
  attempt_time timestamptz not null default now(),
  transferring boolean not null default false,
  flow_time timestamptz,

  worker_id text,
  generation bigint not null default 0,
  -- Handed back: nobody else gets it before release_until or before the worker said that it is closed.
  releasing boolean not null default false,
  release_until timestamptz,
  unassigned_since timestamptz default now(),
  store_id text,
  -- Stores that hold replicas of former times.
  old_store_ids text[] not null default '{}',

  agent_seen_time timestamptz,
  agent_version text not null default '',
  boot_id text not null default '',
  agent_released boolean not null default false,
  phase smallint not null default 0,
  connected_generation bigint not null default 0,
  wire_bytes bigint not null default 0,
  sent_bytes bigint not null default 0,
  bytes_per_second bigint not null default 0,
  drain_bytes_per_second double precision not null default 0,
  bottleneck_stage smallint not null default 0,
  bottleneck_permille integer not null default 0,
  bottleneck_action text not null default '',
  agent_error text not null default '',
  agent_cause smallint not null default 0,
  abandoned_cut_count integer not null default 0,
  -- When the agent last had nothing to send.
  idle_time timestamptz,

  group_seen_time timestamptz,
  group_generation bigint not null default 0,
  group_connected boolean not null default false,
  group_received_bytes bigint not null default 0,
  group_allocated_bytes bigint not null default 0,
  group_error text not null default '',
  group_cause smallint not null default 0,

  worker_labels jsonb not null default '{}',
  settings bytea not null default '',
  keep_agent boolean not null default false,
  undo_until timestamptz,
  staging_removed boolean not null default false,
  -- The registry was told (or will be, see outbox) of the first point.
  sync_reported boolean not null default false,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint server_pkey primary key (id),
  constraint server_id_form check (id ~ '^s-[0-9a-f]{17}$'),
  constraint server_of_worker foreign key (worker_id) references worker (id),
  constraint server_wish_known check (wish between 1 and 4),
  constraint server_state_known check (state between 1 and 10),
  constraint server_generation_with_worker check (worker_id is null or generation > 0),
  constraint server_release_needs_worker check (not releasing or (worker_id is not null and release_until is not null))
);
comment on table server is 'Replication of one source server: the wish, the lease, and what agent and worker last said.';
-- Leases of one worker.
create index server_of_worker_idx on server (worker_id) where worker_id is not null;
-- Servers that wait for a worker.
create index server_unassigned on server (unassigned_since) where worker_id is null;

create table disk (
  server_id text not null,
  disk_id text not null,
  ordinal integer not null,
  device_name text not null,
  size_bytes bigint not null,
  is_boot_disk boolean not null,
  tracker text not null default '',
  pending_bytes bigint not null default 0,
  replicated_bytes bigint not null default 0,
  rescanned_bytes bigint not null default 0,
  constraint disk_pkey primary key (server_id, disk_id),
  constraint disk_of_server foreign key (server_id) references server (id) on delete cascade,
  constraint disk_size_range check (size_bytes between 1048576 and 70368744177664 and size_bytes % 512 = 0),
  constraint disk_progress_not_negative
    check (pending_bytes >= 0 and replicated_bytes >= 0 and rescanned_bytes >= 0)
);
comment on table disk is 'Replicated disks of a server, boot disk first, as the agent last reported them.';

create table server_history (
  server_id text not null,
  version bigint not null,
  state smallint not null,
  stall_cause smallint not null,
  error_message text not null,
  worker_id text,
  generation bigint not null,
  time timestamptz not null default now(),
  constraint server_history_pkey primary key (server_id, version),
  constraint server_history_of_server foreign key (server_id) references server (id) on delete cascade
);
comment on table server_history is 'Every change of state or lease of a server.';

create table point (
  id text not null,
  server_id text not null,
  store_id text not null,
  epoch bigint not null,
  generation bigint not null,
  -- 1 kept, 2 to be deleted, 3 gone
  state smallint not null default 1,
  cut_time timestamptz not null,
  commit_time timestamptz not null,
  consistency smallint not null,
  description text not null default '',
  pinned boolean not null default false,
  root_hash text not null,
  changed_bytes bigint not null,
  freeze_micros bigint not null default 0,
  quiesce_time timestamptz,
  -- Answered a point request: kept for a while for whoever asked.
  requested boolean not null default false,
  create_time timestamptz not null default now(),
  gone_time timestamptz,
  constraint point_pkey primary key (id),
  constraint point_id_form check (id ~ '^p-[0-9a-f]{17}$'),
  constraint point_of_server foreign key (server_id) references server (id) on delete cascade,
  constraint point_once unique (server_id, store_id, epoch),
  constraint point_epoch_positive check (epoch > 0),
  constraint point_state_known check (state between 1 and 3),
  constraint point_consistency_known check (consistency between 1 and 3),
  constraint point_description_length check (length(description) <= 256),
  constraint point_pinned_is_kept check (not pinned or state = 1)
);
comment on table point is 'Committed epochs. A deleted one stays for an hour, so that a late report does not bring it back.';
-- Lists of a server, newest first, and retention.
create index point_of_server_idx on point (server_id, epoch desc) where state = 1;

create table point_request (
  id uuid not null,
  server_id text not null,
  quiesce boolean not null,
  stay_quiesced boolean not null,
  description text not null,
  -- 1 waiting, 2 cutting, 3 succeeded, 4 failed
  state smallint not null default 1,
  point_id text,
  quiesce_time timestamptz,
  error_message text not null default '',
  timeout_seconds bigint not null,
  deadline timestamptz not null,
  create_time timestamptz not null default now(),
  end_time timestamptz,
  constraint point_request_pkey primary key (id),
  constraint point_request_of_server foreign key (server_id) references server (id) on delete cascade,
  constraint point_request_state_known check (state between 1 and 4),
  constraint point_request_has_outcome check ((state in (3, 4)) = (end_time is not null)),
  constraint point_request_has_point check (state <> 3 or point_id is not null)
);
comment on table point_request is 'Fresh points on demand. The id is the request id.';
-- The next one to be carried out, and those past their deadline.
create index point_request_open on point_request (server_id, create_time) where state in (1, 2);

create table clone (
  id text not null,
  request_id uuid not null,
  server_id text not null,
  point_id text not null,
  -- 1 being made, 2 ready, 3 being deleted, 4 failed, 5 gone
  state smallint not null default 1,
  disks jsonb not null default '[]',
  error_code integer not null default 0,
  error_message text not null default '',
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  constraint clone_pkey primary key (id),
  constraint clone_id_form check (id ~ '^c-[0-9a-f]{17}$'),
  constraint clone_request_once unique (request_id),
  constraint clone_of_server foreign key (server_id) references server (id) on delete cascade,
  constraint clone_of_point foreign key (point_id) references point (id),
  constraint clone_state_known check (state between 1 and 5)
);
comment on table clone is 'Writable overlays on points. While one exists its point stays.';
create index clone_of_point_idx on clone (point_id) where state in (1, 2, 3);

create table worker_order (
  id text not null,
  server_id text not null,
  store_id text not null,
  -- 1 create clone, 2 delete clone, 3 delete points, 4 remove staging
  kind smallint not null,
  clone_id text,
  epochs bigint[],
  -- 1 open, 2 done, 3 failed for good
  state smallint not null default 1,
  attempt_count integer not null default 0,
  error_message text not null default '',
  next_time timestamptz not null default now(),
  create_time timestamptz not null default now(),
  end_time timestamptz,
  constraint worker_order_pkey primary key (id),
  constraint worker_order_of_server foreign key (server_id) references server (id) on delete cascade,
  constraint worker_order_kind_known check (kind between 1 and 4),
  constraint worker_order_state_known check (state between 1 and 3),
  constraint worker_order_clone check ((kind in (1, 2)) = (clone_id is not null)),
  constraint worker_order_epochs check ((kind = 3) = (epochs is not null))
);
comment on table worker_order is 'What workers must do to their store; given out with heartbeats until reported.';
create index worker_order_open on worker_order (server_id, create_time) where state = 1;

create table outbox (
  id uuid not null,
  server_id text not null,
  point_id text not null,
  attempt_count integer not null default 0,
  next_time timestamptz not null default now(),
  create_time timestamptz not null default now(),
  done_time timestamptz,
  error_message text not null default '',
  constraint outbox_pkey primary key (id),
  constraint outbox_of_server foreign key (server_id) references server (id) on delete cascade
);
comment on table outbox is 'Servers whose initial sync is done and the registry must be told. The id is the request id.';
create index outbox_due on outbox (next_time) where done_time is null;

create table request (
  id uuid not null,
  body_hash text not null,
  create_time timestamptz not null default now(),
  constraint request_pkey primary key (id)
);
comment on table request is 'Verbs carried out, by request id, kept for 24 h: a repetition does nothing, another body is refused.';
create index request_by_age on request (create_time);
