-- Many issued coupons are changed and shown by one call: half of Postgres' work for a use was calls between functions.
-- depends: 0031_free_codes_are_removed

-- Changes issued coupons as change_issued_coupon does, in the order of their key, and shows each as it is then. Nobody
-- is waited for: one that somebody else has locked is left as it is, because it would hold up all others. So is a
-- revocation that raises the total of a coupon (give_revoked_back) which somebody else has locked.
-- in:  of each change: the issued coupon; wanted, references, reasons, by_whom (see change_issued_coupon)
-- out: number of the change from 1; outcome (see change_issued_coupon, or 'locked'); the coupon. No row: there is none
CREATE FUNCTION change_issued_coupons(
  of_users bigint[], of_coupons bigint[], wanted text[], order_references text[], reasons text[], by_whom text[]
) RETURNS TABLE (number bigint, outcome text, coupon owned_coupon)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  numbers  bigint[];
  outcomes text[];
  place    bigint;
  busy     bigint[] := '{}';
BEGIN
  IF 'revoke' = ANY (wanted) THEN
    WITH listed AS MATERIALIZED (
      SELECT coupon_id FROM coupon
       WHERE standby IN ('empty', 'waiting') AND state <> 'closed'
         AND coupon_id IN (SELECT u.coupon_id FROM unnest(of_coupons, wanted) AS u (coupon_id, change)
                            WHERE u.change = 'revoke')
    ), held AS MATERIALIZED (
      SELECT c.coupon_id FROM coupon c
       WHERE c.coupon_id IN (SELECT coupon_id FROM listed) ORDER BY c.coupon_id FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT coalesce(array_agg(coupon_id), '{}') INTO busy FROM (TABLE listed EXCEPT TABLE held) AS l;
  END IF;
  -- Changes of the same coupon come in different turns. What is locked here stays locked until the transaction ends.
  FOR numbers IN
    WITH w AS MATERIALIZED (
      SELECT user_id, coupon_id, number
        FROM unnest(of_users, of_coupons, wanted) WITH ORDINALITY AS u (user_id, coupon_id, change, number)
       WHERE change <> 'revoke' OR coupon_id <> ALL (busy)
    ), held AS MATERIALIZED (
      SELECT i.user_id, i.coupon_id
        FROM issued_coupon i
       WHERE (i.user_id, i.coupon_id) IN (SELECT user_id, coupon_id FROM w)
       ORDER BY i.user_id, i.coupon_id
         FOR NO KEY UPDATE SKIP LOCKED
    ), turns AS (
      SELECT w.*, row_number() OVER (PARTITION BY user_id, coupon_id ORDER BY w.number) AS turn
        FROM w JOIN held USING (user_id, coupon_id)
    )
    SELECT array_agg(t.number ORDER BY t.user_id, t.coupon_id) FROM turns t GROUP BY turn ORDER BY turn
  LOOP
    outcomes := '{}';
    FOREACH place IN ARRAY numbers LOOP
      outcomes := outcomes || change_issued_coupon(
        of_users[place], of_coupons[place], wanted[place], order_references[place], reasons[place], by_whom[place]);
    END LOOP;
    RETURN QUERY
      SELECT c.number, c.said, o
        FROM unnest(numbers, outcomes) AS c (number, said)
        JOIN owned_coupon o ON o.user_id = of_users[c.number] AND o.coupon_id = of_coupons[c.number];
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION change_issued_coupons(bigint[], bigint[], text[], text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION change_issued_coupons(bigint[], bigint[], text[], text[], text[], text[]) TO coupon_api;

-- Still called by a process of before, while a system is upgraded.
COMMENT ON FUNCTION change_and_show_issued_coupon(bigint, bigint, text, text, text, text) IS 'For processes of before: now it is change_issued_coupons.';
COMMENT ON FUNCTION hold_issued_coupons(bigint[], bigint[]) IS 'For processes of before: now it is change_issued_coupons.';
