"""The standby list over HTTP: joining, the place in line, leaving, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from api import standby_schemas
from chaos.link import Link
from coupons.gate import Gate, connect_gate
from coupons.ids import request_id
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.connection import connect_ledger
from operations.repair import promotion
from operations.repair.promotion import promote
from tests.api.test_description import conforms
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.audiences import list_users
from tests.support.databases import Database

HOLDER, FIRST, SECOND = 1, 2, 3
NOBODY_HAS = 10**9


class Lines:
    """Calls of users and of the administrator about one coupon."""

    def __init__(self, client: Client, bearer: Bearer, admin: dict[str, str], coupon: int) -> None:
        self.client, self.bearer, self.admin, self.coupon = client, bearer, admin, coupon

    def call(self, method: str, user: int, coupon: int | None = None, **more: Any) -> Any:
        path = f"/coupons/{coupon or self.coupon}/standby"
        return self.client.open(path, method=method, headers=self.bearer(user, **more))

    def switch(self, is_on: object, coupon: int | None = None) -> Any:
        path = f"/coupons/{coupon or self.coupon}/standby-list"
        return self.client.put(path, json={"is_on": is_on}, headers=self.admin)

    def numbers(self) -> tuple[bool, int, int]:
        found = self.client.get(f"/coupons/{self.coupon}/standby-list", headers=self.admin).json
        assert found is not None
        conforms(standby_schemas.StandbyListView, found)
        return found["is_on"], found["waiting"], found["promoted"]

    def change(self, **body: Any) -> Any:
        headers = self.admin | ANY_VERSION
        return self.client.patch(f"/coupons/{self.coupon}", json=body, headers=headers)


@pytest.fixture
def lines(
    client: Client,
    bearer: Bearer,
    admin: dict[str, str],
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
) -> Lines:
    """Of a coupon with one place, which HOLDER has claimed; it has a standby list."""
    coupon = new_coupon(total_quantity=1)
    assert claim(coupon, HOLDER).status_code == 202
    made = Lines(client, bearer, admin, coupon)
    assert made.switch(True).status_code == 200
    return made


@pytest.fixture
def gate(valkey_url: str) -> Gate:
    return connect_gate(valkey_url)


def kind_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].rpartition(":")[2]


def test_a_user_waits_in_line_and_leaves(lines: Lines) -> None:
    joined = lines.call("POST", FIRST)
    assert joined.status_code == 201
    conforms(standby_schemas.StandbyEntryView, joined.json)
    assert (joined.json["state"], joined.json["users_ahead"]) == ("waiting", 0)
    assert lines.call("POST", SECOND).json["users_ahead"] == 1
    again = lines.call("POST", FIRST)
    assert (again.status_code, again.json) == (200, joined.json)
    assert lines.numbers() == (True, 2, 0)

    left = lines.call("DELETE", FIRST)
    assert (left.status_code, left.json["state"], left.json["users_ahead"]) == (200, "left", None)
    assert lines.call("DELETE", FIRST).json == left.json
    assert lines.call("GET", SECOND).json["users_ahead"] == 0
    assert lines.call("POST", FIRST).json["users_ahead"] == 1


def test_once_somebody_waits_no_claim_is_admitted(lines: Lines, claim: Callable[..., Any]) -> None:
    """When the answer to the first who joins is there, the gate knows of the line."""
    lines.call("POST", FIRST)
    assert lines.change(total_quantity=5).json["places_left"] == 0
    assert kind_of(claim(lines.coupon, 50)) == (409, "sold-out")


def test_who_was_promoted_reads_the_request(lines: Lines, gate: Gate, database: Database) -> None:
    lines.call("POST", FIRST)
    lines.change(total_quantity=2)
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert promote(gate, reconciler, lines.coupon, 10).promoted == [FIRST]

    entry = lines.call("GET", FIRST).json
    conforms(standby_schemas.StandbyEntryView, entry)
    known = str(request_id(lines.coupon, FIRST))
    assert (entry["state"], entry["request_id"]) == ("promoted", known)
    read = lines.client.get(f"/issue-requests/{known}", headers=lines.bearer(FIRST))
    assert read.get_json()["status"] == "REQUESTED"
    refused = lines.call("DELETE", FIRST)
    assert kind_of(refused) == (409, "requested")
    assert refused.json["request_id"] == known
    assert refused.headers["Location"] == f"/issue-requests/{known}"
    assert kind_of(lines.call("POST", FIRST)) == (409, "requested")
    assert lines.numbers() == (True, 0, 1)


def test_who_is_admitted_cannot_leave_any_more(
    lines: Lines, gate: Gate, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promotion that was cut off before its commit is ended: the place is the user's."""
    lines.call("POST", FIRST)
    lines.change(total_quantity=2)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(promotion, "accept_requests", crash)
    with (
        connect_ledger(database.url("coupon_reconciler"), "test") as reconciler,
        pytest.raises(KeyboardInterrupt),
    ):
        promote(gate, reconciler, lines.coupon, 10)
    assert kind_of(lines.call("DELETE", FIRST)) == (409, "requested")
    assert lines.call("GET", FIRST).json["state"] == "waiting"


def test_who_is_not_on_the_list_of_the_coupon_cannot_wait(lines: Lines, database: Database) -> None:
    with connect_ledger(database.url("coupon_api"), "test") as ledger:
        assert list_users(ledger, lines.coupon, [SECOND]) is AudienceOutcome.DONE
    assert kind_of(lines.call("POST", FIRST)) == (403, "not-eligible")
    assert lines.call("POST", SECOND).status_code == 201


def test_joining_is_refused_with_its_reason(lines: Lines, new_coupon: NewCoupon) -> None:
    assert kind_of(lines.call("POST", HOLDER)) == (409, "requested")
    assert kind_of(lines.call("POST", FIRST, NOBODY_HAS)) == (404, "not-found")
    assert kind_of(lines.call("GET", FIRST)) == (404, "not-found")
    assert kind_of(lines.call("DELETE", FIRST)) == (404, "not-found")
    other = new_coupon()
    assert kind_of(lines.call("POST", FIRST, other)) == (409, "no-standby-list")
    lines.switch(True, other)
    assert kind_of(lines.call("POST", FIRST, other)) == (409, "not-sold-out")
    lines.change(eligible_group="vip")
    assert kind_of(lines.call("POST", FIRST, groups=["other"])) == (403, "not-eligible")
    assert lines.call("POST", FIRST, groups=["vip"]).status_code == 201
    assert kind_of(lines.call("POST", SECOND, scopes=["coupon:redeem"])) == (
        403,
        "insufficient-scope",
    )


def test_who_waits_for_a_closed_coupon_is_told(lines: Lines) -> None:
    lines.call("POST", FIRST)
    path = f"/coupons/{lines.coupon}/close"
    assert lines.client.post(path, headers=lines.admin).status_code == 200
    assert lines.call("GET", FIRST).json["state"] == "ended"
    assert kind_of(lines.call("POST", SECOND)) == (409, "closed")
    assert kind_of(lines.switch(True)) == (409, "closed")


def test_a_list_is_switched_by_administrators(lines: Lines, new_coupon: NewCoupon) -> None:
    assert lines.numbers() == (True, 0, 0)
    assert lines.switch(False).json["is_on"] is False
    assert kind_of(lines.call("POST", FIRST)) == (409, "no-standby-list")
    assert kind_of(lines.switch("on")) == (422, "invalid")
    assert kind_of(lines.switch(True, NOBODY_HAS)) == (404, "not-found")
    draft = new_coupon(state="draft")
    assert kind_of(lines.switch(True, draft)) == (409, "draft")
    assert kind_of(lines.call("POST", FIRST, draft)) == (404, "not-found")
    path = f"/coupons/{lines.coupon}/standby-list"
    refused = lines.client.put(path, json={"is_on": True}, headers=lines.bearer(FIRST))
    assert kind_of(refused) == (403, "insufficient-scope")


def test_nobody_joins_while_the_gate_is_unavailable(lines: Lines, redis_link: Link) -> None:
    """Whether it is sold out is not known; who begins no line may join."""
    lines.call("POST", FIRST)
    connect_gate(redis_link.url).client.flushall()
    assert lines.call("POST", SECOND).status_code == 201
    lines.call("DELETE", FIRST)
    lines.call("DELETE", SECOND)
    redis_link.cut()
    assert kind_of(lines.call("POST", FIRST)) == (503, "gate-unavailable")
