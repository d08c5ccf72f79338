-- Coupons: create, read, change. Each names its columns: a column that a later version adds would change the type of
-- a result, and Postgres refuses to run a prepared statement again whose result has another type.
-- `state` is what administrators see: admin_state where there is one (draft, archived). Those queries that processes run
-- before `coupon migrate` take that column, `room` and `standby`, from `before_0020` when the table does not have them
-- yet; where a statement has no place for that, they are read as fields of the row.

-- name: create_coupon
-- steps: how many ids of the sequence this uses; more than 1 skips ids that were chosen before.
-- in:  coupon_id (null: the next of the sequence), steps, name, total_quantity, issue_starts_at (null: now), issue_ends_at,
--      eligible_group, valid_for_days, valid_until, discount, metadata, state (draft; open or null: open)
-- out: the coupon with its terms; no row when the id is already used
INSERT INTO coupon AS c (coupon_id, name, total_quantity, issue_starts_at, issue_ends_at, eligible_group,
                         valid_for_days, valid_until, discount, metadata, admin_state)
VALUES (coalesce(%(coupon_id)s::bigint, (SELECT max(nextval('coupon_id_seq')) FROM generate_series(1, %(steps)s))), %(name)s, %(total_quantity)s,
        coalesce(%(issue_starts_at)s::timestamptz, now()), %(issue_ends_at)s::timestamptz, %(eligible_group)s,
        %(valid_for_days)s, %(valid_until)s::timestamptz, %(discount)s::jsonb, %(metadata)s::jsonb,
        nullif(%(state)s::text, 'open'))
ON CONFLICT (coupon_id) DO NOTHING
RETURNING c.coupon_id, c.name, c.total_quantity, c.issued_count, c.rejected_count, c.issue_starts_at, c.issue_ends_at,
          coalesce(c.admin_state, c.state) AS state, c.eligible_group, c.version, c.gate_epoch, c.created_at,
          c.valid_for_days, c.valid_until, c.discount::text AS discount, c.metadata::text AS metadata, to_jsonb(c) ->> 'room' AS room,
          to_jsonb(c) ->> 'standby' AS standby;

-- name: find_coupon
-- in:  coupon_id
-- out: the coupon, or no row
SELECT c.coupon_id, c.name, c.total_quantity, c.issued_count, c.rejected_count, c.issue_starts_at, c.issue_ends_at,
       c.state, c.eligible_group, c.version, c.gate_epoch, c.created_at, c.room, c.standby
  FROM (SELECT NULL::text AS admin_state, NULL::text AS room, NULL::text AS standby) AS before_0020
 CROSS JOIN LATERAL (
   SELECT coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
          coalesce(admin_state, state) AS state, eligible_group, version, gate_epoch, created_at, room, standby
     FROM coupon WHERE coupon_id = %(coupon_id)s) AS c;

-- name: read_coupons
-- in:  coupon_ids
-- out: those that exist, with their terms and retired_at, the greatest coupon_id first
SELECT c.coupon_id, c.name, c.total_quantity, c.issued_count, c.rejected_count, c.issue_starts_at, c.issue_ends_at,
       coalesce(c.admin_state, c.state) AS state, c.eligible_group, c.version, c.gate_epoch, c.created_at,
       c.valid_for_days, c.valid_until, c.discount::text AS discount, c.metadata::text AS metadata,
       to_jsonb(c) ->> 'room' AS room, to_jsonb(c) ->> 'standby' AS standby, r.exported_at AS retired_at
  FROM coupon c
  LEFT JOIN retired_coupon r USING (coupon_id)
 WHERE c.coupon_id = ANY (%(coupon_ids)s::bigint[])
 ORDER BY c.coupon_id DESC;

-- name: list_coupons
-- By the index of those that are not archived.
-- out: every coupon but archived ones, in order of coupon_id
SELECT c.coupon_id, c.name, c.total_quantity, c.issued_count, c.rejected_count, c.issue_starts_at, c.issue_ends_at,
       c.state, c.eligible_group, c.version, c.gate_epoch, c.created_at, c.room, c.standby
  FROM (SELECT NULL::text AS admin_state, NULL::text AS room, NULL::text AS standby) AS before_0020
 CROSS JOIN LATERAL (
   SELECT coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
          coalesce(admin_state, state) AS state, eligible_group, version, gate_epoch, created_at, room, standby
     FROM coupon WHERE admin_state IS DISTINCT FROM 'archived') AS c
 ORDER BY c.coupon_id;

-- name: list_live_coupons
-- Live: no draft, not closed, not over, and started, or about to start. It reads every coupon but archived ones, and no
-- request.
-- in:  also (coupon_ids to read whatever their state, but archived ones), most
-- out: at most so many coupons, those of `also` first, then those that started last; live: how many there are in all
SELECT c.coupon_id, c.name, c.total_quantity, c.issued_count, c.rejected_count, c.issue_starts_at, c.issue_ends_at,
       c.state, c.eligible_group, c.version, c.gate_epoch, c.created_at, c.room,
       count(*) OVER () AS live
  FROM (SELECT NULL::text AS admin_state, NULL::text AS room) AS before_0020
 CROSS JOIN LATERAL (
   SELECT coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
          coalesce(admin_state, state) AS state, eligible_group, version, gate_epoch, created_at, room
     FROM coupon WHERE admin_state IS DISTINCT FROM 'archived') AS c
 WHERE c.coupon_id = ANY(%(also)s::bigint[])
    OR c.state IN ('open', 'paused') AND c.issue_starts_at < now() + interval '10 minutes'
       AND (c.issue_ends_at IS NULL OR c.issue_ends_at > now())
 ORDER BY c.coupon_id = ANY(%(also)s::bigint[]) DESC, c.issue_starts_at DESC, c.coupon_id DESC
 LIMIT %(most)s;

-- name: list_listed_ids
-- For when one row of list_coupons cannot be read.
-- out: coupon_id of each of its rows, in order
SELECT c.coupon_id
  FROM (SELECT NULL::text AS admin_state) AS before_0020
 CROSS JOIN LATERAL (SELECT coupon_id FROM coupon WHERE admin_state IS DISTINCT FROM 'archived') AS c
 ORDER BY c.coupon_id;

-- name: list_coupon_ids
-- out: every coupon_id, of archived ones too, in order
SELECT coupon_id FROM coupon ORDER BY coupon_id;

-- name: count_archived
-- out: how many coupons are archived
SELECT count(*)
  FROM (SELECT NULL::text AS admin_state) AS before_0020
 CROSS JOIN LATERAL (SELECT FROM coupon WHERE admin_state = 'archived') AS c;

-- name: newest_archive
-- By the index of archived ones.
-- out: the gate_epoch of the coupon that was archived last; no row: none is
SELECT c.gate_epoch
  FROM (SELECT NULL::text AS admin_state) AS before_0020
 CROSS JOIN LATERAL (
   SELECT gate_epoch FROM coupon WHERE admin_state = 'archived' ORDER BY gate_epoch DESC LIMIT 1) AS c;

-- name: find_archived
-- in:  coupon_ids
-- out: coupon_id of those that are archived
SELECT c.coupon_id
  FROM (SELECT NULL::text AS admin_state) AS before_0020
 CROSS JOIN LATERAL (
   SELECT coupon_id FROM coupon WHERE coupon_id = ANY(%(coupon_ids)s::bigint[]) AND admin_state = 'archived') AS c;

-- name: change_coupon
-- Changes the columns that are named in `given`. Null takes an optional one away; a null start is now, unless the
-- coupon has started before. The total cannot be less than what is already issued (coupon_never_oversold), nor than
-- that and what is in flight (coupon_stock_covers_in_flight); validity only grows once a request is accepted
-- (coupon_validity_only_grows). A closed coupon stays closed. The state of a draft is changed by open_draft alone.
-- in:  coupon_id, seen_versions (one of which it must have; null: whichever), given (names of columns), name,
--      total_quantity, issue_starts_at, issue_ends_at, eligible_group, valid_for_days, valid_until, discount, metadata,
--      state
-- out: the coupon as changed, with its terms; no row when there is none, it is closed, its state is that of a draft,
--      or it has another version
UPDATE coupon
   SET name = CASE WHEN 'name' = ANY (%(given)s::text[]) THEN %(name)s ELSE name END,
       total_quantity = CASE WHEN 'total_quantity' = ANY (%(given)s::text[]) THEN %(total_quantity)s ELSE total_quantity END,
       issue_starts_at = CASE WHEN 'issue_starts_at' = ANY (%(given)s::text[])
                              THEN coalesce(%(issue_starts_at)s::timestamptz, least(issue_starts_at, now()))
                              ELSE issue_starts_at END,
       issue_ends_at = CASE WHEN 'issue_ends_at' = ANY (%(given)s::text[]) THEN %(issue_ends_at)s::timestamptz ELSE issue_ends_at END,
       eligible_group = CASE WHEN 'eligible_group' = ANY (%(given)s::text[]) THEN %(eligible_group)s ELSE eligible_group END,
       valid_for_days = CASE WHEN 'valid_for_days' = ANY (%(given)s::text[]) THEN %(valid_for_days)s ELSE valid_for_days END,
       valid_until = CASE WHEN 'valid_until' = ANY (%(given)s::text[]) THEN %(valid_until)s::timestamptz ELSE valid_until END,
       discount = CASE WHEN 'discount' = ANY (%(given)s::text[]) THEN %(discount)s::jsonb ELSE discount END,
       metadata = CASE WHEN 'metadata' = ANY (%(given)s::text[]) THEN %(metadata)s::jsonb ELSE metadata END,
       state = CASE WHEN 'state' = ANY (%(given)s::text[]) THEN %(state)s ELSE state END,
       version = coupon_next_number(version)
 WHERE coupon_id = %(coupon_id)s AND state <> 'closed'
   AND (admin_state IS NULL OR 'state' <> ALL (%(given)s::text[]))
   AND (%(seen_versions)s::bigint[] IS NULL OR version = ANY (%(seen_versions)s::bigint[]))
RETURNING coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
          coalesce(admin_state, state) AS state, eligible_group, version, gate_epoch, created_at,
          valid_for_days, valid_until, discount::text AS discount, metadata::text AS metadata, to_jsonb(coupon) ->> 'room' AS room,
          to_jsonb(coupon) ->> 'standby' AS standby;

-- name: open_draft
-- Of two at once, one opens it.
-- in:  coupon_id, seen_versions (one of which it must have; null: whichever)
-- out: the coupon as opened, with its terms; no row when there is none, it is no draft or has another version
UPDATE coupon
   SET admin_state = NULL, state = 'open', version = coupon_next_number(version)
 WHERE coupon_id = %(coupon_id)s AND admin_state = 'draft'
   AND (%(seen_versions)s::bigint[] IS NULL OR version = ANY (%(seen_versions)s::bigint[]))
RETURNING coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
          state, eligible_group, version, gate_epoch, created_at,
          valid_for_days, valid_until, discount::text AS discount, metadata::text AS metadata, to_jsonb(coupon) ->> 'room' AS room,
          to_jsonb(coupon) ->> 'standby' AS standby;

-- name: archive_coupon
-- Each of its requests must be final (coupon_archive_is_settled).
-- in:  coupon_id, seen_versions (one of which it must have; null: whichever)
-- out: the coupon as archived, with its terms; no row when there is none, it is not closed, is archived already, or has
--      another version
UPDATE coupon
   SET admin_state = 'archived', version = coupon_next_number(version)
 WHERE coupon_id = %(coupon_id)s AND state = 'closed' AND admin_state IS NULL
   AND (%(seen_versions)s::bigint[] IS NULL OR version = ANY (%(seen_versions)s::bigint[]))
RETURNING coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
          admin_state AS state, eligible_group, version, gate_epoch, created_at,
          valid_for_days, valid_until, discount::text AS discount, metadata::text AS metadata, to_jsonb(coupon) ->> 'room' AS room,
          to_jsonb(coupon) ->> 'standby' AS standby;

-- name: operate_coupon
-- in:  coupon_id, seen_version, state (null: as it is), total_quantity (null: as it is), acted_by
-- out: the coupon as changed; no row when there is none, it is closed or a draft, or has another version
SELECT coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
       state, eligible_group, version, gate_epoch, created_at, to_jsonb(o) ->> 'room' AS room,
       to_jsonb(o) ->> 'standby' AS standby
  FROM operate_coupon(%(coupon_id)s, %(seen_version)s, %(state)s, %(total_quantity)s, %(acted_by)s) AS o;

-- name: begin_gate_epoch
-- Fences every claim admitted so far: FOR UPDATE waits for running accept_requests, which hold FOR KEY SHARE;
-- later ones find another epoch and insert nothing.
-- in:  coupon_id, above (an epoch that the gate has: the new one is greater)
-- out: the coupon with its new gate_epoch, and all that the gate needs of it
WITH fenced AS (
  SELECT coupon_id FROM coupon WHERE coupon_id = %(coupon_id)s FOR UPDATE
)
UPDATE coupon c SET gate_epoch = coupon_next_number(greatest(c.gate_epoch, %(above)s::bigint)) FROM fenced f WHERE c.coupon_id = f.coupon_id
RETURNING c.coupon_id, c.name, c.total_quantity, c.issued_count, c.rejected_count, c.issue_starts_at, c.issue_ends_at,
          coalesce(to_jsonb(c) ->> 'admin_state', c.state) AS state, c.eligible_group, c.version, c.gate_epoch, c.created_at,
          to_jsonb(c) ->> 'room' AS room, to_jsonb(c) ->> 'standby' AS standby;

-- name: operate_gate_epoch
-- The same for coupon_ops.
-- in:  coupon_id, above
-- out: the coupon with its new gate_epoch
SELECT coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
       coalesce(to_jsonb(o) ->> 'admin_state', state) AS state, eligible_group, version, gate_epoch, created_at,
       to_jsonb(o) ->> 'room' AS room, to_jsonb(o) ->> 'standby' AS standby
  FROM operate_gate_epoch(%(coupon_id)s, %(above)s::bigint) AS o;

-- name: search_coupons
-- Times as text: a row that cannot be read hides no other.
-- in:  words ('': all; a part of the name in any case, or the id), before (coupon_id), most, state ('': any but
--      archived; scheduled:
--      open and not started; ended: its time is over, and it is open or paused)
-- out: coupon_id, name, state, total_quantity, issued_count, rejected_count, opens, the greatest coupon_id first
SELECT coupon_id, name, state, total_quantity, issued_count, rejected_count,
       to_char(issue_starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS opens
  FROM (SELECT NULL::text AS admin_state) AS before_0020
 CROSS JOIN LATERAL (
   SELECT coupon_id, name, coalesce(admin_state, state) AS state, total_quantity, issued_count, rejected_count,
          issue_starts_at, issue_ends_at
     FROM coupon) AS c
 WHERE coupon_id < %(before)s
   AND (%(state)s = state
        OR %(state)s = '' AND state <> 'archived'
        OR %(state)s = 'scheduled' AND state = 'open' AND issue_starts_at > now()
        OR %(state)s = 'ended' AND state IN ('open', 'paused') AND issue_ends_at <= now())
   AND (%(words)s = '' OR strpos(lower(name), lower(%(words)s)) > 0 OR coupon_id::text = %(words)s)
 ORDER BY coupon_id DESC
 LIMIT %(most)s;

-- name: take_idempotency_key
-- in:  caller_id, key, body_digest
-- out: no row: the key is taken now; else the digest and the coupon of its first use
SELECT first_digest, made_coupon_id FROM take_idempotency_key(%(caller_id)s, %(key)s, %(body_digest)s);

-- name: keep_idempotency_key
-- in:  caller_id, key, coupon_id
UPDATE idempotency_key SET coupon_id = %(coupon_id)s WHERE caller_id = %(caller_id)s AND key = %(key)s;
