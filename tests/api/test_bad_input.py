"""Whatever is sent, the answer is problem+json, and never a 500."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.test import Client

from tests.support.api import ANY_VERSION, NewCoupon

Headers = dict[str, str]
GOOD = {"name": "x", "total_quantity": 1}


def is_problem(answer: Any, status: int, kind: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == f"urn:coupon-cdc:problem:{kind}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["detail"]


@pytest.mark.parametrize(
    "body", ["", "{", "[1,", "nul", '{"name": "\\ud800", "total_quantity": 1}', b"\xff\xfe", "NaN,"]
)
def test_what_is_not_json_is_400(client: Client, admin: Headers, body: str | bytes) -> None:
    answer = client.post("/coupons", data=body, content_type="application/json", headers=admin)
    is_problem(answer, 400, "malformed-json")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"total_quantity": "10"}, "total_quantity"),
        ({"total_quantity": 1.5}, "total_quantity"),
        ({"total_quantity": True}, "total_quantity"),
        ({"total_quantity": 0}, "total_quantity"),
        ({"total_quantity": -1}, "total_quantity"),
        ({"total_quantity": 10**30}, "total_quantity"),
        ({"id": 0}, "id"),
        ({"id": 2**59}, "id"),
        ({"id": 2**64}, "id"),
        ({"id": "07"}, "id"),
        ({"id": str(2**59)}, "id"),
        ({"id": 7.0}, "id"),
        ({"issue_starts_at": "tomorrow"}, "issue_starts_at"),
        ({"issue_starts_at": "2026-11-22T10:00:00"}, "issue_starts_at"),
        ({"issue_starts_at": 1_700_000_000}, "issue_starts_at"),
        ({"issue_ends_at": "2026-13-01T00:00:00Z"}, "issue_ends_at"),
        ({"eligible_group": "a,b"}, "eligible_group"),
        ({"eligible_group": ""}, "eligible_group"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_has_not_the_agreed_form_is_422_and_names_the_field(
    client: Client, admin: Headers, change: dict[str, Any], field: str
) -> None:
    answer = client.post("/coupons", json={**GOOD, **change}, headers=admin)
    is_problem(answer, 422, "invalid")
    assert field in [error["field"] for error in answer.get_json()["errors"]]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"x"', "{}"])
def test_json_of_another_shape_is_422(client: Client, admin: Headers, body: str) -> None:
    answer = client.post("/coupons", data=body, content_type="application/json", headers=admin)
    is_problem(answer, 422, "invalid")


def test_a_window_that_ends_before_it_starts_is_422(client: Client, admin: Headers) -> None:
    window = {"issue_starts_at": "2026-11-22T10:00:00Z", "issue_ends_at": "2026-11-22T10:00:00Z"}
    is_problem(client.post("/coupons", json={**GOOD, **window}, headers=admin), 422, "invalid")
    past = {"issue_ends_at": "2020-01-01T00:00:00Z"}
    is_problem(client.post("/coupons", json={**GOOD, **past}, headers=admin), 422, "invalid")


def test_a_body_that_is_too_large_is_413(client: Client, admin: Headers) -> None:
    body = json.dumps({**GOOD, "name": "x" * 20_000})
    answer = client.post("/coupons", data=body, content_type="application/json", headers=admin)
    is_problem(answer, 413, "body-too-large")


def test_a_body_that_is_not_said_to_be_json_is_415(client: Client, admin: Headers) -> None:
    is_problem(client.post("/coupons", data=json.dumps(GOOD), headers=admin), 415, "not-json")
    is_problem(client.post("/coupons", headers=admin), 415, "not-json")


@pytest.mark.parametrize(
    "path", ["/nothing", "/coupons/", "/coupons/1/issue-requests/", "/coupons/1/explode"]
)
def test_a_path_that_is_none_is_404(client: Client, admin: Headers, path: str) -> None:
    is_problem(client.post(path, headers=admin), 404, "not-found")


@pytest.mark.parametrize(
    "coupon_id", ["0", "-1", "x", "1.5", "01", "٧", str(2**59), "9" * 18, "9" * 400]
)
def test_an_id_that_no_coupon_can_have_is_404(
    client: Client, admin: Headers, coupon_id: str
) -> None:
    for method, path in (
        ("GET", f"/coupons/{coupon_id}"),
        ("POST", f"/coupons/{coupon_id}/issue-requests"),
        ("PATCH", f"/coupons/{coupon_id}"),
        ("DELETE", f"/coupons/{coupon_id}"),
        ("POST", f"/coupons/{coupon_id}/pause"),
    ):
        is_problem(client.open(path, method=method, headers=admin), 404, "not-found")


@pytest.mark.parametrize(
    "request_id",
    [
        "x",
        "1",
        "00000000-0000-4000-8000-000000000001",
        "00000000-0000-8000-8000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "ffffffff-ffff-8fff-bfff-ffffffffffff",
    ],
)
def test_an_id_that_no_request_can_have_is_404(
    client: Client, admin: Headers, request_id: str
) -> None:
    for wait in ("", "?wait=1"):
        is_problem(
            client.get(f"/issue-requests/{request_id}{wait}", headers=admin), 404, "not-found"
        )


def test_a_method_that_does_not_apply_is_405(client: Client, admin: Headers) -> None:
    answer = client.put("/coupons/1", headers=admin)
    is_problem(answer, 405, "method-not-allowed")
    assert {"GET", "PATCH", "DELETE"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("wait", ["-1", "31", "x", "nan", "inf", "1e99", ""])
def test_a_wait_that_is_out_of_range_is_422(client: Client, admin: Headers, wait: str) -> None:
    path = "/issue-requests/00000000-0000-8002-8000-000000000001"
    is_problem(client.get(f"{path}?wait={wait}", headers=admin), 422, "invalid")


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=101",
        "page_size=x",
        "cursor=x",
        "cursor=%C3%A9",
        "cursor=MS4y.",
        "nope=1",
    ]
    + [
        "cursor=" + cursor
        for cursor in (
            "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x",
            "LTEuLTE=",
            "MS4x" * 30,
            *(
                urlsafe_b64encode(text.encode()).decode()
                for text in ("1.-9223372036854775809", f"1.{2**59}", "1_0.1", "1.+1", "1.0", "1.1 ")
            ),
        )
    ],
)
def test_a_page_that_cannot_be_is_422(client: Client, admin: Headers, query: str) -> None:
    is_problem(client.get(f"/users/me/coupons?{query}", headers=admin), 422, "invalid")


@pytest.mark.parametrize("body", [{}, {"name": None}, {"total_quantity": None}, {"state": "draft"}])
def test_a_change_of_nothing_or_to_nothing_is_422(
    client: Client, admin: Headers, new_coupon: NewCoupon, body: dict[str, Any]
) -> None:
    answer = client.patch(f"/coupons/{new_coupon()}", json=body, headers=admin | ANY_VERSION)
    is_problem(answer, 422, "invalid")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "id": ANY_JSON,
            "name": ANY_JSON,
            "total_quantity": st.integers(1, 5) | ANY_JSON,
            "issue_starts_at": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
            | ANY_JSON,
            "issue_ends_at": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | ANY_JSON,
            "eligible_group": ANY_JSON,
        },
    )
)
def test_no_body_whatever_makes_it_fail(
    client: Client, admin: Headers, body: dict[str, Any]
) -> None:
    assert client.post("/coupons", json=body, headers=admin).status_code in (201, 400, 409, 422)
