-- Retired coupons: what of them is exported, the steps of a retirement, and erasures in the exported files.

-- name: find_retired
-- in:  coupon_ids
-- out: coupon_id, retired_at, counts, dropped_at of those whose export is noted
SELECT coupon_id, exported_at AS retired_at, counts, dropped_at
  FROM retired_coupon WHERE coupon_id = ANY(%(coupon_ids)s::bigint[]) AND exported_at IS NOT NULL;

-- name: find_retiring
-- Also as coupon_consumer.
-- in:  coupon_ids
-- out: coupon_id of those whose retirement has begun, and of retired ones
SELECT coupon_id FROM retired_coupon WHERE coupon_id = ANY(%(coupon_ids)s::bigint[]);

-- name: list_retirable
-- in:  older (archived for so long), coupon_id (null: all)
-- out: coupon_id, name, archived_at, accepted, is_begun of archived coupons that have rows left, in order of coupon_id; no
--      rehearsal, which is purged
SELECT c.coupon_id, c.name, a.archived_at, c.issued_count + c.rejected_count AS accepted, r.coupon_id IS NOT NULL AS is_begun
  FROM coupon c
  LEFT JOIN retired_coupon r USING (coupon_id)
 CROSS JOIN LATERAL (SELECT coupon_archived_at(c.coupon_id) AS archived_at) AS a
 WHERE c.admin_state = 'archived' AND r.dropped_at IS NULL
   AND (%(coupon_id)s::bigint IS NULL OR c.coupon_id = %(coupon_id)s::bigint)
   AND c.eligible_group IS DISTINCT FROM 'coupon-rehearsal'
   AND (a.archived_at <= now() - %(older)s::interval OR r.coupon_id IS NOT NULL)
 ORDER BY c.coupon_id;

-- name: lock_retirement
-- One retirement, or erasure in exported files, at a time. The lock ends with the session.
-- out: whether this session has it
SELECT pg_try_advisory_lock(1668249713);

-- name: stay
-- Of the session that has this lock, while it works on files: a silent one is ended.
SELECT true;

-- name: begin_retirement
-- in:  coupon_id, older, acted_by
-- out: begun, exported, retired, not_found, not_archived, too_young
SELECT begin_retirement(%(coupon_id)s, %(older)s::interval, %(acted_by)s);

-- name: running_until
-- out: a number: transactions that run now have a lower one
SELECT pg_snapshot_xmax(pg_current_snapshot())::text;

-- name: has_ended
-- in:  number (of running_until)
-- out: whether all transactions that ran then have ended
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %(number)s::text::xid8;

-- name: abandon_retirement
-- in:  coupon_id, acted_by
SELECT abandon_retirement(%(coupon_id)s, %(acted_by)s);

-- name: read_one_moment
-- First statement of a transaction: all that follow read the same moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: export_requests
-- in:  coupon_id
-- out: user_id, requested_at, status, reason, final_at, expires_at, in order of user_id
SELECT r.user_id, r.requested_at,
       CASE WHEN i.user_id IS NOT NULL THEN 'ISSUED' WHEN j.user_id IS NOT NULL THEN 'REJECTED' ELSE 'REQUESTED' END AS status,
       j.reason, coalesce(i.issued_at, j.rejected_at) AS final_at,
       coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) AS expires_at
  FROM coupon_issue_request r
  JOIN coupon c USING (coupon_id)
  LEFT JOIN issued_coupon i ON i.user_id = r.user_id AND i.coupon_id = r.coupon_id
  LEFT JOIN issue_rejection j ON j.coupon_id = r.coupon_id AND j.user_id = r.user_id
 WHERE r.coupon_id = %(coupon_id)s
 ORDER BY r.user_id;

-- name: export_changes
-- in:  coupon_id
-- out: user_id, change_number, from_state, to_state, changed_at, changed_by, order_reference, reason, in order of user
--      and number
SELECT h.user_id, h.change_number, h.from_state, h.to_state, h.changed_at, h.changed_by, h.order_reference, h.reason
  FROM coupon_issue_request r
  JOIN issued_coupon_change h ON h.user_id = r.user_id AND h.coupon_id = r.coupon_id
 WHERE r.coupon_id = %(coupon_id)s
 ORDER BY h.user_id, h.change_number;

-- name: export_codes
-- in:  coupon_id
-- out: code, kind, user_id (null: nobody's), given_at, added_at
SELECT code, kind, user_id, given_at, added_at FROM codes_to_export(%(coupon_id)s);

-- name: count_retiring
-- Reads every row of the coupon once.
-- in:  coupon_id
-- out: accepted, issued, rejected (JSON, by reason), active, used, expired, revoked
WITH last AS (
  SELECT i.user_id,
         coalesce((SELECT h.to_state FROM issued_coupon_change h
                    WHERE h.user_id = i.user_id AND h.coupon_id = i.coupon_id
                    ORDER BY h.change_number DESC LIMIT 1), 'active') AS state,
         coalesce(coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) <= now(), false) AS is_over
    FROM coupon_issue_request r
    JOIN issued_coupon i ON i.user_id = r.user_id AND i.coupon_id = r.coupon_id
    JOIN coupon c ON c.coupon_id = r.coupon_id
   WHERE r.coupon_id = %(coupon_id)s
)
SELECT (SELECT count(*) FROM coupon_issue_request WHERE coupon_id = %(coupon_id)s) AS accepted,
       count(*) AS issued,
       (SELECT coalesce(jsonb_object_agg(n.reason, n.rows), '{}')
          FROM (SELECT reason, count(*) AS rows FROM issue_rejection
                 WHERE coupon_id = %(coupon_id)s GROUP BY reason) AS n) AS rejected,
       count(*) FILTER (WHERE state = 'active' AND NOT is_over) AS active,
       count(*) FILTER (WHERE state = 'used') AS used,
       count(*) FILTER (WHERE state = 'expired' OR state = 'active' AND is_over) AS expired,
       count(*) FILTER (WHERE state = 'revoked') AS revoked
  FROM last;

-- name: note_export
-- in:  coupon_id, counts (JSON), folder, files (JSON)
-- out: noted, not_begun, unbalanced
SELECT note_export(%(coupon_id)s, %(counts)s::jsonb, %(folder)s, %(files)s::jsonb);

-- name: count_unfinished_retirements
-- out: how many retirements began more than an hour ago, and are not finished
SELECT count(*) FROM retired_coupon WHERE dropped_at IS NULL AND begun_at < now() - interval '1 hour';

-- name: find_export
-- in:  coupon_id
-- out: folder, files; no row: its export is not noted
SELECT folder, files FROM retired_coupon WHERE coupon_id = %(coupon_id)s AND exported_at IS NOT NULL;

-- name: drop_retired
-- in:  coupon_id, after_user_id, page_size, acted_by
-- out: last_user, dropped, is_done
SELECT last_user, dropped, is_done
  FROM drop_retired(%(coupon_id)s, %(after_user_id)s, %(page_size)s, %(acted_by)s);

-- name: list_exports_to_erase
-- in:  user_id (null: of all users)
-- out: coupon_id, user_id, folder (null: its export is not noted yet), the oldest coupon first
SELECT DISTINCT t.coupon_id, t.user_id, r.folder
  FROM export_to_erase t JOIN retired_coupon r USING (coupon_id)
 WHERE %(user_id)s::bigint IS NULL OR t.user_id = %(user_id)s::bigint
 ORDER BY t.coupon_id, t.user_id;

-- name: count_exports_to_erase
-- in:  erasure_id (null: of all erasures)
-- out: how many exports some erased user may still be in
SELECT count(DISTINCT coupon_id) FROM export_to_erase
 WHERE %(erasure_id)s::uuid IS NULL OR erasure_id = %(erasure_id)s::uuid;

-- name: note_erased_export
-- in:  coupon_id, user_id, files (JSON, as they are now), acted_by
SELECT note_erased_export(%(coupon_id)s, %(user_id)s, %(files)s::jsonb, %(acted_by)s);
