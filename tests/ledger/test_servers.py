"""A URL of several servers leads to the one that takes writes."""

import psycopg

from coupons.ledger.migrations import migrate
from coupons.ledger.roles import OWNER
from stack.ports import free_ports
from tests.support.databases import Database


def test_migrations_and_roles_take_a_url_of_several_servers(database: Database) -> None:
    url = database.url(OWNER)
    server = url.rpartition("@")[2].partition("/")[0]
    away = f"127.0.0.1:{free_ports(['away'])['away']}"
    several = url.replace(server, f"{away},{server}") + "?target_session_attrs=read-write"
    with psycopg.connect(several) as connection:
        connection.execute("DROP PUBLICATION coupon_cdc")
        connection.execute("DROP PUBLICATION coupon_events")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    assert migrate(several) != []
    assert migrate(several) == []
