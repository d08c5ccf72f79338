-- Repairs a gap in the change stream: requests that were never streamed are written to the WAL again.
-- depends: 0003_grants

-- Reads the next page of requests in key order, and rewrites those that are not final: one statement deletes and
-- inserts the same row. The publication has only inserts, so the change stream gets the same change event once
-- more, and a reader of the table never misses the row. It runs with its owner's rights: the connector's role can
-- republish an event, and nothing else.
-- out: the page's last key (null: there are no more), rows read, rows rewritten
CREATE FUNCTION cdc_emit_again(
  after_coupon_id bigint, after_user_id bigint, page_size integer,
  OUT last_coupon_id bigint, OUT last_user_id bigint, OUT read_rows bigint, OUT emitted_rows bigint
)
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS 'WITH page AS MATERIALIZED (
        SELECT r.coupon_id, r.user_id,
               EXISTS (SELECT FROM issued_coupon i WHERE i.user_id = r.user_id AND i.coupon_id = r.coupon_id)
               OR EXISTS (SELECT FROM issue_rejection j WHERE j.coupon_id = r.coupon_id AND j.user_id = r.user_id)
               AS is_final
          FROM coupon_issue_request r
         WHERE (r.coupon_id, r.user_id) > (after_coupon_id, after_user_id)
         ORDER BY r.coupon_id, r.user_id
         LIMIT page_size
      ), taken AS (
        DELETE FROM coupon_issue_request r
         USING page p
         WHERE r.coupon_id = p.coupon_id AND r.user_id = p.user_id AND NOT p.is_final
        RETURNING r.*
      ), republished AS (
        INSERT INTO coupon_issue_request SELECT * FROM taken RETURNING 1
      ), last_key AS (
        SELECT coupon_id, user_id FROM page ORDER BY coupon_id DESC, user_id DESC LIMIT 1
      )
      SELECT (SELECT coupon_id FROM last_key), (SELECT user_id FROM last_key),
             (SELECT count(*) FROM page), (SELECT count(*) FROM republished)';
REVOKE ALL ON FUNCTION cdc_emit_again(bigint, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cdc_emit_again(bigint, bigint, integer) TO coupon_cdc;
GRANT SELECT ON issue_request TO coupon_cdc;
GRANT SELECT ON _yoyo_migration TO coupon_ops;
