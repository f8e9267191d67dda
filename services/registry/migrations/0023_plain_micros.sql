-- As replication/0006_plain_micros.sql: the body takes the place of the call, a dozen times in each row of a list.
create or replace function micros(t timestamptz) returns bigint language sql stable parallel safe
  return (date_part('epoch', t) * 1000000)::bigint;
