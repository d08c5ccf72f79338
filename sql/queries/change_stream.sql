-- The change stream: publication, replication slot, requests that are not final.

-- name: find_slot
-- With the server's WAL position: for the WAL that the slot keeps, and to find offsets of another server.
-- in:  slot_name
-- out: wal_lsn, keep_bytes (max_slot_wal_keep_size; null: no limit), and of the slot, all null when there is none:
--      exists, usable (of this database and plugin), active, failover, wal_status, invalidation_reason, confirmed_lsn, retained_bytes
SELECT pg_current_wal_lsn() - pg_lsn '0/0' AS wal_lsn,
       (SELECT nullif(setting::bigint, -1) * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_bytes,
       s.slot_name IS NOT NULL AS exists,
       s.database = current_database() AND s.plugin = 'pgoutput' AS usable,
       s.active, s.failover, s.wal_status, s.invalidation_reason,
       s.confirmed_flush_lsn - pg_lsn '0/0' AS confirmed_lsn,
       pg_current_wal_lsn() - s.restart_lsn AS retained_bytes
  FROM (VALUES (1)) AS one (row)
  LEFT JOIN pg_replication_slots s ON s.slot_name = %(slot_name)s;

-- name: create_slot
-- failover: a standby keeps a copy of it (Postgres 17 and later); Debezium makes its own slots without.
-- in:  slot_name
SELECT pg_create_logical_replication_slot(%(slot_name)s, 'pgoutput', failover => true);

-- name: drop_slot
-- Does nothing when there is none.
-- in:  slot_name
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %(slot_name)s;

-- name: read_publication
-- in:  publication_name
-- out: exists, is_right (it publishes the inserts of both tables, all rows and columns, and nothing else)
SELECT p.oid IS NOT NULL AS exists, cdc_publication_is_right() AS is_right
  FROM (VALUES (1)) AS one (row)
  LEFT JOIN pg_publication p ON p.pubname = %(publication_name)s;

-- name: make_publication
-- out: made or corrected; null: it was right
SELECT cdc_make_publication();

-- name: peek_at_slot
-- Decodes the first transaction of the slot, and leaves it there. It fails when the WAL is from a time without the
-- publication.
-- in:  slot_name, publication_name
SELECT count(*) FROM pg_logical_slot_peek_binary_changes(
  %(slot_name)s, NULL, 1, 'proto_version', '1', 'publication_names', %(publication_name)s);

-- name: republish
-- in:  coupon_id, user_id (the key to go on after), page_size
-- out: last_coupon_id, last_user_id, read_rows, emitted_rows
SELECT last_coupon_id, last_user_id, read_rows, emitted_rows
  FROM cdc_emit_again(%(coupon_id)s, %(user_id)s, %(page_size)s);

-- name: republish_any
-- out: whether there is a request, which is written to the WAL again
SELECT cdc_emit_any_again();

-- name: count_not_final
-- in:  before (requests before this moment), coupon_ids (null: of every coupon)
-- out: how many requests are not final, and the oldest one's requested_at
SELECT count(*), min(requested_at) FROM issue_request
 WHERE status = 'REQUESTED' AND requested_at < %(before)s::timestamptz
   AND (%(coupon_ids)s::bigint[] IS NULL OR coupon_id = ANY(%(coupon_ids)s::bigint[]));

-- name: read_setup
-- in:  roles
-- out: wal_level, the roles of these that are missing
SELECT current_setting('wal_level') AS wal_level,
       ARRAY(SELECT name FROM unnest(%(roles)s::text[]) AS r (name)
              WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)) AS missing_roles;

-- name: list_migrations
-- out: the names of the migrations that are applied
SELECT migration_id FROM _yoyo_migration;

-- name: begin_recovery
-- Lets only this session recover, with a long timeout: a slot is created only when no older transaction is open.
-- in:  statement_timeout (as text, with its unit)
-- out: whether no other session is recovering
SELECT set_config('statement_timeout', %(statement_timeout)s, false) IS NOT NULL
       AND set_config('lock_timeout', %(statement_timeout)s, false) IS NOT NULL
       AND pg_try_advisory_lock(hashtext('coupon connector recover')) AS alone;
