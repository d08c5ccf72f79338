# Runs once, when the data of the first server is created.
# No standby follows yet: a commit that waits for one would never end.
export PGOPTIONS='-c synchronous_commit=local'
psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set password="$(cat /run/secrets/coupon_replication)" <<'SQL'
CREATE ROLE coupon_replication LOGIN REPLICATION PASSWORD :'password';
-- What pg_rewind reads.
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) TO coupon_replication;
GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean) TO coupon_replication;
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO coupon_replication;
GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO coupon_replication;
-- The proxy logs in with this role to see whether the server accepts writes. It has no rights.
CREATE ROLE coupon_check LOGIN CONNECTION LIMIT 10;
SQL
# Before the image's own line for everybody: the first that matches counts.
sed -i '1i host postgres coupon_check all trust' "$PGDATA/pg_hba.conf"
echo 'host replication coupon_replication all scram-sha-256' >>"$PGDATA/pg_hba.conf"
