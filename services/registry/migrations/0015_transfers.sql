-- Inventory imports and exports, connectors, and what an inventory says that has no effect here.

create table transfer (
  id text not null,
  version bigint not null default 1,
  kind smallint not null,
  state smallint not null default 1,
  principal text not null,
  bucket text not null default '',
  key text not null default '',
  bucket_owner text not null default '',
  account text not null default '',
  region text not null default '',
  without_ids boolean not null default false,
  tags jsonb not null default '{}',
  content bytea,
  row_count bigint not null default 0,
  done_row_count bigint not null default 0,
  error_count bigint not null default 0,
  waves_created bigint not null default 0,
  waves_modified bigint not null default 0,
  applications_created bigint not null default 0,
  applications_modified bigint not null default 0,
  servers_created bigint not null default 0,
  servers_modified bigint not null default 0,
  generation bigint not null default 0,
  lease_expire_time timestamptz,
  create_time timestamptz not null default now(),
  start_time timestamptz,
  end_time timestamptz,
  constraint transfer_pkey primary key (id),
  constraint transfer_id_form check (id ~ '^(import|export)-[0-9a-f]{17}$'),
  constraint transfer_kind_known check (kind between 1 and 2),
  constraint transfer_kind_in_its_id check ((kind = 1) = (id like 'import-%')),
  constraint transfer_state_known check (state between 1 and 4),
  constraint transfer_ends_once check ((state in (3, 4)) = (end_time is not null)),
  constraint transfer_not_beyond_its_rows check (done_row_count between 0 and row_count)
);
comment on table transfer is
  'Imports (kind 1) and exports (kind 2) of the inventory. state: numbers of ImportTask.State. content: the file. Of exports *_created is what the file holds.';

-- Lists, newest first; which go when there are too many.
create index transfer_by_age on transfer (kind, create_time desc, id desc);
-- The runner's next one.
create index transfer_unfinished on transfer (create_time, id) where state in (1, 2);

create table transfer_error (
  transfer_id text not null,
  sequence bigint not null,
  time timestamptz not null default now(),
  type smallint not null,
  row_number bigint not null,
  server_id text not null default '',
  application_id text not null default '',
  wave_id text not null default '',
  message text not null,
  constraint transfer_error_pkey primary key (transfer_id, sequence),
  constraint transfer_error_type_known check (type between 1 and 2),
  constraint transfer_error_of_transfer
    foreign key (transfer_id) references transfer (id) on delete cascade
);
comment on table transfer_error is 'Rows of a file that were not imported, and values that could not be exported.';

create table inventory_note (
  server_id text not null,
  name text not null,
  value text not null,
  constraint inventory_note_pkey primary key (server_id, name),
  constraint inventory_note_name_length check (length(name) between 1 and 300),
  constraint inventory_note_value_length check (length(value) <= 1024),
  constraint inventory_note_of_server
    foreign key (server_id) references source_server (id) on delete cascade
);
comment on table inventory_note is
  'Columns of an inventory that have a meaning in AWS alone: kept, so that an export gives them back.';

create table connector (
  id text not null,
  version bigint not null default 1,
  display_name text not null,
  instance_id text not null,
  command_config jsonb,
  tags jsonb not null default '{}',
  create_time timestamptz not null default now(),
  constraint connector_pkey primary key (id),
  constraint connector_id_form check (id ~ '^connector-[0-9a-f]{17}$'),
  constraint connector_display_name_form check (
    display_name ~ '^[A-Za-z0-9_-]+$' and length(display_name) <= 256),
  constraint connector_instance_id_length check (length(instance_id) between 19 and 20)
);
comment on table connector is 'Connectors of AWS MGN: records, which nothing here acts on.';

-- List, oldest first.
create index connector_by_age on connector (create_time, id);

-- An import finds groups by their names.
create index wave_by_display_name on wave (display_name);
create index application_by_display_name on application (display_name);
