"""Administration of coupons: what is written, and when the gate follows."""

from collections.abc import Callable
from typing import Any

import psycopg
from werkzeug.test import Client

from chaos.link import Link
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.databases import Database

Headers = dict[str, str]
Claim = Callable[..., Any]


def issue_one(database: Database, coupon_id: int, user_id: int) -> None:
    with psycopg.connect(database.url("coupon_consumer")) as consumer:
        consumer.execute(
            "INSERT INTO issued_coupon (user_id, coupon_id, requested_at) VALUES (%s, %s, now())",
            [user_id, coupon_id],
        )
        consumer.execute(
            "UPDATE coupon SET issued_count = issued_count + 1 WHERE coupon_id = %s", [coupon_id]
        )


def test_name_and_quantity_make_a_coupon_that_is_open_at_once(
    client: Client, admin: Headers, claim: Claim
) -> None:
    made = client.post("/coupons", json={"name": "쿠폰", "total_quantity": 2}, headers=admin)
    assert made.status_code == 201
    assert made.headers["Location"] == f"/coupons/{made.get_json()['id']}"
    assert made.get_json()["name"] == "쿠폰"
    assert (made.get_json()["state"], made.get_json()["places_left"]) == ("open", 2)
    assert made.get_json()["issue_ends_at"] is None
    assert claim(made.get_json()["id"], 1).status_code == 202
    read = client.get(made.headers["Location"], headers=admin)
    assert read.json == {**made.get_json(), "places_left": 1}


def test_an_id_can_be_chosen_once(client: Client, admin: Headers) -> None:
    body = {"id": 2**59 - 1, "name": "last", "total_quantity": 1}
    assert client.post("/coupons", json=body, headers=admin).get_json()["id"] == str(2**59 - 1)
    again = client.post("/coupons", json=body, headers=admin)
    assert (again.status_code, again.get_json()["type"]) == (409, "urn:coupon-cdc:problem:id-taken")


def test_times_are_answered_in_utc(new_coupon: NewCoupon, client: Client, admin: Headers) -> None:
    starts, ends = "2026-11-22T09:30:00.5+09:00", "2027-01-01T00:00:00Z"
    coupon_id = new_coupon(issue_starts_at=starts, issue_ends_at=ends)
    read = client.get(f"/coupons/{coupon_id}", headers=admin).get_json()
    assert read["issue_starts_at"] == "2026-11-22T00:30:00.500000Z"
    assert read["issue_ends_at"] == "2027-01-01T00:00:00.000000Z"


def test_pausing_stops_claims_and_resuming_lets_them_in_again(
    new_coupon: NewCoupon, client: Client, admin: Headers, claim: Claim
) -> None:
    coupon_id = new_coupon()
    for _ in range(2):
        paused = client.post(f"/coupons/{coupon_id}/pause", headers=admin)
        assert (paused.status_code, paused.get_json()["state"]) == (200, "paused")
    assert claim(coupon_id, 1).json["reason"] == "paused"
    assert client.post(f"/coupons/{coupon_id}/resume", headers=admin).get_json()["state"] == "open"
    assert claim(coupon_id, 1).status_code == 202


def test_closing_is_final(new_coupon: NewCoupon, client: Client, admin: Headers) -> None:
    coupon_id = new_coupon()
    for _ in range(2):
        closed = client.post(f"/coupons/{coupon_id}/close", headers=admin)
        assert (closed.status_code, closed.get_json()["state"]) == (200, "closed")
    for answer in (
        client.post(f"/coupons/{coupon_id}/resume", headers=admin),
        client.patch(f"/coupons/{coupon_id}", json={"name": "x"}, headers=admin | ANY_VERSION),
    ):
        assert (answer.status_code, answer.get_json()["type"]) == (
            409,
            "urn:coupon-cdc:problem:closed",
        )


def test_a_larger_stock_is_at_the_gate_when_the_answer_comes(
    new_coupon: NewCoupon, client: Client, admin: Headers, claim: Claim
) -> None:
    coupon_id = new_coupon(total_quantity=1)
    assert [claim(coupon_id, user).status_code for user in (1, 2)] == [202, 409]
    changed = client.patch(
        f"/coupons/{coupon_id}", json={"total_quantity": 2}, headers=admin | ANY_VERSION
    )
    assert (changed.get_json()["total_quantity"], changed.get_json()["places_left"]) == (2, 1)
    assert [claim(coupon_id, user).status_code for user in (2, 3)] == [202, 409]


def test_stock_is_never_lowered_below_what_is_issued(
    new_coupon: NewCoupon, client: Client, admin: Headers, database: Database
) -> None:
    coupon_id = new_coupon(total_quantity=5)
    for user_id in (1, 2):
        issue_one(database, coupon_id, user_id)
    refused = client.patch(
        f"/coupons/{coupon_id}", json={"total_quantity": 1}, headers=admin | ANY_VERSION
    )
    assert refused.status_code == 409
    assert refused.get_json()["type"] == "urn:coupon-cdc:problem:stock-below-issued"
    changed = client.patch(
        f"/coupons/{coupon_id}", json={"total_quantity": 2}, headers=admin | ANY_VERSION
    )
    assert changed.status_code == 200


def test_stock_is_never_lowered_below_what_is_in_flight(
    new_coupon: NewCoupon, client: Client, admin: Headers, claim: Claim
) -> None:
    coupon_id = new_coupon(total_quantity=5)
    assert [claim(coupon_id, user_id).status_code for user_id in (1, 2)] == [202, 202]
    path, headers = f"/coupons/{coupon_id}", admin | ANY_VERSION
    refused = client.patch(path, json={"total_quantity": 1}, headers=headers)
    assert refused.status_code == 409
    assert refused.get_json()["type"] == "urn:coupon-cdc:problem:stock-below-in-flight"
    changed = client.patch(path, json={"total_quantity": 2}, headers=headers)
    assert (changed.status_code, changed.get_json()["places_left"]) == (200, 0)


def test_what_is_left_out_of_a_change_stays(
    new_coupon: NewCoupon, client: Client, admin: Headers
) -> None:
    coupon_id = new_coupon(name="before", issue_ends_at="2030-01-01T00:00:00Z")
    before = client.get(f"/coupons/{coupon_id}", headers=admin).get_json()
    changed = client.patch(
        f"/coupons/{coupon_id}", json={"name": "after"}, headers=admin | ANY_VERSION
    )
    after = changed.get_json()
    assert after == {**before, "name": "after", "version": after["version"]}


def test_a_change_that_did_not_reach_the_gate_is_202_and_repeatable(
    new_coupon: NewCoupon, client: Client, admin: Headers, claim: Claim, redis_link: Link
) -> None:
    """A change that the gate was not told of is 202 and can be repeated."""
    coupon_id = new_coupon()
    redis_link.cut()
    answer = client.post(f"/coupons/{coupon_id}/pause", headers=admin)
    assert (answer.status_code, answer.get_json()["state"]) == (202, "paused")
    assert (answer.get_json()["places_left"], answer.get_json()["is_at_gate"]) == (None, None)
    redis_link.restore()
    assert client.get(f"/coupons/{coupon_id}", headers=admin).get_json()["is_at_gate"] is False
    assert client.post(f"/coupons/{coupon_id}/pause", headers=admin).status_code == 200
    assert client.get(f"/coupons/{coupon_id}", headers=admin).get_json()["is_at_gate"] is True
    assert claim(coupon_id, 1).json["reason"] == "paused"


def test_a_coupon_that_is_not_there_is_404(client: Client, admin: Headers) -> None:
    for answer in (
        client.get("/coupons/7", headers=admin),
        client.patch("/coupons/7", json={"name": "x"}, headers=admin | ANY_VERSION),
        client.post("/coupons/7/pause", headers=admin),
    ):
        assert (answer.status_code, answer.get_json()["type"]) == (
            404,
            "urn:coupon-cdc:problem:not-found",
        )


def test_ids_that_were_chosen_ahead_of_the_sequence_are_leapt_over(
    new_coupon: NewCoupon, client: Client, admin: Headers, database: Database
) -> None:
    first = new_coupon()
    with psycopg.connect(database.url("coupon_api")) as api:
        api.execute(
            "INSERT INTO coupon (coupon_id, name, total_quantity)"
            " SELECT id, 'chosen', 1 FROM generate_series(%s::bigint, %s) AS id",
            [first + 1, first + 300],
        )
    made = [new_coupon() for _ in range(3)]
    assert made[0] > first + 300
    assert made == [made[0], made[0] + 1, made[0] + 2]
    body = {"id": str(first), "name": "x", "total_quantity": 1}
    taken = client.post("/coupons", json=body, headers=admin)
    assert (taken.status_code, taken.get_json()["detail"]) == (
        409,
        f"Coupon {first} exists, or existed. Choose another id.",
    )


def test_the_last_id_of_all_does_not_use_up_the_others(
    new_coupon: NewCoupon, client: Client, admin: Headers
) -> None:
    before = new_coupon()
    new_coupon(id=2**59 - 1)
    assert new_coupon() == before + 1


def test_null_takes_an_optional_field_away_again(
    new_coupon: NewCoupon, client: Client, admin: Headers, claim: Claim
) -> None:
    coupon_id = new_coupon(
        issue_starts_at="2090-01-01T00:00:00Z",
        issue_ends_at="2091-01-01T00:00:00Z",
        eligible_group="staff",
    )
    path = f"/coupons/{coupon_id}"

    def taken_away(field: str) -> Any:
        answer = client.patch(path, json={field: None}, headers=admin | ANY_VERSION)
        assert answer.status_code == 200, answer.text
        return answer.json

    assert claim(coupon_id, 1).json["reason"] == "not_open"
    assert taken_away("issue_ends_at")["issue_ends_at"] is None
    opened = taken_away("issue_starts_at")
    assert opened["issue_starts_at"] < "2090"
    assert taken_away("issue_starts_at")["issue_starts_at"] == opened["issue_starts_at"]
    assert claim(coupon_id, 1).status_code == 403
    assert taken_away("eligible_group")["eligible_group"] is None
    assert claim(coupon_id, 1).status_code == 202


def test_a_group_can_be_asked_for_later(
    new_coupon: NewCoupon, client: Client, admin: Headers, claim: Claim
) -> None:
    coupon_id = new_coupon()
    body = {"eligible_group": "staff"}
    changed = client.patch(f"/coupons/{coupon_id}", json=body, headers=admin | ANY_VERSION)
    assert (changed.status_code, changed.get_json()["eligible_group"]) == (200, "staff")
    assert claim(coupon_id, 1).status_code == 403
    assert claim(coupon_id, 1, groups=["staff"]).status_code == 202
