-- A test whether the server takes writes, and narrower rights for the roles that write coupons.
-- depends: 0007_readable_windows

-- It stays empty. Unlogged, so that a check every second writes no WAL. A row needs a page of its own, so that a
-- full disk is noticed.
CREATE UNLOGGED TABLE write_check (filler text NOT NULL);
ALTER TABLE write_check ALTER COLUMN filler SET STORAGE PLAIN;

-- Writes a row and undoes it. Raises the errors of any write: read only, disk full.
CREATE FUNCTION try_write() RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  INSERT INTO write_check VALUES (repeat('x', 7000));
  RAISE EXCEPTION USING ERRCODE = 'CC000', MESSAGE = 'undone';
EXCEPTION
  WHEN SQLSTATE 'CC000' THEN NULL;
END $$;
REVOKE ALL ON FUNCTION try_write() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION try_write() TO coupon_api, coupon_consumer, coupon_reconciler, coupon_ops;

-- Numbers of standbys, for roles that may not see other sessions. The owner has pg_read_all_stats.
-- out: confirming (standbys that confirm commits), unconfirmed (commits that have waited for one for a second or more)
CREATE FUNCTION standby_state(OUT confirming bigint, OUT unconfirmed bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS 'SELECT (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN (''sync'', ''quorum'')),
             (SELECT count(*) FROM pg_stat_activity
               WHERE wait_event = ''SyncRep'' AND state_change < clock_timestamp() - interval ''1 second'')';
REVOKE ALL ON FUNCTION standby_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION standby_state() TO coupon_api, coupon_consumer, coupon_reconciler, coupon_ops;

-- A new coupon has nothing issued, is open, and is in its first epoch: the API sets only the rest.
REVOKE INSERT ON coupon FROM coupon_api;
GRANT INSERT (coupon_id, name, total_quantity, issue_starts_at, issue_ends_at, eligible_group) ON coupon TO coupon_api;

-- For every process: a closed coupon stays closed, and version and gate_epoch only grow. No process runs as the
-- owner, which may correct a coupon.
CREATE FUNCTION refuse_way_back() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    CONSTRAINT = 'coupon_only_goes_on',
    MESSAGE = format('coupon %s: a closed coupon stays closed, and version and gate_epoch only grow', OLD.coupon_id);
END $$;
CREATE TRIGGER coupon_only_goes_on
  BEFORE UPDATE OF state, version, gate_epoch ON coupon
  FOR EACH ROW
  WHEN ((OLD.state = 'closed' AND NEW.state <> 'closed' OR NEW.version < OLD.version OR NEW.gate_epoch < OLD.gate_epoch)
        AND NOT pg_has_role(current_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_way_back();
