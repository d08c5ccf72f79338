-- Waiting rooms: set one, reserve numbers for it, draw its lot.

-- name: set_waiting_room
-- in:  coupon_id, room (null: none), seen_versions (one of which it must have; null: whichever), acted_by
-- out: outcome (see the function in the migrations)
SELECT set_waiting_room(%(coupon_id)s, %(room)s, %(seen_versions)s::bigint[], %(acted_by)s);

-- name: find_ticket_keys
-- in:  coupon_ids
-- out: coupon_id, ticket_key; no row: the coupon never had a waiting room
SELECT coupon_id, ticket_key FROM waiting_room WHERE coupon_id = ANY (%(coupon_ids)s::bigint[]);

-- name: reserve_numbers
-- For the same holder after the same end it is the same block, so that of two who ask at once none leaves a gap.
-- in:  coupon_id, holder, after (where the holder's last block ends; 0: it had none), count
-- out: first number of the block, and the one behind its last; no row: the coupon never had a waiting room
UPDATE waiting_room
   SET block_start = CASE WHEN (block_holder, block_after) = (%(holder)s, %(after)s) THEN block_start ELSE next_number END,
       next_number = CASE WHEN (block_holder, block_after) = (%(holder)s, %(after)s) THEN next_number
                          ELSE next_number + %(count)s END,
       block_holder = %(holder)s,
       block_after = %(after)s
 WHERE coupon_id = %(coupon_id)s
RETURNING block_start, next_number;

-- name: draw_lot
-- Once: the first size stays, and its key. Not where the opening was moved since the numbers were counted: more may have
-- been given meanwhile. It is not moved until this is committed.
-- in:  coupon_id, arrived (how many numbers were given; null: not known, so all that were reserved take part),
--      version (of the coupon, when they were counted)
-- out: lot_size, lot_key; no row: the coupon never had a waiting room, or it is not drawn and the version is newer
UPDATE waiting_room w
   SET lot_size = coalesce(lot_size, %(arrived)s, next_number),
       lot_key = coalesce(lot_key, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
  FROM (SELECT version FROM coupon WHERE coupon_id = %(coupon_id)s FOR SHARE) AS c
 WHERE w.coupon_id = %(coupon_id)s AND (w.lot_size IS NOT NULL OR c.version <= %(version)s)
RETURNING lot_size, lot_key;

-- name: read_lot
-- in:  coupon_id
-- out: lot_size, lot_key; nulls: it is not drawn; no row: the coupon never had a waiting room
SELECT lot_size, lot_key FROM waiting_room WHERE coupon_id = %(coupon_id)s;
