-- Counting servers for the quotas reads this instead of the rows, which are wide. registry_quota_use.
create index source_server_by_standing on source_server (lifecycle, archived);
