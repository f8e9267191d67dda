-- Keys that clients of the HTTPS face sign with.

create table access_key (
  id text not null,
  version bigint not null default 1,
  principal text not null,
  wrapped_secret bytea not null,
  master_key text not null,
  lifecycle_profile smallint not null default 0,
  description text not null default '',
  disabled boolean not null default false,
  create_time timestamptz not null default now(),
  last_use_time timestamptz,
  constraint access_key_pkey primary key (id),
  constraint access_key_id_form check (id ~ '^GWAK[A-Z2-7]{16}$'),
  constraint access_key_of_a_user check (principal ~ '^user/(viewer|operator|admin)/[A-Za-z0-9._@-]{1,128}$'),
  constraint access_key_lifecycle_profile_known check (lifecycle_profile between 0 and 2),
  -- nonce, 40 characters, tag: nothing else fits, least of all a secret in clear
  constraint access_key_secret_is_wrapped check (length(wrapped_secret) = 12 + 40 + 16)
);
comment on table access_key is
  'Access keys of users. Secrets are wrapped by AES-256-GCM with a key that follows from the master key named.';

-- List, oldest first.
create index access_key_by_age on access_key (create_time, id);
-- Keys of one user; their number.
create index access_key_of_principal on access_key (principal, create_time, id);
