-- Run by the superuser in the project's database, after roles.sql and before the migrations; safe to repeat. A
-- dump does not contain these settings of the database itself.
DO $$
DECLARE
  function regprocedure;
BEGIN
  EXECUTE format(
    'GRANT CONNECT ON DATABASE %I TO coupon_owner, coupon_api, coupon_consumer, coupon_reconciler, coupon_monitor,
     coupon_cdc, coupon_ops',
    current_database());
  -- Advisory locks select the active reconciler, and guard rebuilds and recovery: only these roles may take one.
  FOR function IN
    SELECT oid FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO coupon_owner, coupon_reconciler, coupon_cdc, coupon_ops', function);
  END LOOP;
END $$;
