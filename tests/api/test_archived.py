"""A closed coupon is put away once everything is final, and its users notice nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.tokens import SCOPES
from tests.api.test_coupon_versions import is_problem
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Headers = dict[str, str]
Claim = Callable[..., Any]
Finish = Callable[..., None]
USERS = (42, 43, 44)
ORDER = {"order_reference": "A-1"}


@pytest.fixture
def finish(database: Database, gate: Gate) -> Finish:
    """Issues requests as the consumer does."""

    def issue_all(coupon_id: int, *users: int, mark: bool = True) -> None:
        with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
            requests = find_requests(consumer, [(coupon_id, user) for user in users])
            outcomes = issue_or_reject(consumer, requests)
        if mark:
            gate.settle(outcome.request for outcome in outcomes)

    return issue_all


@pytest.fixture
def closed(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Claim, finish: Finish
) -> int:
    """A coupon that USERS have, and that is closed."""
    coupon_id = new_coupon(valid_for_days=30)
    for user in USERS:
        assert claim(coupon_id, user).status_code == 202
    finish(coupon_id, *USERS)
    client.post(f"/coupons/{coupon_id}/close", headers=admin)
    return coupon_id


@pytest.fixture
def archive(client: Client, admin: Headers) -> Callable[..., Any]:
    def archive_one(coupon_id: int, **headers: str) -> Any:
        return client.post(f"/coupons/{coupon_id}/archive", headers={**admin, **headers})

    return archive_one


def test_archiving_puts_a_coupon_away_and_repeating_it_changes_nothing(
    client: Client, admin: Headers, closed: int, archive: Any
) -> None:
    path = f"/coupons/{closed}"
    before = client.get(path, headers=admin)
    done = archive(closed)
    assert (done.status_code, done.json["state"], done.json["is_at_gate"]) == (
        200,
        "archived",
        True,
    )
    assert done.headers["ETag"] != before.headers["ETag"]
    assert archive(closed, **{"If-Match": before.headers["ETag"]}).json == done.json
    first, second, *_ = client.get(f"{path}/audit", headers=admin).get_json()["items"]
    assert first["changes"] == {"state": {"from": "closed", "to": "archived"}}
    assert second["changes"] == {"state": {"from": "open", "to": "closed"}}


def test_an_archived_coupon_is_read_only(
    client: Client, admin: Headers, closed: int, archive: Any
) -> None:
    done, path = archive(closed), f"/coupons/{closed}"
    for action in ("pause", "resume", "close"):
        is_problem(client.post(f"{path}/{action}", headers=admin), 409, "archived")
    for body in ({"name": "y"}, {"total_quantity": 500}, {"state": "open"}):
        is_problem(client.patch(path, json=body, headers=admin | ANY_VERSION), 409, "archived")
    assert client.get(path, headers=admin).get_json() == done.json


@pytest.mark.parametrize(
    ("action", "kind"), [(None, "not-closed"), ("pause", "not-closed"), ("draft", "draft")]
)
def test_what_is_not_closed_is_not_archived(
    client: Client,
    admin: Headers,
    new_coupon: NewCoupon,
    archive: Any,
    action: str | None,
    kind: str,
) -> None:
    coupon_id = new_coupon(state="draft" if action == "draft" else "open")
    if action == "pause":
        client.post(f"/coupons/{coupon_id}/pause", headers=admin)
    is_problem(archive(coupon_id), 409, kind)
    is_problem(archive(coupon_id, **{"If-Match": '"1"'}), 412, "precondition-failed")
    is_problem(archive(coupon_id + 1000), 404, "not-found")


def test_a_stale_archiving_is_412(
    client: Client, admin: Headers, closed: int, archive: Any
) -> None:
    is_problem(archive(closed, **{"If-Match": '"1"'}), 412, "precondition-failed")
    assert client.get(f"/coupons/{closed}", headers=admin).get_json()["state"] == "closed"


def test_nothing_is_archived_while_a_request_is_not_final(
    client: Client,
    admin: Headers,
    new_coupon: NewCoupon,
    claim: Claim,
    archive: Any,
    finish: Finish,
    gate: Gate,
) -> None:
    coupon_id = new_coupon()
    assert claim(coupon_id, 42).status_code == 202
    client.post(f"/coupons/{coupon_id}/close", headers=admin)
    assert "1 claims" in is_problem(archive(coupon_id), 409, "in-flight")
    finish(coupon_id, 42, mark=False)
    assert "1 claims" in is_problem(archive(coupon_id), 409, "in-flight"), "not at the gate"
    finish(coupon_id, 42)
    assert archive(coupon_id).status_code == 200


def test_what_the_gate_forgot_is_still_in_flight(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Claim, archive: Any, gate: Gate
) -> None:
    coupon_id = new_coupon()
    assert claim(coupon_id, 42).status_code == 202
    client.post(f"/coupons/{coupon_id}/close", headers=admin)
    gate.client.flushall()
    assert "accepted and not final" in is_problem(archive(coupon_id), 409, "in-flight")


def test_a_gate_that_does_not_know_of_the_closing_is_told_first(
    client: Client,
    admin: Headers,
    new_coupon: NewCoupon,
    claim: Claim,
    archive: Any,
    redis_link: Link,
) -> None:
    """Otherwise it would go on to admit claims of an archived coupon."""
    coupon_id = new_coupon()
    redis_link.cut()
    assert client.post(f"/coupons/{coupon_id}/close", headers=admin).status_code == 202
    is_problem(archive(coupon_id), 503, "gate-unavailable")
    redis_link.restore()
    assert claim(coupon_id, 42).status_code == 202
    is_problem(archive(coupon_id), 409, "in-flight")
    is_problem(claim(coupon_id, 43), 409, "closed")


def test_users_keep_what_they_have(
    client: Client, bearer: Bearer, claim: Claim, closed: int, archive: Any
) -> None:
    """Issued coupons are read, used, given back and revoked as before; claims are refused."""
    assert archive(closed).status_code == 200
    user, till = bearer(42), bearer(900, ("coupon:redeem",))
    path = f"/issued-coupons/{request_id(closed, 42)}"
    assert client.get(path, headers=user).get_json()["state"] == "active"
    mine = client.get("/users/me/coupons", headers=user).get_json()["items"]
    assert [each["coupon_id"] for each in mine] == [str(closed)]
    assert client.get(f"{path}/receipt", headers=user).status_code == 200
    for action, body, state in (
        ("use", ORDER, "used"),
        ("cancel-use", ORDER, "active"),
        ("use", {"order_reference": "B-1"}, "used"),
    ):
        done = client.post(f"{path}/{action}", json=body, headers=till)
        assert (done.status_code, done.get_json()["state"]) == (200, state)
    revoke = f"/issued-coupons/{request_id(closed, 43)}/revoke"
    revoked = client.post(revoke, json={"reason": "x"}, headers=bearer(1, SCOPES))
    assert (revoked.status_code, revoked.get_json()["state"]) == (200, "revoked")
    assert claim(closed, 42).json["status"] == "ISSUED"
    is_problem(claim(closed, 99), 409, "closed")


def test_users_of_a_coupon_with_codes_still_get_theirs(
    client: Client, admin: Headers, bearer: Bearer, closed: int, archive: Any
) -> None:
    codes = client.put(f"/coupons/{closed}/codes", json={"kind": "made"}, headers=admin)
    assert codes.status_code == 200
    assert archive(closed).status_code == 200
    path = f"/issued-coupons/{request_id(closed, 44)}/code"
    assert client.post(path, headers=bearer(44)).status_code == 200


def test_lists_leave_archived_coupons_out_unless_asked(
    client: Client, admin: Headers, new_coupon: NewCoupon, closed: int, archive: Any
) -> None:
    other = new_coupon()
    archive(closed)
    for query, found in {
        "": [other],
        f"?name={closed}": [],
        "?state=archived": [closed],
        f"?state=archived&name={closed}": [closed],
        "?state=closed": [],
        "?state=ended": [],
    }.items():
        answer = client.get(f"/coupons{query}", headers=admin)
        assert [int(each["id"]) for each in answer.get_json()["items"]] == found, query
