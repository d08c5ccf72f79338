"""A coupon's terms: carried as they were sent, bounded, and never worse for who has one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.databases import Database
from tests.support.issued import as_owner

Headers = dict[str, str]
Claim = Callable[..., Any]
NONE = {"valid_for_days": None, "valid_until": None, "discount": None, "metadata": None}
TERMS = {
    "valid_for_days": 30,
    "valid_until": "2090-12-31T23:59:59.000001Z",
    "discount": {"kind": "percent", "value": 12.5, "on": ["shoes", {"size": None}], "쿠폰": True},
    "metadata": {"campaign": "noon", "": "\u2603"},
}


def terms_of(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return {name: answer.get_json()[name] for name in NONE}


def test_terms_are_optional_and_read_back_as_they_were_sent(client: Client, admin: Headers) -> None:
    body = {"name": "x", "total_quantity": 1}
    plain = client.post("/coupons", json=body, headers=admin)
    assert terms_of(plain) == NONE
    made = client.post("/coupons", json={**body, **TERMS}, headers=admin)
    assert terms_of(made) == TERMS
    assert terms_of(client.get(made.headers["Location"], headers=admin)) == TERMS


def test_a_change_sets_replaces_and_removes_each_term(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    path, headers = f"/coupons/{new_coupon()}", admin | ANY_VERSION
    change = {**TERMS, "issue_ends_at": TERMS["valid_until"]}
    assert terms_of(client.patch(path, json=change, headers=headers)) == TERMS
    other = {"discount": {"kind": "gift"}}
    assert terms_of(client.patch(path, json=other, headers=headers)) == {**TERMS, **other}
    for name in NONE:
        answer = client.patch(path, json={name: None}, headers=headers)
        assert terms_of(answer)[name] is None
    assert terms_of(client.get(path, headers=admin)) == NONE


def field_of(refused: Any) -> str:
    field: str = refused.get_json()["errors"][0]["field"]
    return field


def test_nobody_claims_a_coupon_that_is_over(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    """It can be claimed until it is over at most, which is what an end that is left out means."""
    body = {"name": "x", "total_quantity": 1, "valid_until": "2090-01-01T00:00:00.000000Z"}
    made = client.post("/coupons", json=body, headers=admin)
    assert made.get_json()["issue_ends_at"] == body["valid_until"]
    later = {"issue_ends_at": "2090-01-01T00:00:00.000001Z"}
    past = {"valid_until": "2020-01-01T00:00:00Z"}
    for wrong in (later, past):
        refused = client.post("/coupons", json={**body, **wrong}, headers=admin)
        assert (refused.status_code, field_of(refused)) == (422, "issue_ends_at")
    headers = admin | ANY_VERSION
    for path, change in (
        (made.headers["Location"], later),
        (made.headers["Location"], {"issue_ends_at": None}),
        (f"/coupons/{new_coupon()}", {"valid_until": body["valid_until"]}),
    ):
        refused = client.patch(path, json=change, headers=headers)
        assert (refused.status_code, field_of(refused)) == (422, "issue_ends_at")
        assert "not later than valid_until" in refused.get_json()["detail"]


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return dict(value)


@pytest.mark.parametrize(
    "change",
    [
        {"valid_for_days": 0},
        {"valid_for_days": 36_501},
        {"valid_for_days": "7"},
        {"valid_for_days": 1.0},
        {"valid_until": "tomorrow"},
        {"valid_until": "1999-12-31T23:59:59Z"},
        {"discount": []},
        {"discount": "ten percent"},
        {"discount": {"a": "\0"}},
        {"discount": {"\0": "a"}},
        {"discount": {"a": 2**53}},
        {"discount": {"a": -(10**400)}},
        {"discount": {"a": [1e300]}},
        {"discount": nested(9)},
        {"discount": {"a": "x" * 4_100}},
        {"metadata": {"a": 1}},
        {"metadata": {"a": {}}},
        {"metadata": {"a": None}},
        {"metadata": {"a": "\0"}},
        {"metadata": {"a": "x" * 4_100}},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_terms_of_another_form_are_422_and_name_the_field(
    client: Client, admin: Headers, new_coupon: NewCoupon, change: dict[str, Any]
) -> None:
    [field] = change
    body = {"name": "x", "total_quantity": 1, **change}
    path = f"/coupons/{new_coupon()}"
    for answer in (
        client.post("/coupons", json=body, headers=admin),
        client.patch(path, json=change, headers=admin | ANY_VERSION),
    ):
        assert (answer.status_code, answer.get_json()["type"]) == (
            422,
            "urn:coupon-cdc:problem:invalid",
        )
        assert answer.get_json()["errors"][0]["field"].partition(".")[0] == field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(client: Client, admin: Headers, number: str) -> None:
    text = '{"name": "x", "total_quantity": 1, "discount": {"a": ' + number + "}}"
    answer = client.post("/coupons", data=text, content_type="application/json", headers=admin)
    assert answer.status_code in (400, 422)


def test_terms_as_large_as_they_may_be_are_kept(client: Client, admin: Headers) -> None:
    # With the quotes, the name and the blank after the colon, as Postgres writes it.
    largest = {"a": "x" * (4_096 - len('{"a": ""}'))}
    body = {"name": "x", "total_quantity": 1, "discount": largest, "metadata": largest}
    made = client.post("/coupons", json=body, headers=admin)
    assert terms_of(made)["metadata"] == largest
    deep = {"name": "x", "total_quantity": 1, "discount": nested(8)}
    assert terms_of(client.post("/coupons", json=deep, headers=admin))["discount"] == nested(8)


def test_once_somebody_has_it_validity_only_grows(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Claim
) -> None:
    coupon_id = new_coupon(
        valid_for_days=30,
        valid_until="2090-01-01T00:00:00Z",
        issue_ends_at="2080-01-01T00:00:00Z",
    )
    path, headers = f"/coupons/{coupon_id}", admin | ANY_VERSION
    shorter = [{"valid_for_days": 29}, {"valid_until": "2089-01-01T00:00:00Z"}]
    for change in shorter:
        assert client.patch(path, json=change, headers=headers).status_code == 200
    assert claim(coupon_id, 1).status_code == 202
    for change in ({"valid_for_days": 28}, {"valid_until": "2088-01-01T00:00:00Z"}):
        answer = client.patch(path, json=change, headers=headers)
        assert (answer.status_code, answer.get_json()["type"]) == (
            409,
            "urn:coupon-cdc:problem:validity-shortened",
        )
    for change in ({"valid_for_days": 31}, {"valid_until": "2091-01-01T00:00:00Z"}):
        assert client.patch(path, json=change, headers=headers).status_code == 200
    longest = {"valid_for_days": None, "valid_until": None}
    assert client.patch(path, json=longest, headers=headers).status_code == 200


def test_what_is_over_for_everybody_stays_so(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Claim, database: Database
) -> None:
    """Else who is active again would depend on how far the sweep has come."""
    unclaimed, coupon_id = new_coupon(), new_coupon()
    as_owner(database, "UPDATE coupon SET valid_until = now()")
    assert claim(coupon_id, 1).status_code == 202
    headers = admin | ANY_VERSION
    for until in ("2090-01-01T00:00:00Z", None):
        change = {"valid_until": until, "issue_ends_at": "2080-01-01T00:00:00Z"}
        refused = client.patch(f"/coupons/{coupon_id}", json=change, headers=headers)
        assert refused.status_code == 409
        assert refused.get_json()["type"] == "urn:coupon-cdc:problem:coupon-expired"
    assert client.patch(f"/coupons/{unclaimed}", json=change, headers=headers).status_code == 200
