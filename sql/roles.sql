-- Run by the database's superuser before the migrations, in any database of the server; safe to repeat.
-- Passwords are set by the caller (ALTER ROLE), never written here. Rights on tables are granted by the
-- migrations: this file only says which roles there are.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY[
    'coupon_owner',       -- owns the schema, runs migrations
    'coupon_api',         -- writes issue requests
    'coupon_consumer',    -- issues coupons
    'coupon_reconciler',  -- rolls admitted claims forward, rebuilds the gate
    'coupon_cdc',         -- Debezium: replication, and SELECT on the published tables
    'coupon_ops',         -- reads everything, writes only what operators did with dead letters
    'coupon_registry'     -- owns the schema registry's own database
  ] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', role_name);
    END IF;
  END LOOP;
END $$;
ALTER ROLE coupon_cdc REPLICATION;
-- Whoever looks for what is wrong sees what every session waits for, and gets in when others have taken every
-- connection (reserved_connections).
GRANT pg_read_all_stats, pg_use_reserved_connections TO coupon_ops;
-- For standby_state(), which tells the others numbers only.
GRANT pg_read_all_stats TO coupon_owner;
