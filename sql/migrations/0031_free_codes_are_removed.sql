-- Free codes of a pool can be removed, and `coupon verify` can check codes that it may not read.
-- depends: 0030_retired_coupons

COMMENT ON COLUMN coupon_codes.pool_size IS 'How many codes the pool has, given ones too. Given ones are never removed.';

-- Removes the codes of a pool that nobody has, and counts the rest. As an upload, it runs alone. Who asks for a code
-- meanwhile gets one that was locked before, or waits until this ends. A code that is being given stays.
-- out: outcome (done, not_found, other_kind: its codes do not come from a pool, busy); removed: how many
CREATE FUNCTION remove_free_codes(of_coupon bigint, by_whom text, OUT outcome text, OUT removed bigint)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  removed := 0;
  outcome := begin_pool_upload(of_coupon);
  IF outcome <> 'begun' THEN
    RETURN;
  END IF;
  -- Its codes are being written into files.
  IF EXISTS (SELECT FROM retired_coupon WHERE coupon_id = of_coupon) THEN
    PERFORM refuse_retired();
  END IF;
  outcome := 'done';
  DELETE FROM coupon_code WHERE coupon_id = of_coupon AND user_id IS NULL;
  GET DIAGNOSTICS removed = ROW_COUNT;
  IF removed = 0 THEN
    RETURN;
  END IF;
  UPDATE coupon_codes SET pool_size = (SELECT count(*) FROM coupon_code WHERE coupon_id = of_coupon)
   WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  VALUES (by_whom, 'remove codes', of_coupon, 'done', format('%s codes', removed));
END $$;
REVOKE ALL ON FUNCTION remove_free_codes(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION remove_free_codes(bigint, text) TO coupon_api;

-- Whether the check character of a made code is right; coupons/codes.py computes the same. Each character adds its value,
-- multiplied by x as often as characters come after it, in the field of 32 elements with x^5 = x^2 + 1.
CREATE FUNCTION made_code_fits(code_key text) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
  AS $$
DECLARE
  total integer := 0;
BEGIN
  FOR place IN 1 .. length(code_key) LOOP
    total := total << 1;
    IF total & 32 <> 0 THEN
      total := total # 37;
    END IF;
    total := total # (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(code_key, place, 1)) - 1);
  END LOOP;
  RETURN total = 0;
END $$;

-- Issued coupons whose made code has a wrong check character, so that no till finds it. It does not say the code.
CREATE FUNCTION find_codes_that_do_not_fit(of_coupon bigint, most bigint)
  RETURNS TABLE (coupon_id bigint, user_id bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  SELECT k.coupon_id, k.user_id FROM coupon_code k
   WHERE k.kind = 'made' AND k.coupon_id = coalesce(of_coupon, k.coupon_id) AND NOT made_code_fits(k.code_key)
   LIMIT most
$$;
REVOKE ALL ON FUNCTION find_codes_that_do_not_fit(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_codes_that_do_not_fit(bigint, bigint) TO coupon_ops;

-- How many codes of a coupon are there more than once, whosever the others are. It does not say which.
CREATE FUNCTION count_codes_twice(of_coupon bigint) RETURNS TABLE (coupon_id bigint, twice bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  SELECT k.coupon_id, count(*) FROM coupon_code k
   WHERE k.code_key IN (SELECT d.code_key FROM coupon_code d GROUP BY d.code_key HAVING count(*) > 1)
     AND k.coupon_id = coalesce(of_coupon, k.coupon_id)
   GROUP BY k.coupon_id
$$;
REVOKE ALL ON FUNCTION count_codes_twice(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION count_codes_twice(bigint) TO coupon_ops;
