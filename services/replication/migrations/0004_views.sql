-- A clone for looking at what arrived of a server before its first point.

alter table clone alter column point_id drop not null;
comment on table clone is 'Writable overlays on points; point_id is null where there was none. While one exists its point stays.';
