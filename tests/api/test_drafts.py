"""Drafts: administrators prepare a coupon, and for users it does not exist until it is opened."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.gate import connect_gate, open_coupon
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.model import CouponState
from coupons.tokens import SCOPES
from reconciler.routine_pass import run_pass
from tests.api.test_coupon_versions import is_problem
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Headers = dict[str, str]
Claim = Callable[..., Any]
OPEN = {"state": "open"}
FUTURE = "2090-01-01T00:00:00Z"


@pytest.fixture
def draft(new_coupon: NewCoupon) -> int:
    return new_coupon(state="draft", valid_for_days=30)


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


def without_ids(answer: Any, coupon_id: int) -> dict[str, Any]:
    """What an answer says, but of which coupon and in which HTTP request."""
    said = {**answer.get_json(), "instance": ""}
    return {**said, "detail": said["detail"].replace(str(coupon_id), "N")}


def test_users_get_the_answers_of_a_coupon_that_does_not_exist(
    client: Client, bearer: Bearer, draft: int, claim: Claim, rows: Callable[[int], int]
) -> None:
    none = draft + 1000
    for ask in (
        lambda each: claim(each, 7),
        lambda each: client.get(f"/coupons/{each}", headers=bearer(7)),
    ):
        answer = ask(draft)
        assert answer.status_code == 404
        assert without_ids(answer, draft) == without_ids(ask(none), none)
    assert rows(draft) == 0


def test_staff_sees_a_draft_and_that_the_gate_does_not_have_it(
    client: Client, bearer: Bearer, draft: int
) -> None:
    for scope in ("coupon:admin", "coupon:ops"):
        read = client.get(f"/coupons/{draft}", headers=bearer(2, (scope,)))
        assert read.status_code == 200
        assert (read.get_json()["state"], read.get_json()["is_scheduled"]) == ("draft", False)
        assert (read.get_json()["places_left"], read.get_json()["is_at_gate"]) == (None, None)


def test_everything_about_a_draft_may_be_changed(
    client: Client, admin: Headers, draft: int
) -> None:
    changes = {"name": "y", "total_quantity": 1, "valid_for_days": 1, "issue_starts_at": FUTURE}
    path = f"/coupons/{draft}"
    changed = client.patch(path, json=changes, headers=admin | ANY_VERSION)
    assert changed.status_code == 200, changed.text
    assert changed.get_json()["state"] == "draft"
    assert {
        name: changed.get_json()[name] for name in ("name", "total_quantity", "valid_for_days")
    } == {
        "name": "y",
        "total_quantity": 1,
        "valid_for_days": 1,
    }
    assert client.put(f"{path}/codes", json={"kind": "pool"}, headers=admin).status_code == 200


def test_a_draft_that_was_read_is_opened_and_can_be_claimed_at_once(
    client: Client, admin: Headers, draft: int, claim: Claim
) -> None:
    path = f"/coupons/{draft}"
    etag = client.get(path, headers=admin).headers["ETag"]
    is_problem(client.patch(path, json=OPEN, headers=admin), 428, "precondition-required")
    client.patch(path, json={"name": "y"}, headers=admin | ANY_VERSION)
    late = client.patch(path, json=OPEN, headers=admin | {"If-Match": etag})
    assert "name: of a test -> y" in is_problem(late, 412, "precondition-failed")
    etag = client.get(path, headers=admin).headers["ETag"]
    opened = client.patch(path, json=OPEN, headers=admin | {"If-Match": etag})
    assert (opened.status_code, opened.get_json()["state"]) == (200, "open")
    assert (opened.get_json()["places_left"], opened.get_json()["is_at_gate"]) == (100, True)
    assert opened.headers["ETag"] != etag
    assert claim(draft, 7).status_code == 202
    first = client.get(f"{path}/audit", headers=admin).get_json()["items"][0]
    assert first["changes"] == {"state": {"from": "draft", "to": "open"}}
    assert first["acted_by"].startswith("user ")


def test_an_open_coupon_never_becomes_a_draft(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    path = f"/coupons/{new_coupon()}"
    for body in ({"state": "draft"}, {"state": "open", "name": "y"}):
        is_problem(client.patch(path, json=body, headers=admin | ANY_VERSION), 422, "invalid")
    assert client.get(path, headers=admin).get_json()["name"] == "of a test"


@pytest.mark.parametrize("action", ["pause", "resume", "close"])
def test_the_state_of_a_draft_changes_by_opening_it_only(
    client: Client, admin: Headers, draft: int, action: str
) -> None:
    path = f"/coupons/{draft}"
    before = client.get(path, headers=admin)
    refused = client.post(f"{path}/{action}", headers=admin)
    assert '{"state": "open"}' in is_problem(refused, 409, "draft")
    seen = {"If-Match": '"1"'}
    is_problem(client.post(f"{path}/{action}", headers=admin | seen), 412, "precondition-failed")
    assert client.get(path, headers=admin).get_json() == before.get_json()


def test_a_paused_coupon_is_resumed_by_opening_it(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Claim
) -> None:
    coupon_id = new_coupon()
    client.post(f"/coupons/{coupon_id}/pause", headers=admin)
    opened = client.patch(f"/coupons/{coupon_id}", json=OPEN, headers=admin | ANY_VERSION)
    assert (opened.status_code, opened.get_json()["state"]) == (200, "open")
    assert claim(coupon_id, 7).status_code == 202


def test_a_draft_opened_without_redis_comes_to_the_gate_later(
    client: Client,
    admin: Headers,
    draft: int,
    claim: Claim,
    redis_link: Link,
    valkey_url: str,
    reconciler: Connection,
) -> None:
    redis_link.cut()
    opened = client.patch(f"/coupons/{draft}", json=OPEN, headers=admin | ANY_VERSION)
    assert (opened.status_code, opened.get_json()["state"]) == (202, "open")
    redis_link.restore()
    is_problem(claim(draft, 7), 503, "gate-closed")
    list(run_pass(connect_gate(valkey_url), reconciler, pending_after_s=0.0))
    assert claim(draft, 7).status_code == 202


def test_a_draft_that_an_older_reconciler_loaded_as_paused_is_opened(
    client: Client, admin: Headers, draft: int, claim: Claim, valkey_url: str, database: Database
) -> None:
    """Its gate has the epoch already, and gets the definition."""
    gate = connect_gate(valkey_url)
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        found = find_coupon(ops, draft)
    assert found is not None
    assert open_coupon(gate, replace(found, state=CouponState.PAUSED))
    is_problem(claim(draft, 7), 409, "paused")
    opened = client.patch(f"/coupons/{draft}", json=OPEN, headers=admin | ANY_VERSION)
    assert (opened.status_code, opened.get_json()["is_at_gate"]) == (202, True)
    assert claim(draft, 7).status_code == 202


def test_a_draft_that_is_opened_keeps_its_window(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Claim
) -> None:
    coupon_id = new_coupon(state="draft", issue_starts_at=FUTURE)
    opened = client.patch(f"/coupons/{coupon_id}", json=OPEN, headers=admin | ANY_VERSION)
    assert (opened.get_json()["state"], opened.get_json()["is_scheduled"]) == ("open", True)
    is_problem(claim(coupon_id, 7), 409, "not-open")


def test_a_draft_is_created_once_and_repeating_that_does_not_open_it_again(
    client: Client, admin: Headers, claim: Claim
) -> None:
    body = {"name": "x", "total_quantity": 5, "state": "draft"}
    keyed = admin | {"Idempotency-Key": "k"}
    first = client.post("/coupons", json=body, headers=keyed)
    assert client.post("/coupons", json=body, headers=keyed).get_json() == first.get_json()
    opened = {"name": "x", "total_quantity": 5, "state": "open"}
    is_problem(client.post("/coupons", json=opened, headers=keyed), 422, "idempotency-key-reused")
    path = first.headers["Location"]
    client.patch(path, json=OPEN, headers=admin | ANY_VERSION)
    claim(first.get_json()["id"], 7)
    again = client.post("/coupons", json=body, headers=keyed)
    assert (again.get_json()["state"], again.get_json()["places_left"]) == ("open", 4)


def test_the_default_state_is_open_whether_or_not_it_is_sent(
    client: Client, admin: Headers
) -> None:
    body, keyed = {"name": "x", "total_quantity": 5}, admin | {"Idempotency-Key": "k"}
    first = client.post("/coupons", json=body, headers=keyed)
    again = client.post("/coupons", json={**body, "state": "open"}, headers=keyed)
    assert (first.status_code, again.get_json()) == (201, first.get_json())
    closed = client.post("/coupons", json={**body, "state": "closed"}, headers=admin)
    is_problem(closed, 422, "invalid")


def test_lists_have_drafts_and_their_filter(
    client: Client, bearer: Bearer, admin: Headers, new_coupon: NewCoupon, draft: int
) -> None:
    ops = bearer(2, SCOPES[2:3])
    open_one, paused = new_coupon(), new_coupon()
    scheduled_draft = new_coupon(state="draft", issue_starts_at=FUTURE)
    ended_draft = new_coupon(
        state="draft", issue_starts_at="2019-01-01T00:00:00Z", issue_ends_at="2020-01-01T00:00:00Z"
    )
    client.post(f"/coupons/{paused}/pause", headers=admin)
    for query, found in {
        "": [ended_draft, scheduled_draft, paused, open_one, draft],
        "?state=draft": [ended_draft, scheduled_draft, draft],
        "?state=paused": [paused],
        "?state=open": [open_one],
        "?state=scheduled": [],
        "?state=ended": [],
    }.items():
        answer = client.get(f"/coupons{query}", headers=ops)
        assert [int(each["id"]) for each in answer.get_json()["items"]] == found, query
