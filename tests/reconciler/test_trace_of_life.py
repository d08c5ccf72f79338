"""`coupon trace` goes on with what became of an issued coupon."""

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result

from coupons.ledger import lives
from coupons.ledger.connection import connect_ledger
from tests.reconciler.conftest import Shop, Trace
from tests.reconciler.test_trace import of
from tests.support.databases import Database

LONG_AHEAD = "2220-01-02 03:04:05+00"


@pytest.fixture
def change(database: Database, shop: Shop) -> Iterator[Callable[..., None]]:
    """Changes the issued coupon of user 1: what is wanted, the order, the reason."""
    shop.accept(1)
    shop.issue(1)
    with connect_ledger(database.url("coupon_api"), "test") as api:

        def do(wanted: str, order: str | None = None, reason: str | None = None) -> None:
            done = api.execute(
                "SELECT change_issued_coupon(1, %s, %s, %s, %s, 'user 1')",
                [shop.coupon_id, wanted, order, reason],
            ).fetchone()
            assert done == ("done",)

        yield do


def lived(done: Result) -> list[tuple[str, str, str]]:
    """The steps after the mark."""
    steps = json.loads(done.stdout)["steps"]
    return [(step["stage"], step["state"], step["says"]) for step in steps[6:]]


def expires(database: Database, at: str) -> None:
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        owner.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows")
        owner.execute(f"UPDATE coupon SET valid_until = {at}".encode())


def test_what_becomes_of_an_issued_coupon_goes_on_after_the_mark(
    shop: Shop, trace: Trace, change: Callable[..., None]
) -> None:
    assert lived(trace(*of(shop, 1))) == []
    change("use", "A-1")
    change("cancel_use", "A-1")
    change("revoke", reason="fraud")
    done = trace(*of(shop, 1))
    assert lived(done) == [
        ("used", "reached", "for order A-1, by user 1"),
        ("use cancelled", "reached", "the use for order A-1 was cancelled by user 1"),
        ("revoked", "reached", "by user 1, reason: fraud"),
    ]
    times = [step["at"] for step in json.loads(done.stdout)["steps"][6:]]
    assert times == sorted(times)
    assert json.loads(done.stdout)["status"] == "ISSUED"
    assert "A-1" in trace(*of(shop, 1)[:-1]).stdout


def test_when_an_issued_coupon_expires_is_said_before_and_after(
    shop: Shop, trace: Trace, change: Callable[..., None], database: Database
) -> None:
    expires(database, f"'{LONG_AHEAD}'")
    says = "it expires at 2220-01-02 03:04:05 UTC, unless it is used before"
    assert lived(trace(*of(shop, 1))) == [("expired", "waiting", says)]
    change("use", "A-1")
    [_, (stage, state, says)] = lived(trace(*of(shop, 1)))
    assert (stage, state) == ("expired", "waiting")
    assert "not while it is used" in says
    expires(database, "clock_timestamp()")
    change("cancel_use", "A-1")
    says = "the use for order A-1 was cancelled by user 1 after its time was over"
    assert lived(trace(*of(shop, 1)))[1:] == [("expired", "reached", says)]


def test_an_expiry_that_is_not_a_change_yet_is_said(
    shop: Shop, trace: Trace, change: Callable[..., None], database: Database
) -> None:
    expires(database, "clock_timestamp()")
    [(stage, state, says)] = lived(trace(*of(shop, 1)))
    assert (stage, state, "the reconciler writes" in says) == ("expired", "reached", True)


def test_of_very_many_changes_the_last_ones_are_shown(
    shop: Shop, trace: Trace, change: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "MOST_CHANGES", 3)
    for order in ("A", "B"):
        change("use", order)
        change("cancel_use", order)
    found = lived(trace(*of(shop, 1)))
    assert [stage for stage, *_ in found] == ["use cancelled", "used", "use cancelled"]
    assert found[0][2].endswith("; 1 earlier changes are not shown")
    assert "not shown" not in found[1][2]
