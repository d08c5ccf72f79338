"""A closed coupon is put away once everything is final, and its users notice nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import Client

from api.bootstrap import Api
from chaos.link import Link
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.tokens import SCOPES
from coupons.waiting import eventually
from reconciler.routine_pass import run_pass
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
def forget(database: Database, gate: Gate) -> Callable[[], None]:
    """The gate forgets archived coupons, as the reconciler makes it do."""

    def pass_once() -> None:
        with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
            assert list(run_pass(gate, reconciler, pending_after_s=0.0)) == []

    return pass_once


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
    assert (done.status_code, done.json["state"]) == (200, "archived")
    assert (done.json["places_left"], done.json["is_at_gate"]) == (None, None)
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
    assert "final: 1" in is_problem(archive(coupon_id), 409, "in-flight")
    finish(coupon_id, 42, mark=False)
    assert "final: 1" in is_problem(archive(coupon_id), 409, "in-flight"), "not at the gate"
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


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_users_keep_what_they_have(
    client: Client,
    bearer: Bearer,
    claim: Claim,
    closed: int,
    archive: Any,
    forget: Callable[[], None],
    gate: Gate,
    is_forgotten: bool,
) -> None:
    """Issued coupons are read, used, given back and revoked as before; claims are refused."""
    assert archive(closed).status_code == 200
    if is_forgotten:
        forget()
        assert gate.client.keys(f"coupon:{{{closed}}}*") == []
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


def test_every_answer_is_the_same_before_and_after_the_gate_forgets(
    client: Client,
    bearer: Bearer,
    claim: Claim,
    closed: int,
    archive: Any,
    forget: Callable[[], None],
) -> None:
    """Claims, statuses, waits and timelines, of who has it and of who has not."""
    assert archive(closed).status_code == 200

    def answers(user: int) -> list[Any]:
        request, coupon = f"/issue-requests/{request_id(closed, user)}", f"/coupons/{closed}"
        paths = (
            *(request, f"{request}?wait=5", f"{request}/timeline"),
            *(f"{coupon}/issue-requests/me/timeline", coupon),
        )
        read = [client.get(path, headers=bearer(user)) for path in paths]
        read.append(claim(closed, user))
        # The instance of a problem is the call.
        return [(each.status_code, {**each.get_json(), "instance": None}) for each in read]

    before = [answers(user) for user in (42, 99)]
    forget()
    assert [answers(user) for user in (42, 99)] == before
    assert [answer[0] for answer in before[0]] == [200] * 6
    assert [answer[0] for answer in before[1]] == [404, 404, 404, 200, 200, 409]
    is_problem(claim(closed + 1000, 42), 404, "not-found")


def test_a_wait_that_began_before_ends_with_the_outcome(
    client: Client,
    admin: Headers,
    bearer: Bearer,
    new_coupon: NewCoupon,
    claim: Claim,
    archive: Any,
    finish: Finish,
    forget: Callable[[], None],
    gate: Gate,
    api: Api,
) -> None:
    """Although nobody notifies it, and the gate that it asked first has forgotten everything."""
    coupon_id = new_coupon()
    assert claim(coupon_id, 42).status_code == 202
    path = f"/issue-requests/{request_id(coupon_id, 42)}?wait=20"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.get, path, headers=bearer(42))
        eventually(lambda: bool(api.long_polls._waiters), what="it waits")
        gate.client.flushall()
        finish(coupon_id, 42, mark=False)
        client.post(f"/coupons/{coupon_id}/close", headers=admin)
        assert archive(coupon_id).status_code == 200
        forget()
        assert waiting.result().get_json()["status"] == "ISSUED"


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
