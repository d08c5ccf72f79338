-- The standby list of a coupon: join and leave the line, take the first in it.

-- name: set_standby_list
-- in:  coupon_id, is_on, acted_by
-- out: whether there is such a coupon, and it is neither closed nor a draft
SELECT set_standby_list(%(coupon_id)s, %(is_on)s, %(acted_by)s) AS done;

-- name: join_standby
-- in:  user_id, coupon_id, groups, is_sold_out
-- out: joined, first, waiting; or why not, as the function says
SELECT join_standby(%(user_id)s, %(coupon_id)s, %(groups)s::text[], %(is_sold_out)s) AS outcome;

-- name: find_standby_entry
-- in:  user_id, coupon_id, most (how many are counted)
-- out: state, joined_at, ended_at, users_ahead (null: not in line, or more than `most`) of the user's entry, or no row
SELECT s.state, s.joined_at, s.ended_at, CASE WHEN n.ahead <= %(most)s THEN n.ahead END AS users_ahead
  FROM (SELECT e.number, e.joined_at, e.ended_at,
               CASE WHEN e.state = 'waiting'
                         AND (coalesce(c.standby, 'ending') = 'ending' OR c.state = 'closed' OR c.issue_ends_at <= now())
                    THEN 'ended' ELSE e.state END AS state
          FROM standby_entry e JOIN coupon c USING (coupon_id)
         WHERE e.user_id = %(user_id)s AND e.coupon_id = %(coupon_id)s) AS s
  LEFT JOIN LATERAL (
    SELECT count(*) AS ahead
      FROM (SELECT FROM standby_entry a
             WHERE a.coupon_id = %(coupon_id)s AND a.state = 'waiting' AND a.number < s.number
             LIMIT %(most)s + 1) AS before) AS n ON s.state = 'waiting';

-- name: count_standby
-- Reads every entry of the coupon.
-- in:  coupon_id
-- out: is_on (never of a closed coupon), waiting, promoted; no row: there is no such coupon
SELECT coalesce(c.standby IN ('empty', 'waiting'), false) AND c.state <> 'closed' AS is_on,
       (SELECT count(*) FROM standby_entry e WHERE e.coupon_id = c.coupon_id AND e.state = 'waiting') AS waiting,
       (SELECT count(*) FROM standby_entry e WHERE e.coupon_id = c.coupon_id AND e.state = 'promoted') AS promoted
  FROM coupon c WHERE c.coupon_id = %(coupon_id)s;

-- name: hold_standby_entry
-- Waits for a promotion of the user that is under way; none begins until the transaction ends.
-- in:  user_id, coupon_id
-- out: state, or no row
SELECT state FROM standby_entry WHERE user_id = %(user_id)s AND coupon_id = %(coupon_id)s FOR UPDATE;

-- name: list_lines
-- out: coupon_id, total_quantity of coupons with a line, or with one that ends
SELECT c.coupon_id, c.total_quantity
  FROM (SELECT NULL::text AS standby) AS before_0028
 CROSS JOIN LATERAL (
   SELECT coupon_id, total_quantity FROM coupon WHERE standby IN ('waiting', 'ending')) AS c
 ORDER BY c.coupon_id;

-- name: may_read_lines
-- out: whether this role may read who waits: the monitor may not
SELECT has_table_privilege('standby_entry', 'SELECT') AS may_read;

-- name: find_first_in_line
-- in:  coupon_id
-- out: number of the first who waits; null: nobody does
SELECT min(number) AS number FROM standby_entry WHERE coupon_id = %(coupon_id)s AND state = 'waiting';

-- name: hold_line
-- The first statement of a promotion, of which one runs for a coupon at a time. Its stock is not lowered meanwhile.
-- in:  coupon_id
-- out: is_alone (false: another promotion runs), total_quantity, eligible_group; no row: no claim would be admitted now
SELECT pg_try_advisory_xact_lock(1668249713, hashint8(coupon_id)) AS is_alone, total_quantity, eligible_group
  FROM coupon
 WHERE coupon_id = %(coupon_id)s AND standby = 'waiting' AND state = 'open'
   AND issue_starts_at <= now() AND (issue_ends_at IS NULL OR issue_ends_at > now())
   FOR KEY SHARE;

-- name: hold_first_in_line
-- in:  coupon_id, most
-- out: user_id, for_group of the first who wait, in their order
SELECT user_id, for_group FROM standby_entry
 WHERE coupon_id = %(coupon_id)s AND state = 'waiting'
 ORDER BY number LIMIT %(most)s FOR UPDATE;

-- name: end_standby_entries
-- in:  coupon_id, user_ids, state (promoted, left, not_eligible)
UPDATE standby_entry SET state = %(state)s, ended_at = clock_timestamp()
 WHERE coupon_id = %(coupon_id)s AND user_id = ANY (%(user_ids)s::bigint[]) AND state = 'waiting';

-- name: leave_every_line
-- in:  user_id
UPDATE standby_entry SET state = 'left', ended_at = clock_timestamp() WHERE user_id = %(user_id)s AND state = 'waiting';

-- name: tidy_standby
-- in:  coupon_id, most
-- out: whether somebody is still in line
SELECT tidy_standby(%(coupon_id)s, %(most)s) AS has_line;
