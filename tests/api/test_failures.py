"""A fault of the API itself: one problem document, counted, and one traceback for many of them."""

import logging
from typing import Any

import pytest
from werkzeug.test import Client

from api.bootstrap import Api
from api.failures import MOST_KINDS, FailureLog
from api.management import metrics_page
from api.problems import problem_response
from coupons.errors import OutcomeUnknown
from coupons.waiting import eventually
from tests.api.test_bad_input import is_problem


def broken(*_arguments: object) -> Any:
    raise RuntimeError("of a test")


@pytest.mark.parametrize("where", ["request_context", "dispatch_request"])
def test_whatever_fails_around_the_views_is_a_problem_and_counted(
    api: Api, client: Client, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(api.app.flask, where, broken)
    for path in ("/healthz", "/openapi.json"):
        is_problem(client.get(path), 500, "internal")
    assert eventually(lambda: 'status="500"' in metrics_page().body.decode())


def test_the_same_failure_is_logged_once_and_then_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = FailureLog()

    def fail(times: int) -> None:
        for _ in range(times):
            try:
                broken()
            except RuntimeError as error:
                failures.log(error, "GET /x", "id")

    with caplog.at_level(logging.ERROR):
        fail(1_000)
        assert [record.getMessage() for record in caplog.records] == ["GET /x failed"]
        assert caplog.records[0].exc_info is not None
        monkeypatch.setattr("api.failures.QUIET_SECONDS", 0.0)
        fail(1)
    assert "999 requests before it" in caplog.records[1].getMessage()


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [("GET /x", "ledger-unavailable"), ("HEAD /x", "ledger-unavailable"), ("POST /x", None)],
)
def test_only_a_write_has_an_outcome(request_line: str, kind: str | None) -> None:
    """A read that lost its connection has done nothing, and is just tried again."""
    answer = problem_response(OutcomeUnknown("lost"), request_line, "id")
    assert answer.status == 503
    assert f":{kind or 'outcome-unknown'}" in answer.body.decode()


def test_failures_of_many_kinds_are_forgotten_again() -> None:
    failures = FailureLog()
    for number in range(MOST_KINDS * 2):
        failures.log(type(f"Error{number}", (Exception,), {})(), "GET /x", "id")
    assert len(failures._seen) <= MOST_KINDS


def test_an_answer_names_the_first_errors_and_counts_the_others(
    client: Client, admin: dict[str, str]
) -> None:
    fields = {f"{'x' * 300}{number}": 1 for number in range(40)}
    answer = client.post("/coupons", json=fields, headers=admin)
    is_problem(answer, 422, "invalid")
    assert len(answer.get_json()["errors"]) == 10
    assert "more" in answer.get_json()["detail"]
    assert len(answer.data) < 4_000
