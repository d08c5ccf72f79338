"""Administrators and operators list coupons and read who changed them."""

from typing import Any

import psycopg
import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.tokens import SCOPES
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Headers = dict[str, str]
PAST, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


@pytest.fixture
def ops(bearer: Bearer) -> Headers:
    return bearer(2, SCOPES[2:3])


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(each["id"]) for each in answer.get_json()["items"]]


def test_pages_follow_each_other_by_cursor_and_by_link(
    client: Client, ops: Headers, new_coupon: NewCoupon
) -> None:
    made = [new_coupon(name=f"Sale & more {number}") for number in range(5)]
    new_coupon(name="another")
    seen, path = [], "/coupons?name=sale%20%26&page_size=2"
    while path:
        answer = client.get(path, headers=ops)
        seen.append(ids(answer))
        cursor = answer.get_json()["next_cursor"]
        link = answer.headers.get("Link", "")
        assert (cursor is None) == (not link)
        assert not link or link.endswith('>; rel="next"')
        path = link.partition(">")[0][1:]
    assert seen == [made[:2:-1], made[2:0:-1], made[:1]]


def test_a_listed_coupon_is_as_it_is_read(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    coupon_id = new_coupon(discount={"percent": 10}, valid_for_days=7)
    read = client.get(f"/coupons/{coupon_id}", headers=admin).get_json()
    listed = client.get("/coupons", headers=admin).get_json()
    assert listed == {"items": [read], "unreadable": [], "next_cursor": None}
    assert read["places_left"] == 100


def test_states_are_those_that_were_set_and_those_of_the_time(
    client: Client, ops: Headers, admin: Headers, new_coupon: NewCoupon
) -> None:
    running, scheduled = new_coupon(), new_coupon(issue_starts_at=FUTURE)
    ended = new_coupon(issue_starts_at="2019-01-01T00:00:00Z", issue_ends_at=PAST)
    paused, closed = new_coupon(), new_coupon()
    client.post(f"/coupons/{paused}/pause", headers=admin)
    client.post(f"/coupons/{closed}/close", headers=admin)
    for state, found in {
        "open": [ended, scheduled, running],
        "scheduled": [scheduled],
        "ended": [ended],
        "paused": [paused],
        "closed": [closed],
    }.items():
        assert ids(client.get(f"/coupons?state={state}", headers=ops)) == found, state
    assert ids(client.get(f"/coupons?name={paused}", headers=ops)) == [paused], "by id too"


def test_a_row_that_cannot_be_read_hides_no_other(
    client: Client, ops: Headers, new_coupon: NewCoupon, database: Database
) -> None:
    first, spoilt, last = (new_coupon() for _ in range(3))
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("UPDATE coupon SET created_at = 'infinity' WHERE coupon_id = %s", [spoilt])
    answer = client.get("/coupons", headers=ops)
    assert ids(answer) == [last, first]
    assert answer.get_json()["unreadable"] == [str(spoilt)]
    page = client.get("/coupons?page_size=2", headers=ops)
    assert ids(page) == [last]
    assert ids(client.get(page.headers["Link"].partition(">")[0][1:], headers=ops)) == [first]


def test_without_redis_the_list_does_not_say_what_is_left(
    client: Client, ops: Headers, new_coupon: NewCoupon, redis_link: Link
) -> None:
    coupon_id = new_coupon()
    redis_link.cut()
    answer = client.get("/coupons", headers=ops)
    assert ids(answer) == [coupon_id]
    assert answer.get_json()["items"][0]["places_left"] is None


@pytest.mark.parametrize("path", ["/coupons", "/coupons/1/audit"])
def test_users_see_neither_the_list_nor_the_trail(
    client: Client, bearer: Bearer, new_coupon: NewCoupon, path: str
) -> None:
    new_coupon(id=1)
    assert client.get(path, headers=bearer(3)).status_code == 403
    for scope in ("coupon:admin", "coupon:ops"):
        assert client.get(path, headers=bearer(3, (scope,))).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        *("state=x", "state=", "name=", "name=%00", "name=" + "x" * 201, "page_size=0"),
        *("page_size=101", "page_size=1_0", "cursor=x", "cursor=MA==", "cursor=MTIz.", "nope=1"),
        *("cursor=" + "MTEx" * 10, "cursor=LTE="),
    ],
)
def test_a_list_that_cannot_be_is_422(client: Client, ops: Headers, query: str) -> None:
    assert client.get(f"/coupons?{query}", headers=ops).status_code == 422
    if "=" in query and query.partition("=")[0] in ("page_size", "cursor", "nope"):
        assert client.get(f"/coupons/1/audit?{query}", headers=ops).status_code == 422


def test_the_trail_says_who_when_from_what_to_what(
    client: Client, admin: Headers, bearer: Bearer, ops: Headers, new_coupon: NewCoupon
) -> None:
    new_coupon()
    coupon_id = new_coupon(name="a; b -> c", issue_ends_at=FUTURE, discount={"percent": 5})
    path = f"/coupons/{coupon_id}"
    other = bearer(9, ("coupon:admin",)) | ANY_VERSION
    change = {"total_quantity": 200, "discount": {"percent": 7}, "issue_ends_at": None}
    assert client.patch(path, json=change, headers=other).status_code == 200
    client.post(f"{path}/pause", headers=admin)
    items = client.get(f"{path}/audit", headers=ops).get_json()["items"]
    assert [(each["acted_by"], each["login"], each["action"]) for each in items] == [
        ("user 1", "coupon_api", "change coupon"),
        ("user 9", "coupon_api", "change coupon"),
        ("user 1", "coupon_api", "create coupon"),
    ]
    assert items[0]["changes"] == {"state": {"from": "open", "to": "paused"}}
    assert items[1]["changes"] == {
        "total_quantity": {"from": 100, "to": 200},
        "discount": {"from": {"percent": 5}, "to": {"percent": 7}},
        "issue_ends_at": {"from": "2090-01-01T00:00:00.000000Z", "to": None},
    }
    assert items[2]["changes"]["name"] == {"from": None, "to": "a; b -> c"}
    assert "valid_until" not in items[2]["changes"]
    assert items[0]["acted_at"] > items[1]["acted_at"] > items[2]["acted_at"]


def test_pages_of_the_trail_follow_each_other(
    client: Client, admin: Headers, ops: Headers, new_coupon: NewCoupon
) -> None:
    path = f"/coupons/{new_coupon()}"
    for action in ("pause", "resume") * 2:
        client.post(f"{path}/{action}", headers=admin)
    everything = client.get(f"{path}/audit", headers=ops).get_json()["items"]
    assert len(everything) == 5
    seen: list[Any] = []
    following = f"{path}/audit?page_size=2"
    while following:
        answer = client.get(following, headers=ops)
        seen += answer.get_json()["items"]
        following = answer.headers.get("Link", "").partition(">")[0][1:]
    assert seen == everything


def test_the_trail_of_no_coupon_is_404(client: Client, ops: Headers) -> None:
    assert client.get("/coupons/99/audit", headers=ops).status_code == 404
