-- After Postgres was restored from a backup: missing requests, and sessions that must not run meanwhile. As
-- coupon_owner.

-- name: find_sessions
-- in:  roles
-- out: the roles among these that are connected to this database
SELECT DISTINCT usename FROM pg_stat_activity
 WHERE usename = ANY(%(roles)s::text[]) AND datname = current_database() ORDER BY usename;

-- name: newest_heartbeat
-- out: beat_at of the newest heartbeat; no row when there is none
SELECT beat_at FROM cdc_heartbeat ORDER BY beat_id DESC LIMIT 1;

-- name: read_reaches
-- out: up to when the ledger is complete: its newest heartbeat, or the moment stored by an earlier incomplete
--      restore; null: unknown
SELECT CASE WHEN EXISTS (SELECT FROM incomplete_restore WHERE reaches IS NULL) THEN NULL
            ELSE least((SELECT min(reaches) FROM incomplete_restore),
                       (SELECT beat_at FROM cdc_heartbeat ORDER BY beat_id DESC LIMIT 1)) END AS reaches;

-- name: keep_reaches
-- in:  reaches
INSERT INTO incomplete_restore (reaches) VALUES (%(reaches)s::timestamptz);

-- name: write_heartbeat
SELECT cdc_beat();

-- name: restore_requests
-- Writes requests of the change stream that the ledger lost. Existing requests stay as they are, and so do users who
-- were erased since, and requests of retired coupons.
-- in:  coupon_ids, user_ids, requested_at_us (one each a request)
-- out: restored (rows written), unknown_coupon_ids (one for each request whose coupon does not exist, and is
--      no rehearsal that was purged)
WITH event AS (
  SELECT DISTINCT ON (coupon_id, user_id) coupon_id, user_id,
         timestamptz 'epoch' + requested_at_us * interval '1 microsecond' AS requested_at
    FROM unnest(%(coupon_ids)s::bigint[], %(user_ids)s::bigint[], %(requested_at_us)s::bigint[])
         AS e (coupon_id, user_id, requested_at_us)
   ORDER BY coupon_id, user_id, requested_at_us
), restored AS (
  INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)
  SELECT e.coupon_id, e.user_id, e.requested_at FROM event e JOIN coupon c USING (coupon_id)
   WHERE NOT EXISTS (SELECT FROM erased_request t
                      WHERE t.user_id = e.user_id AND t.coupon_id = e.coupon_id AND t.requested_at = e.requested_at)
     AND NOT EXISTS (SELECT FROM retired_coupon d WHERE d.coupon_id = e.coupon_id)
   ORDER BY e.coupon_id, e.user_id
  ON CONFLICT (coupon_id, user_id) DO NOTHING
  RETURNING 1
)
SELECT (SELECT count(*) FROM restored) AS restored,
       ARRAY(SELECT e.coupon_id FROM event e
              WHERE NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = e.coupon_id)
                AND NOT EXISTS (SELECT FROM rehearsal p WHERE p.coupon_id = e.coupon_id AND p.purged_at IS NOT NULL))
         AS unknown_coupon_ids;

-- name: skip_coupon_ids
-- So that no new coupon gets the id of one that was created after the backup: its requests may still be on the topic.
-- in:  ids (how many to skip)
SELECT setval('coupon_id_seq', last_value + %(ids)s::bigint) FROM coupon_id_seq;
