-- The audit trail of dead letters. The key of a dead letter is its position in the topic and its time.

-- name: lock_dead_letters
-- Held until the session ends, so that two operators never work on the same dead letters.
-- out: whether the lock is held now
SELECT pg_try_advisory_lock(1668246884) AS held;

-- name: add_dead_letter_action
-- in:  acted_by, action, result, detail, letter_partition, letter_offset, dead_lettered_ms, record_topic, record_partition,
--      record_offset, coupon_id, user_id (null: not known)
INSERT INTO dead_letter_action (acted_by, action, result, detail, letter_partition, letter_offset, set_aside_at,
                                record_topic, record_partition, record_offset, coupon_id, user_id)
VALUES (%(acted_by)s, %(action)s, %(result)s, %(detail)s, %(letter_partition)s, %(letter_offset)s,
        timestamptz 'epoch' + %(dead_lettered_ms)s::bigint * interval '1 millisecond',
        %(record_topic)s, %(record_partition)s, %(record_offset)s, %(coupon_id)s, %(user_id)s);

-- name: last_dead_letter_actions
-- out: letter_partition, letter_offset, set_aside_at, acted_at, acted_by, action, result, detail: the last one of each dead letter
SELECT DISTINCT ON (letter_partition, letter_offset, set_aside_at)
       letter_partition, letter_offset, set_aside_at, acted_at, acted_by, action, result, detail
  FROM dead_letter_action
 ORDER BY letter_partition, letter_offset, set_aside_at, action_id DESC;

-- name: dead_letter_actions_of
-- in:  letter_partition, letter_offset, dead_lettered_ms
-- out: letter_partition, letter_offset, set_aside_at, acted_at, acted_by, action, result, detail of one dead letter, in order
SELECT letter_partition, letter_offset, set_aside_at, acted_at, acted_by, action, result, detail
  FROM dead_letter_action
 WHERE letter_partition = %(letter_partition)s AND letter_offset = %(letter_offset)s
   AND set_aside_at = timestamptz 'epoch' + %(dead_lettered_ms)s::bigint * interval '1 millisecond'
 ORDER BY action_id;
