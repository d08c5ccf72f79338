-- What Debezium streams: new issue requests and heartbeats, inserts only.
-- depends: 0001_ledger

CREATE TABLE cdc_heartbeat (
  beat_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  beat_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Writes one heartbeat; called by the connector's heartbeat.action.query. It runs with its owner's rights, so the
-- connector's role needs no right to write. Heartbeats older than an hour are deleted; that is not published.
CREATE FUNCTION cdc_beat() RETURNS bigint
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS 'WITH pruned AS (DELETE FROM cdc_heartbeat WHERE beat_at < clock_timestamp() - interval ''1 hour'')
      INSERT INTO cdc_heartbeat DEFAULT VALUES RETURNING beat_id';
REVOKE ALL ON FUNCTION cdc_beat() FROM PUBLIC;

CREATE PUBLICATION coupon_cdc
  FOR TABLE coupon_issue_request, cdc_heartbeat WITH (publish = 'insert');
