"""X-Request-Id: by it a client and the log mean the same HTTP request."""

import json
import logging
from typing import Any

import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.process.logging import JsonLines
from tests.support.api import NewCoupon

Headers = dict[str, str]
GIVEN = "3f1c-42:of.a_proxy/7+8="


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/nothing", 404),
        ("POST", "/coupons", 415),
        ("POST", "/coupons/7/issue-requests", 404),
        ("GET", "/issue-requests/00000000-0000-8002-8000-000000000001", 404),
    ],
)
def test_the_id_of_a_request_is_echoed_and_in_its_problem(
    client: Client, admin: Headers, method: str, path: str, status: int
) -> None:
    headers = {**admin, "X-Request-Id": GIVEN}
    answer: Any = client.open(path, method=method, headers=headers)
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, GIVEN)
    if status >= 400:
        assert answer.json["instance"] == f"urn:coupon-cdc:request:{GIVEN}"


def test_an_accepted_claim_has_one_too(new_coupon: NewCoupon, client: Client, admin: Any) -> None:
    path = f"/coupons/{new_coupon()}/issue-requests"
    for status in (202, 200):
        answer = client.post(path, headers={**admin, "X-Request-Id": GIVEN})
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, GIVEN)


@pytest.mark.parametrize("given", [None, "", "a b", 'a"b', "a,b", "x" * 129, "\u00e9", "a\x1b[31m"])
def test_an_id_that_may_not_go_into_a_log_is_replaced(client: Client, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    made = {client.get("/healthz", headers=headers).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert all(len(each) == 32 and int(each, 16) for each in made)


def test_what_the_log_says_of_a_failure_has_the_id(
    client: Client,
    admin: Headers,
    postgres_link: Link,
    caplog: pytest.LogCaptureFixture,
) -> None:
    postgres_link.cut()
    with caplog.at_level(logging.WARNING):
        answer = client.get("/coupons/7", headers={**admin, "X-Request-Id": GIVEN})
    assert (answer.status_code, answer.get_json()["type"]) == (
        503,
        "urn:coupon-cdc:problem:ledger-unavailable",
    )
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert GIVEN in [line.get("x_request_id") for line in lines]
