"""The link to Postgres: the ledger is trusted only with a certificate that can be checked."""

import pytest

from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import Connection, connect_ledger, ledger_pool, pooled
from coupons.ledger.coupons import create_coupon
from coupons.ledger.requests import accept_requests, find_requests
from coupons.model import Admission, Coupon
from tests.support.certificates import Authority
from tests.support.databases import Database


def make_coupon(connection: Connection) -> Coupon:
    coupon = create_coupon(
        connection,
        coupon_id=None,
        name="of a test",
        total_quantity=10,
        issue_starts_at=None,
        issue_ends_at=None,
        eligible_group=None,
    )
    assert coupon is not None
    return coupon


def test_requests_are_written_and_read_over_tls(tls_database: Database) -> None:
    url = tls_database.url("coupon_api")
    with connect_ledger(url, "test") as api:
        encrypted = api.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert encrypted.fetchone() == (True,)
        coupon = make_coupon(api)
        coupon_id = coupon.coupon_id
        admission = Admission(coupon_id, 7, 1, coupon.gate_epoch, False)
        assert accept_requests(api, [admission]) == {coupon_id}
    pool = ledger_pool(url, "test", 1)
    with pooled(pool) as reader:
        assert [request.user_id for request in find_requests(reader, [(coupon_id, 7)])] == [7]
    pool.close()


def test_a_postgres_that_another_authority_vouches_for_is_not_spoken_to(
    tls_database: Database, authority: Authority, wrong_authority: Authority
) -> None:
    url = tls_database.url("coupon_api").replace(str(authority.file), str(wrong_authority.file))
    with pytest.raises(LedgerUnavailable, match="certificate verify failed"):
        connect_ledger(url, "test")


def test_a_postgres_that_is_not_its_certificates_host_is_refused(
    tls_database: Database,
) -> None:
    """A postgres that is not the host of its certificate is not spoken to."""
    url = tls_database.url("coupon_api").replace("127.0.0.1", "localhost.localdomain")
    with pytest.raises(LedgerUnavailable, match="certificate"):
        connect_ledger(f"{url}&hostaddr=127.0.0.1", "test")


def test_a_postgres_with_tls_lets_no_role_in_without(tls_database: Database) -> None:
    url = tls_database.url("coupon_api").partition("?")[0]
    with pytest.raises(LedgerUnavailable, match="no encryption"):
        connect_ledger(f"{url}?sslmode=disable", "test")
