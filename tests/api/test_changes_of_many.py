"""Changes of issued coupons over HTTP when many come at once, or Postgres is slow."""

from collections.abc import Callable, Sequence
from threading import current_thread
from typing import Any

import psycopg
import pytest
from flask import Request
from werkzeug.test import Client

from api import bodies, change_writer
from api.bodies import CouponUse, read_body
from coupons.ids import request_id
from coupons.ledger.connection import Connection
from coupons.ledger.owned_coupons import WantedChange, change_owned_coupons
from tests.api.test_bad_input import is_problem
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner, issue

USER, TILL = 42, 900
CHANGES = "SELECT count(*) FROM issued_coupon_change"
ACTIONS = {
    "use": {"order_reference": "A"},
    "cancel-use": {"order_reference": "A"},
    "revoke": {"reason": "fraud"},
}


@pytest.fixture
def change(
    new_coupon: NewCoupon, database: Database, client: Client, bearer: Bearer
) -> Callable[[str], Any]:
    """Calls this action for the coupon that USER has."""
    coupon_id = new_coupon()
    issue(database, (coupon_id, USER))
    headers = bearer(TILL, ["coupon:redeem", "coupon:admin"])
    path = f"/issued-coupons/{request_id(coupon_id, USER)}"

    def call(action: str, body: object = None) -> Any:
        return client.post(f"{path}/{action}", json=body or ACTIONS[action], headers=headers)

    return call


@pytest.mark.parametrize("action", ACTIONS)
def test_a_change_that_finds_the_queue_full_is_refused_at_once(
    change: Callable[[str], Any], action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says that nothing was done, and when to try again."""
    monkeypatch.setattr("api.write_batcher.WriteBatcher.is_full", True)
    answer = change(action)
    is_problem(answer, 503, "overloaded")
    assert "nothing was changed" in answer.get_json()["detail"]
    assert answer.headers["retry-after"] in ("1", "2", "3")
    monkeypatch.undo()
    assert change("use").status_code == 200


def test_a_change_of_a_locked_coupon_says_that_nothing_was_done(
    change: Callable[[str], Any], database: Database
) -> None:
    """Whoever locks it holds up no other change: it is looked at again some times."""
    with psycopg.connect(database.url("coupon_owner")) as other:
        other.execute("SELECT FROM issued_coupon FOR UPDATE")
        answer = change("use")
    is_problem(answer, 503, "ledger-unavailable")
    assert "is locked: nothing was changed" in answer.get_json()["detail"]
    assert as_owner(database, CHANGES) == [(0,)]
    assert change("use").status_code == 200


def test_a_coupon_that_is_locked_for_a_moment_is_changed_then(
    change: Callable[[str], Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another worker that uses it at the same time."""
    with psycopg.connect(database.url("coupon_owner")) as other:

        def look(connection: Connection, wanted: Sequence[WantedChange]) -> object:
            results = change_owned_coupons(connection, wanted)
            other.rollback()
            return results

        monkeypatch.setattr(change_writer, "change_owned_coupons", look)
        other.execute("SELECT FROM issued_coupon FOR UPDATE")
        assert change("use").status_code == 200
    assert as_owner(database, CHANGES) == [(1,)]


def test_a_large_body_is_not_parsed_in_the_event_loop(
    change: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of many unknown fields takes long: everybody else would wait for it."""
    threads = []

    def read(request: Request, form: type[CouponUse]) -> CouponUse:
        threads.append(current_thread().name)
        return read_body(request, form)

    monkeypatch.setattr(bodies, "read_body", read)
    is_problem(change("use", {f"field {number}": 1 for number in range(500)}), 422, "invalid")
    assert change("use").status_code == 200
    large, small = threads
    assert large != small
