-- Whether standby lists and lists of users fit. None of this reads a gate.

-- name: count_lines
-- Reads every entry. Of a retired coupon nothing: its rows are in files.
-- in:  coupon_id (null: all)
-- out: coupon_id, waiting, promoted, total (of the coupon), audited (the total in which its audit trail ends; null: from
--      before it was kept), breaks (changes of the total in the trail that do not begin where the one before ended) of
--      each coupon that has or had a standby list
WITH entry AS (
  SELECT coupon_id, count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'promoted') AS promoted
    FROM standby_entry WHERE coupon_id = coalesce(%(coupon_id)s::bigint, coupon_id) GROUP BY coupon_id
), listed AS (
  SELECT c.coupon_id, c.total_quantity, coalesce(e.waiting, 0) AS waiting, coalesce(e.promoted, 0) AS promoted
    FROM coupon c
    LEFT JOIN entry e USING (coupon_id)
   WHERE (e.coupon_id IS NOT NULL OR c.standby IS NOT NULL) AND c.coupon_id = coalesce(%(coupon_id)s::bigint, c.coupon_id)
     AND NOT EXISTS (SELECT FROM retired_coupon r WHERE r.coupon_id = c.coupon_id AND r.exported_at IS NOT NULL)
)
SELECT l.coupon_id, l.waiting, l.promoted, l.total_quantity AS total, a.audited, coalesce(a.breaks, 0) AS breaks
  FROM listed l
 CROSS JOIN LATERAL (
   SELECT (array_agg(t.ends_with ORDER BY t.action_id DESC))[1] AS audited,
          count(*) FILTER (WHERE t.begins_with <> t.before) AS breaks
     FROM (SELECT o.action_id, (o.changes -> 'total_quantity' ->> 'to')::bigint AS ends_with,
                  (o.changes -> 'total_quantity' ->> 'from')::bigint AS begins_with,
                  lag((o.changes -> 'total_quantity' ->> 'to')::bigint) OVER (ORDER BY o.action_id) AS before
             FROM operator_action o
            WHERE o.coupon_id = l.coupon_id AND o.changes ? 'total_quantity') AS t) AS a
 ORDER BY l.coupon_id;

-- name: find_wrong_entries
-- Entries of standby lists that no program leaves so: the ledger was restored in part, or corrected by hand. Reads every
-- entry once. Whose claim was under way when they joined waits with a request until their turn, and that is right. While
-- the coupon is paused, or outside its window, nobody is promoted.
-- in:  coupon_id (null: any), most (rows), clocks_s (so far the clocks of Redis and Postgres may differ), served_s (for so
--      long a user may wait who has a request)
-- out: coupon_id, user_id, why (not_requested, still_waits or overtaken)
WITH entry AS (
  SELECT e.coupon_id, e.user_id, e.number, e.state, e.joined_at, r.requested_at, coalesce(i.issued_at, j.rejected_at) AS final_at,
         c.state = 'open' AND c.issue_starts_at <= now() AND (c.issue_ends_at IS NULL OR c.issue_ends_at > now()) AS is_claimed
    FROM standby_entry e
    JOIN coupon c ON c.coupon_id = e.coupon_id
    LEFT JOIN coupon_issue_request r ON r.coupon_id = e.coupon_id AND r.user_id = e.user_id
    LEFT JOIN issued_coupon i ON i.coupon_id = e.coupon_id AND i.user_id = e.user_id
    LEFT JOIN issue_rejection j ON j.coupon_id = e.coupon_id AND j.user_id = e.user_id
   WHERE e.state IN ('waiting', 'promoted') AND e.coupon_id = coalesce(%(coupon_id)s::bigint, e.coupon_id)
     AND NOT EXISTS (SELECT FROM retired_coupon t WHERE t.coupon_id = e.coupon_id AND t.exported_at IS NOT NULL)
), line AS (
  SELECT e.*, max(requested_at) FILTER (WHERE state = 'promoted' AND requested_at > joined_at)
                OVER (PARTITION BY coupon_id ORDER BY number DESC) AS behind_at
    FROM entry e
), found AS (
  SELECT l.*,
         CASE WHEN state = 'promoted' AND requested_at IS NULL AND final_at IS NULL THEN 'not_requested'
              WHEN state = 'waiting'
                   AND (requested_at IS NOT NULL AND final_at <= joined_at
                        OR is_claimed AND requested_at > joined_at AND requested_at < now() - make_interval(secs => %(served_s)s))
              THEN 'still_waits'
              WHEN state = 'waiting' AND requested_at IS NULL
                   AND behind_at > joined_at + make_interval(secs => %(clocks_s)s) THEN 'overtaken' END AS why
    FROM line l
)
SELECT coupon_id, user_id, why FROM found WHERE why IS NOT NULL ORDER BY coupon_id, number LIMIT %(most)s;

-- name: count_listed
-- Reads every list of users.
-- in:  coupon_id
-- out: audience, size (as it was set), listed (users who are there), chunks (that are there); no row: the coupon has no list
SELECT c.audience, a.size, coalesce(k.bytes, 0) / (split_part(c.audience, ' ', 3)::bigint + split_part(c.audience, ' ', 4)::bigint) AS listed,
       coalesce(k.chunks, 0) AS chunks
  FROM coupon c
  LEFT JOIN coupon_audience a USING (coupon_id)
  LEFT JOIN LATERAL (
    SELECT sum(length(users))::bigint AS bytes, count(*) AS chunks FROM coupon_audience_chunk WHERE coupon_id = c.coupon_id) AS k ON true
 WHERE c.coupon_id = %(coupon_id)s AND c.audience IS NOT NULL;
