-- Run by the superuser before the migrations, in any database of the server; safe to repeat. The caller sets
-- the passwords (ALTER ROLE); they are never written here. The migrations grant rights on tables: this file
-- only creates the roles.
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
    'coupon_monitor',     -- reads the counts of coupons, requests of dead letters, and what operators did
    'coupon_ops',         -- reads everything, writes the audit trails, operates coupons by one function
    'coupon_registry'     -- owns the schema registry's own database
  ] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', role_name);
    END IF;
  END LOOP;
END $$;
ALTER ROLE coupon_cdc REPLICATION;
-- For diagnosis: it sees what every session waits for, and can connect when all other connections are taken
-- (reserved_connections).
GRANT pg_read_all_stats, pg_use_reserved_connections TO coupon_ops;
-- For standby_state(), which shows only numbers to the other roles.
GRANT pg_read_all_stats TO coupon_owner;
