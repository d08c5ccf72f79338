"""Changes of issued coupons over HTTP when many come at once, or Postgres is slow."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client

from coupons.ids import request_id
from tests.api.test_bad_input import is_problem
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner, issue

USER, TILL = 42, 900
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
    return lambda action: client.post(f"{path}/{action}", json=ACTIONS[action], headers=headers)


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


@pytest.mark.usefixtures("patient_writes")
def test_a_change_of_a_locked_coupon_says_that_nothing_was_done(
    change: Callable[[str], Any], database: Database
) -> None:
    """It gives up while it waits for the lock, and not because Postgres does not answer."""
    with psycopg.connect(database.url("coupon_owner")) as other:
        other.execute("SELECT FROM issued_coupon FOR UPDATE")
        is_problem(change("use"), 503, "ledger-unavailable")
    assert as_owner(database, "SELECT FROM issued_coupon_change") == []
    assert change("use").status_code == 200
