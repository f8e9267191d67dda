-- Where the time of replication goes, what tracking and capture missed, and what points and replicas hold.

alter table server
  -- How the agent compresses, for people.
  add column codec text not null default '',
  -- Stages and their shares in permille: "10:612 4:120".
  add column bottleneck_shares text not null default '',
  -- Kinds of losses and how many the kernel counted: "2:1".
  add column losses text not null default '',
  -- Comparisons of whole disks since the agent's process began, and why the last one was begun.
  add column rescan_count integer not null default 0,
  add column rescan_reason text not null default '',
  add column rescan_time timestamptz,
  add constraint server_rescan_count_not_negative check (rescan_count >= 0);

-- What nothing but the point needs; null: not known yet.
alter table point
  add column own_bytes bigint,
  add constraint point_own_bytes_not_negative check (own_bytes >= 0);
