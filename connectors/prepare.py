"""Prepares a Postgres server for the project: roles, database, migrations, replication slot.

It is here and not in coupons/ledger because the slot belongs to the change stream.
"""

from collections.abc import Mapping
from contextlib import closing

import psycopg

from connectors.slot import make_slot, read_slot, refuse_foreign
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import connect_ledger
from coupons.ledger.migrations import admit_roles, create_database, create_roles, migrate
from coupons.ledger.roles import OWNER, role_url


def prepare_database(superuser_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Create what is missing on the server at `superuser_url`; safe to repeat.

    database: its name; created when missing, owned by coupon_owner. passwords: one for each role of
    sql/roles.sql, set again each time. The replication slot exists on return, so that no request
    can be written before it. Raises ConfigurationError or LedgerUnavailable.
    """
    try:
        create_roles(superuser_url, passwords)
        create_database(superuser_url, database, OWNER)
        admit_roles(superuser_url, database)
        migrate(role_url(superuser_url, OWNER, passwords[OWNER], database))
        create_slot(role_url(superuser_url, "coupon_cdc", passwords["coupon_cdc"], database))
    except psycopg.OperationalError as error:
        raise LedgerUnavailable(f"Postgres could not be prepared: {error}") from error


def create_slot(cdc_url: str) -> None:
    """Create the replication slot that Debezium reads, when there is none.

    A slot that lost its WAL is left as it is, for `coupon connector recover`. Raises
    ConfigurationError when a slot of that name belongs to another database or plugin.
    """
    with closing(connect_ledger(cdc_url, "coupon-migrate")) as connection:
        slot = read_slot(connection)
        refuse_foreign(slot)
        if not slot.exists:
            make_slot(connection)
