"""What belonged to a retired coupon is gone, and not unknown; the coupon itself can be read."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from coupons.gate import Gate
from coupons.ids import request_id
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from reconciler.routine_pass import run_pass
from tests.api.test_coupon_versions import is_problem
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner
from tests.support.retiring import retire_without_files

Headers = dict[str, str]
USER, OTHER = 42, 43
ORDER = {"order_reference": "A-1"}


@pytest.fixture
def archived(
    client: Client,
    admin: Headers,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    database: Database,
    gate: Gate,
) -> int:
    """A coupon that USER has, archived, and forgotten by the gate."""
    coupon_id = new_coupon(valid_for_days=30)
    assert claim(coupon_id, USER).status_code == 202
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        outcomes = issue_or_reject(consumer, find_requests(consumer, [(coupon_id, USER)]))
    gate.settle(outcome.request for outcome in outcomes)
    for action in ("close", "archive"):
        done = client.post(f"/coupons/{coupon_id}/{action}", headers=admin)
        assert done.status_code == 200
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert list(run_pass(gate, reconciler, pending_after_s=0.0)) == []
    return coupon_id


@pytest.fixture
def retired(archived: int, database: Database) -> int:
    retire_without_files(database, archived)
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        ops.execute("SELECT drop_retired(%s, 0, 10, 'a test')", [archived])
    return archived


def test_reads_of_what_was_dropped_say_that_it_is_gone(
    client: Client, admin: Headers, bearer: Bearer, retired: int
) -> None:
    """For its user and for operators. For everybody else there is nothing, as before."""
    given = request_id(retired, USER)
    paths = (
        *(f"/issue-requests/{given}", f"/issue-requests/{given}/timeline"),
        *(f"/issued-coupons/{given}", f"/issued-coupons/{given}/changes"),
    )
    for path in paths:
        is_problem(client.get(path, headers=bearer(USER)), 410, "retired")
        is_problem(client.get(path, headers=admin), 410, "retired")
        is_problem(client.get(path, headers=bearer(OTHER)), 404, "not-found")
    one = f"/issued-coupons/{given}"
    is_problem(client.post(f"{one}/code", headers=bearer(USER)), 410, "retired")
    is_problem(client.post(f"{one}/use", json=ORDER, headers=bearer(USER)), 410, "retired")
    is_problem(client.post(f"{one}/revoke", json={"reason": "r"}, headers=admin), 410, "retired")


def test_lists_of_the_user_show_nothing_of_it(client: Client, bearer: Bearer, retired: int) -> None:
    page = client.get("/users/me/coupons", headers=bearer(USER))
    assert page.get_json()["items"] == []


def test_the_coupon_says_since_when(
    client: Client, admin: Headers, archived: int, database: Database
) -> None:
    """It stays as it is, archived, with its counts."""
    path = f"/coupons/{archived}"
    assert client.get(path, headers=admin).get_json()["retired_at"] is None
    before = client.get(path, headers=admin).get_json()
    retire_without_files(database, archived)
    after = client.get(path, headers=admin).get_json()
    assert after == {**before, "retired_at": "2027-01-02T03:04:05.000000Z"}
    listed = client.get("/coupons?state=archived", headers=admin).get_json()["items"]
    assert [each["retired_at"] for each in listed] == [after["retired_at"]]


def test_its_codes_stay_as_they_are(client: Client, admin: Headers, retired: int) -> None:
    """Their kind is not chosen any more."""
    codes = f"/coupons/{retired}/codes"
    chosen = client.put(codes, json={"kind": "pool"}, headers=admin)
    is_problem(chosen, 410, "retired")
    assert client.get(codes, headers=admin).get_json()["kind"] == "none"


def test_a_claim_is_refused_as_of_any_archived_coupon(
    claim: Callable[..., Any], retired: int
) -> None:
    """Also of a user who had it: the ledger does not know that any more."""
    for user in (USER, OTHER):
        is_problem(claim(retired, user), 409, "closed")


def test_a_use_while_it_is_exported_is_refused(
    client: Client, bearer: Bearer, archived: int, database: Database
) -> None:
    """It would be dropped without being in the files; reads are as before."""
    as_owner(database, "INSERT INTO retired_coupon (coupon_id) VALUES (%s)", archived)
    one = f"/issued-coupons/{request_id(archived, USER)}"
    is_problem(client.post(f"{one}/use", json=ORDER, headers=bearer(USER)), 410, "retired")
    assert client.get(one, headers=bearer(USER)).get_json()["state"] == "active"
