-- A registry that lost its schemas gets the schema of requests again with the next request that is streamed. Where
-- none is under way, one that is final is streamed once more.
-- depends: 0020_states_of_administrators

-- Rewrites one request, whatever its status, as cdc_emit_again does. It is handled again and changes nothing. It runs
-- with its owner's rights: the connector's role can republish an event, and nothing else.
-- out: whether there is a request
CREATE FUNCTION cdc_emit_any_again() RETURNS boolean
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $function$
DECLARE
  columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                    WHERE attrelid = 'public.coupon_issue_request'::regclass
                      AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
  emitted integer;
BEGIN
  EXECUTE format(
    'WITH one AS MATERIALIZED (
       SELECT coupon_id, user_id FROM coupon_issue_request ORDER BY coupon_id DESC, user_id DESC LIMIT 1
     ), taken AS (
       DELETE FROM coupon_issue_request r USING one
        WHERE r.coupon_id = one.coupon_id AND r.user_id = one.user_id
       RETURNING r.*
     )
     INSERT INTO coupon_issue_request (%1$s) OVERRIDING SYSTEM VALUE SELECT %1$s FROM taken', columns);
  GET DIAGNOSTICS emitted = ROW_COUNT;
  RETURN emitted > 0;
END
  $function$;
REVOKE ALL ON FUNCTION cdc_emit_any_again() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cdc_emit_any_again() TO coupon_cdc;
