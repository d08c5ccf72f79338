"""A pool of connections to Postgres after the server has ended them."""

import psycopg

from coupons.ledger.connection import LedgerPool, ledger_pool, pooled
from tests.support.databases import Database

SIZE = 4


def server_process(pool: LedgerPool) -> int:
    with pooled(pool) as connection:
        return connection.info.backend_pid


def test_broken_connections_are_replaced_at_once(database: Database) -> None:
    """A restart of Postgres breaks all of them; the pool's own check gives up at the third."""
    pool = ledger_pool(database.url("coupon_api"), "pool of a test", SIZE)
    try:
        taken = [pool.getconn() for _ in range(SIZE)]
        processes = [connection.info.backend_pid for connection in taken]
        for connection in taken:
            pool.putconn(connection)
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) AS pid", [processes]
            )
        assert server_process(pool) not in processes
    finally:
        pool.close()
