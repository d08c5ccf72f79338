"""Connector and gate on the page; tests/pipeline restarts a real connector."""

import json
from collections.abc import Callable

import pytest

from coupons.errors import LedgerUnavailable
from coupons.gate import Gate, open_coupon
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from monitor.page import stream_views
from operations.audit import list_actions
from tests.monitor.page.conftest import Serve, Served
from tests.monitor.page.words import text_of
from tests.support.answers import Answers
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

FAILED = {
    "name": "coupon-cdc",
    "connector": {"state": "RUNNING"},
    "tasks": [{"id": 0, "state": "FAILED", "trace": "Caused by: <b>the slot</b> is lost"}],
}


def test_it_shows_why_the_connector_failed_and_which_coupons_admit_nobody(
    serve: Serve, answers: Callable[..., Answers], gate: Gate, make_coupon: MakeCoupon
) -> None:
    open_coupon(gate, make_coupon())
    lost = make_coupon(name="<i>lost</i>")
    operator = serve(connect_url=answers(200, json.dumps(FAILED)).url).operator()
    path = "/stream/live"
    eventually(lambda: "FAILED: &lt;b&gt;the slot" in operator.get(path).text)
    eventually(lambda: "loaded 1" in text_of(operator.get(path)))
    said = text_of(operator.get("/stream"))
    assert "unavailable 1" in said
    assert f"type coupon gate rebuild --coupon {lost.coupon_id}" in said
    assert "Replication slot lost or missing" in said
    assert "<i>lost" not in operator.get("/stream").text
    assert "Restart" not in operator.get("/stream").text


def test_a_restart_that_connect_refuses_is_said_and_noted(
    serve: Serve, answers: Callable[..., Answers], database: Database
) -> None:
    operator = serve(connect_url=answers(200, json.dumps(FAILED)).url).operator(acts=True)
    asked = operator.get("/stream/restart")
    assert "None is lost" in asked.text
    assert operator.post("/stream/restart", csrf_token=asked.csrf_token).status == 303
    assert "Not restarted: Kafka Connect refused" in operator.get("/stream").text
    with connect_ledger(database.url("coupon_monitor"), "test") as monitor:
        noted = [each[3:5] + each[8:9] for each in list_actions(monitor, "", 9)]
    assert noted == [
        ("ana", "restart connector", "failed"),
        ("ana", "restart connector", "begun"),
    ]


def test_a_restart_that_was_done_is_no_error_when_it_cannot_be_noted(
    serve: Serve, answers: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the operator does it again."""
    operator = serve(connect_url=answers(200, json.dumps(FAILED)).url).operator(acts=True)
    asked = operator.get("/stream/restart")

    def note(_connection: object, _who: str, _action: str, result: str, _detail: str = "") -> None:
        if result == "done":
            raise LedgerUnavailable("Postgres was lost")

    monkeypatch.setattr(stream_views, "request_restart", lambda *_: None)
    monkeypatch.setattr(stream_views, "note_action", note)
    assert operator.post("/stream/restart", csrf_token=asked.csrf_token).status == 303
    said = operator.get("/stream").text
    assert "Kafka Connect restarts the connector" in said
    assert "could not be noted" in said


@pytest.mark.parametrize("acts", [True, False])
def test_who_may_not_restart_gets_a_reason(serve: Serve, acts: bool) -> None:
    served: Served = serve(connect_url=None)
    operator = served.operator(acts=acts)
    assert "not watched" in operator.get("/stream").text
    token = operator.get("/").csrf_token
    answer = operator.post("/stream/restart", csrf_token=token)
    status, why = (400, "does not watch Kafka Connect") if acts else (403, "You may only look")
    assert (answer.status, why in answer.text) == (status, True)
