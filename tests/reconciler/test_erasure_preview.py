"""What a preview of an erasure says when Postgres refuses it."""

import psycopg
import pytest

from coupons.errors import LedgerUnavailable
from coupons.gate.erasing import preview_erasure
from coupons.ledger.connection import Connection
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused
from tests.reconciler.conftest import Shop

USER = 4711


def test_a_preview_that_waits_for_a_lock_says_so(shop: Shop, ops: Connection) -> None:
    """The connection is not lost, and the next preview uses it."""
    shop.accept(USER)
    shop.issue(USER)
    ops.execute("SET lock_timeout = '50ms'")
    with psycopg.connect(shop.database.url("coupon_owner")) as other:
        other.execute("LOCK TABLE coupon_expiry_walk")

        with pytest.raises(LedgerRefused) as refused:
            preview_erasure(ops, USER)

    assert refused.value.refusal is LedgerRefusal.LOCKED
    assert preview_erasure(ops, USER)["issued_coupon"] == 1


def test_a_preview_whose_transaction_cannot_begin_says_that_postgres_is_away(
    shop: Shop, ops: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any error of Postgres is one of ours."""
    monkeypatch.setattr("coupons.gate.erasing.find_requests_to_erase", lambda *_: _end(ops))
    with pytest.raises(LedgerUnavailable):
        preview_erasure(ops, USER)


def _end(connection: Connection) -> list[object]:
    """Postgres ends the session between two statements."""
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    return []
