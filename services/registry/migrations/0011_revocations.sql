-- Principals and certificates that are refused.

create table revocation (
  subject text not null,
  reason text not null default '',
  principal text not null,
  create_time timestamptz not null default now(),
  constraint revocation_pkey primary key (subject),
  constraint revocation_subject_form check (
    subject ~ '^(worker|conversion-worker|service|user/(viewer|operator|admin))/[A-Za-z0-9._@-]{1,128}$'
    or subject ~ '^certificate/[0-9a-f]{64}$')
);
comment on table revocation is 'What services refuse although its certificate is good.';

-- List, oldest first.
create index revocation_by_age on revocation (create_time, subject);
