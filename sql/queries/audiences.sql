-- Audiences by list: upload one, make it the coupon's, read it for the gate.
-- Those that processes run before `coupon migrate` take the column from `before_0026` when the table does not have it.

-- name: list_audiences
-- in:  coupon_ids (null: of every coupon)
-- out: coupon_id, audience of coupons that have a list
SELECT c.coupon_id, c.audience
  FROM (SELECT NULL::text AS audience) AS before_0026
 CROSS JOIN LATERAL (
   SELECT coupon_id, audience FROM coupon
    WHERE audience IS NOT NULL
      AND (%(coupon_ids)s::bigint[] IS NULL OR coupon_id = ANY (%(coupon_ids)s::bigint[]))) AS c;

-- name: stream_audience
-- Of this version only: another one may be divided into chunks in another way.
-- in:  coupon_id, audience
-- out: chunk, users, in order
SELECT k.chunk, k.users
  FROM coupon c
  JOIN coupon_audience_chunk k USING (coupon_id)
 WHERE c.coupon_id = %(coupon_id)s AND c.audience = %(audience)s
 ORDER BY k.chunk;

-- name: find_chunk
-- in:  coupon_id, audience, chunk
-- out: users of this chunk of the list; no row when the list is not in force
SELECT k.users
  FROM coupon c
  JOIN coupon_audience_chunk k USING (coupon_id)
 WHERE c.coupon_id = %(coupon_id)s AND c.audience = %(audience)s AND k.chunk = %(chunk)s;

-- name: find_audience
-- in:  coupon_id
-- out: audience, size, listed_by, listed_at (null: everybody); no row when there is no such coupon
SELECT c.audience, a.size, a.listed_by, a.listed_at
  FROM coupon c
  LEFT JOIN coupon_audience a ON a.coupon_id = c.coupon_id AND c.audience IS NOT NULL
 WHERE c.coupon_id = %(coupon_id)s;

-- name: begin_audience_upload
-- in:  coupon_id
-- out: outcome (begun, not_found, closed, archived), begun (the upload, or null)
SELECT outcome, begun FROM begin_audience_upload(%(coupon_id)s);

-- name: find_audience_upload
-- in:  coupon_id, upload_id
-- out: file_offset, unfinished, lines, listed, refused, first_refused; no row: there is none
SELECT file_offset, unfinished, lines, listed, refused, first_refused
  FROM audience_upload WHERE coupon_id = %(coupon_id)s AND upload_id = %(upload_id)s;

-- name: take_audience_part
-- in:  coupon_id, upload_id; seen_bytes, seen_lines, seen_unfinished (as the caller read them); taken_bytes, lines,
--      unfinished, refused, first_refused (as they are then); user_ids (of these lines)
-- out: whether the upload was as it was seen
SELECT take_audience_part(%(coupon_id)s, %(upload_id)s, %(seen_bytes)s, %(seen_lines)s,
                          %(seen_unfinished)s, %(taken_bytes)s, %(lines)s, %(unfinished)s, %(user_ids)s::bigint[],
                          %(refused)s, %(first_refused)s);

-- name: set_audience
-- in:  coupon_id, upload_id, chunk_counts, most_a_chunk, acted_by
-- out: outcome (see set_audience in the migrations)
SELECT set_audience(%(coupon_id)s, %(upload_id)s, %(chunk_counts)s::bigint[], %(most_a_chunk)s, %(acted_by)s);

-- name: remove_audience
-- in:  coupon_id, acted_by
-- out: outcome (done, repeated, not_found)
SELECT remove_audience(%(coupon_id)s, %(acted_by)s);

-- name: forget_audience_uploads
-- out: how many
SELECT forget_audience_uploads();
