"""What happened to requests is logged with their ids, in lines of bounded length."""

import json
import logging
from collections.abc import Iterator

import pytest

from coupons.ids import MAX_COUPON_ID, MAX_USER_ID, request_id_text, request_id_texts
from coupons.process.logging import (
    MOST_REQUESTS_A_LINE,
    REQUESTS,
    JsonLines,
    configure_logging,
    log_requests,
)

PIPE_TAKES_AT_ONCE = 4_096


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [JsonLines().format(record) for record in caplog.records]


def test_a_line_names_each_request_of_one_coupon(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "coupons.requests")
    log_requests("accepted", [(8, 2), (7, 4711), (7, 3)])
    first, second = map(json.loads, lines(caplog))
    assert (first["message"], first["coupon_id"], first["count"]) == ("accepted", 7, 2)
    assert first["user_ids"] == [3, 4711]
    assert first["request_ids"] == [request_id_text(7, 3), request_id_text(7, 4711)]
    assert (second["coupon_id"], second["user_ids"]) == (8, [2])


def test_a_line_is_never_longer_than_a_pipe_takes_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "coupons.requests")
    users = range(MAX_USER_ID - 500, MAX_USER_ID + 1)
    message = "outcome unknown: the reconciler will resolve it"
    log_requests(message, ((MAX_COUPON_ID, user_id) for user_id in users))
    written = lines(caplog)
    assert sum(json.loads(line)["count"] for line in written) == 501
    assert len(written) == 501 // MOST_REQUESTS_A_LINE + 1
    assert max(map(len, written)) < PIPE_TAKES_AT_ONCE


def test_nothing_is_read_when_the_level_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "coupons.requests")
    keys = iter([(7, 1)])
    log_requests("accepted", keys)
    assert (lines(caplog), next(keys)) == ([], (7, 1))


@pytest.fixture
def logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, root.handlers[:], REQUESTS.level
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    REQUESTS.setLevel(before[2])


@pytest.mark.usefixtures("logging_is_put_back")
@pytest.mark.parametrize(
    ("level", "requests", "written"),
    [
        ("INFO", True, ["went well", "failed"]),
        ("INFO", False, ["failed"]),
        ("WARNING", True, ["failed"]),
        ("ERROR", False, []),
    ],
)
def test_what_went_well_is_logged_where_it_is_set(
    capsys: pytest.CaptureFixture[str], level: str, requests: bool, written: list[str]
) -> None:
    configure_logging(level, requests)
    log_requests("went well", [(7, 1)])
    log_requests("failed", [(7, 1)], logging.WARNING)
    lines = map(json.loads, capsys.readouterr().err.splitlines())
    assert [line["message"] for line in lines] == written


def test_the_ids_of_many_are_the_ids_of_each() -> None:
    users = [1, 4711, 2**48 - 1, 2**48, 2**62 - 1, 2**62, MAX_USER_ID]
    for coupon_id in (1, 7, MAX_COUPON_ID):
        assert request_id_texts(coupon_id, users) == [
            request_id_text(coupon_id, user_id) for user_id in users
        ]
