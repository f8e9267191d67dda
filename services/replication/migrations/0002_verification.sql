-- Comparisons of replicas with their sources.

alter table point_request add column root_hash boolean not null default false;

alter table server
  add column verified_time timestamptz,
  -- Since the server came into service, and as the agent's present process counts.
  add column difference_count bigint not null default 0,
  add column agent_difference_count bigint not null default 0,
  -- The newest, one a line: disk, offset, size, microseconds, cause.
  add column differences text not null default '',
  add constraint server_difference_counts check (difference_count >= 0 and agent_difference_count >= 0);

create table verification (
  id uuid not null,
  ordinal bigint generated always as identity,
  server_id text not null,
  -- 1 waiting, 2 comparing, 3 making the point, 4 succeeded, 5 failed
  state smallint not null default 1,
  create_time timestamptz not null default now(),
  -- Of the comparison.
  start_time timestamptz,
  end_time timestamptz,
  -- When something was last heard of it; how long the agent could have worked on it since then and did not.
  progress_time timestamptz not null default now(),
  idle_micros bigint not null default 0,
  compared_bytes bigint not null default 0,
  total_bytes bigint not null default 0,
  differences text not null default '',
  difference_count bigint not null default 0,
  point_request_id uuid,
  point_id text,
  root_hash text not null default '',
  error_message text not null default '',
  report bytea not null default '',
  close_time timestamptz,
  constraint verification_pkey primary key (id),
  constraint verification_of_server foreign key (server_id) references server (id) on delete cascade,
  constraint verification_state_known check (state between 1 and 5),
  constraint verification_figures_not_negative
    check (compared_bytes >= 0 and total_bytes >= 0 and difference_count >= 0 and idle_micros >= 0),
  constraint verification_asked_for_point check (state not in (3, 4) or point_request_id is not null),
  constraint verification_has_outcome check ((state in (4, 5)) = (close_time is not null)),
  constraint verification_is_proved
    check (state <> 4 or (point_id is not null and root_hash <> '' and report <> ''))
);
comment on table verification is 'Ordered comparisons of all blocks with the source. The id is the request id.';
-- One at a time; those that housekeeping has to look at.
create unique index verification_one_active on verification (server_id) where state in (1, 2, 3);
-- Lists of a server, newest first.
create index verification_of_server_idx on verification (server_id, ordinal desc);
