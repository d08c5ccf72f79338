"""Nobody but its owner may enter a database that is closed, however open it was before."""

import psycopg
import pytest

from coupons.ledger.migrations import close_databases
from tests.support.databases import Database


def test_an_open_database_is_closed_and_a_missing_one_is_passed_over(database: Database) -> None:
    role = "coupon_registry_of_a_test"
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'of-a-test'".encode())
        try:
            superuser.execute(f"GRANT ALL ON DATABASE {database.name} TO PUBLIC".encode())
            url = database.url("coupon_api").replace("coupon_api", role)
            psycopg.connect(url).close()
            close_databases(database.superuser_url, [database.name, "there_is_none"])
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(url)
        finally:
            superuser.execute(f"DROP ROLE {role}".encode())
