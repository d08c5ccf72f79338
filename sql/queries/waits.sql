-- What the sessions of Postgres wait for, and which session blocks them. Complete only with pg_read_all_stats.

-- name: read_standbys
-- out: wanted (synchronous_standby_names; '': none), confirming (names of standbys that confirm commits), connected
--      (names of all standbys), waiting (commits that wait for one), longest (their longest wait, in seconds)
SELECT current_setting('synchronous_standby_names') AS wanted,
       ARRAY(SELECT application_name FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum') ORDER BY 1) AS confirming,
       ARRAY(SELECT application_name FROM pg_stat_replication
              WHERE pid NOT IN (SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active)
              ORDER BY 1) AS connected,
       count(*) AS waiting,
       coalesce(extract(epoch FROM clock_timestamp() - min(state_change)), 0)::float8 AS longest
  FROM pg_stat_activity WHERE wait_event = 'SyncRep';

-- name: list_blockers
-- in:  waits (a session counts when it has waited this many seconds)
-- out: of each session that others wait for: pid (0: a prepared transaction), role, application, state, wait_event,
--      seconds (age of its transaction), query, blocks (sessions that wait for it directly), longest (their longest
--      wait, in seconds), is_blocked (it waits for a lock itself)
WITH waiter AS (
  SELECT pid, extract(epoch FROM clock_timestamp() - min(waitstart))::float8 AS waits FROM pg_locks WHERE NOT granted GROUP BY pid
), blocker AS (
  SELECT b.pid, count(*) AS blocks, max(w.waits) AS longest
    FROM waiter w, LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(w.pid)) AS pid) b
   WHERE w.waits >= %(waits)s
   GROUP BY b.pid
)
SELECT b.pid, a.usename AS role, a.application_name AS application, a.state, a.wait_event,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds, a.query, b.blocks, b.longest,
       b.pid IN (SELECT pid FROM waiter) AS is_blocked
  FROM blocker b LEFT JOIN pg_stat_activity a ON a.pid = b.pid
 ORDER BY is_blocked, b.blocks DESC, b.pid;

-- name: count_connections
-- out: open_ones, free_ones (for roles that have none reserved)
SELECT count(*) AS open_ones,
       greatest(0, current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                   - coalesce(current_setting('reserved_connections', true), '0')::int - count(*)) AS free_ones
  FROM pg_stat_activity WHERE backend_type = 'client backend';

-- name: list_connections
-- out: role, database, application, address, connections, idle ones among them; the most first
SELECT usename AS role, datname AS database, application_name AS application, coalesce(host(client_addr), 'a socket') AS address,
       count(*) AS connections, count(*) FILTER (WHERE state LIKE 'idle%%') AS idle
  FROM pg_stat_activity WHERE backend_type = 'client backend'
 GROUP BY 1, 2, 3, 4 ORDER BY connections DESC, role, database, application;

-- name: list_awaited_slots
-- The change stream waits until these physical slots have confirmed.
-- out: name, state (missing, not physical, inactive, active) of each slot in synchronized_standby_slots
SELECT n.name,
       CASE WHEN s.slot_name IS NULL THEN 'missing' WHEN s.slot_type <> 'physical' THEN 'not physical'
            WHEN NOT s.active THEN 'inactive' ELSE 'active' END AS state
  FROM unnest(string_to_array(coalesce(current_setting('synchronized_standby_slots', true), ''), ',')) AS named (raw),
       LATERAL (SELECT trim(both ' "' FROM raw) AS name) AS n
  LEFT JOIN pg_replication_slots s ON s.slot_name = n.name
 WHERE n.name <> '' ORDER BY n.name;

-- name: find_reconciler_lock
-- out: role, application, address of the session that holds the lock of become_active_reconciler; no row: no session
SELECT a.usename, a.application_name, coalesce(host(a.client_addr), 'a socket') AS address
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objid = 1668249710 AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());
