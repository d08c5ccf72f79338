-- The audit trail: each change of a coupon, what was done to dead letters, and what was done to the
-- connector and the gate on the page.

-- name: name_actor
-- in:  acted_by (who changes coupons in this transaction; null: the role)
SELECT set_config('coupon.acted_by', coalesce(%(acted_by)s, ''), true);

-- name: add_operator_action
-- in:  acted_by, action, coupon_id (null: of no coupon), result, detail
INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
VALUES (%(acted_by)s, %(action)s, %(coupon_id)s, %(result)s, %(detail)s);

-- name: list_actions
-- Each half reads at most so many rows of its index.
-- in:  before_us, before_kind, before_id (the last one of the page before; a far future for the first page), most
-- out: at_us, kind (0: operator_action, 1: dead_letter_action), action_id, acted_by, action, coupon_id, user_id,
--      letter (PARTITION:OFFSET or null), result, detail, login (null: not known): the newest first
WITH cursor AS (
  SELECT timestamptz 'epoch' + %(before_us)s::bigint * interval '1 microsecond' AS acted_at
)
SELECT (extract(epoch FROM acted_at) * 1000000)::bigint AS at_us, kind, action_id, acted_by, action, coupon_id, user_id,
       letter, result, detail, login
  FROM ((SELECT acted_at, 0 AS kind, action_id, acted_by, action, coupon_id, NULL::bigint AS user_id,
                NULL::text AS letter, result, detail, login
           FROM operator_action
          WHERE acted_at <= (SELECT acted_at FROM cursor)
            AND (acted_at, 0, action_id)
                < ((SELECT acted_at FROM cursor), %(before_kind)s::integer, %(before_id)s::bigint)
          ORDER BY acted_at DESC, action_id DESC LIMIT %(most)s)
        UNION ALL
        (SELECT acted_at, 1, action_id, acted_by, action || ' dead letter', coupon_id, user_id,
                letter_partition || ':' || letter_offset, result, detail, login
           FROM dead_letter_action
          WHERE acted_at <= (SELECT acted_at FROM cursor)
            AND (acted_at, 1, action_id)
                < ((SELECT acted_at FROM cursor), %(before_kind)s::integer, %(before_id)s::bigint)
          ORDER BY acted_at DESC, action_id DESC LIMIT %(most)s)) AS trails
 ORDER BY acted_at DESC, kind DESC, action_id DESC
 LIMIT %(most)s;

-- name: last_action
-- in:  action, within (how far back)
-- out: as list_actions; no row: there was none
SELECT (extract(epoch FROM acted_at) * 1000000)::bigint AS at_us, 0 AS kind, action_id, acted_by, action, coupon_id,
       NULL::bigint AS user_id, NULL::text AS letter, result, detail, login
  FROM operator_action
 WHERE action = %(action)s AND acted_at > now() - %(within)s::interval
 ORDER BY acted_at DESC, action_id DESC LIMIT 1;

-- name: last_change_of_coupon
-- in:  coupon_id
-- out: acted_at, acted_by, action, detail of the last change of its definition; no row: none is known
SELECT acted_at, acted_by, action, detail
  FROM operator_action WHERE coupon_id = %(coupon_id)s AND action IN ('create coupon', 'change coupon')
 ORDER BY action_id DESC LIMIT 1;

-- name: list_coupon_actions
-- in:  coupon_id, actions (null: any), before (action_id), most
-- out: action_id, acted_at, acted_by, login (null: not known), action, result, detail, changes (JSON as text; null: not
--      known), the newest first
SELECT action_id, acted_at, acted_by, login, action, result, detail, changes::text AS changes
  FROM coupon_action
 WHERE coupon_id = %(coupon_id)s AND action_id < %(before)s
   AND (%(actions)s::text[] IS NULL OR action = ANY (%(actions)s::text[]))
 ORDER BY action_id DESC
 LIMIT %(most)s;
