"""Dead letters while Kafka is down, and who may act on them; tests/pipeline acts on real ones."""

import pytest

from coupons.waiting import eventually
from monitor.page.figures import MOST_DUMPED, dump
from tests.monitor.page.conftest import Serve, Served

ACTIONS = ("replay", "discard")


def test_while_kafka_is_down_they_are_not_known_and_that_is_said(served: Served) -> None:
    operator = served.operator(acts=True)
    for path in ("/dead-letters", "/dead-letters/0:1", "/dead-letters/0:1/replay"):
        answer = operator.get(path)
        assert answer.status == 503
        assert "The dead letters are not known now" in answer.text
    eventually(lambda: "Kafka" in operator.get("/dead-letters").text)
    assert operator.get("/dead-letters?state=nope").status == 400


@pytest.mark.parametrize("action", ACTIONS)
def test_whoever_may_only_look_acts_on_nothing(served: Served, action: str) -> None:
    operator = served.operator(acts=False)
    path = f"/dead-letters/0:1/{action}"
    assert operator.get(path).status == 403
    answer = operator.post(path, csrf_token=operator.get("/").csrf_token, reason="x")
    assert (answer.status, "You may only look" in answer.text) == (403, True)


@pytest.mark.parametrize("action", ACTIONS)
def test_without_an_operators_login_at_postgres_the_page_only_shows(
    serve: Serve, action: str
) -> None:
    operator = serve(monitor_operator_database_url=None).operator(acts=True)
    path = f"/dead-letters/0:1/{action}"
    answer = operator.post(path, csrf_token=operator.get("/").csrf_token, reason="x")
    assert answer.status == 403
    assert "COUPON_MONITOR_OPERATOR_DATABASE_URL is not set" in answer.text


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_without_the_token_of_its_form_is_none(served: Served, action: str) -> None:
    answer = served.operator(acts=True).post(f"/dead-letters/0:1/{action}", reason="x")
    assert answer.status == 400


@pytest.mark.parametrize("reason", ["a\x00b", "a\x1b[31m", "a\nb", "\u202ea"])
def test_a_reason_with_control_characters_is_refused(served: Served, reason: str) -> None:
    operator = served.operator(acts=True)
    token = operator.get("/").csrf_token
    answer = operator.post("/dead-letters/0:1/discard", csrf_token=token, reason=reason)
    assert answer.status == 400
    assert "without control characters" in answer.text


def test_bytes_are_shown_in_bounds() -> None:
    assert dump(None) == "none"
    assert dump(b"") == "empty"
    assert dump(b"<b>\x00\xff") == f"0000  {'3c 62 3e 00 ff':<47}  <b>.."
    large = dump(bytes(1_000_000)).splitlines()
    assert len(large) == MOST_DUMPED // 16 + 1
    assert large[-1] == "... and 999,744 bytes more, of 1,000,000"
