"""What happened to requests is logged with their ids, in lines of bounded length."""

import json
import logging

import pytest

from coupons.ids import MAX_COUPON_ID, MAX_USER_ID, request_id_text, request_id_texts
from coupons.process.logging import MOST_REQUESTS_A_LINE, JsonLines, log_requests

PIPE_TAKES_AT_ONCE = 4_096
log = logging.getLogger("of.a.test")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [JsonLines().format(record) for record in caplog.records]


def test_a_line_names_each_request_of_one_coupon(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_requests(log, "accepted", [(8, 2), (7, 4711), (7, 3)])
    first, second = map(json.loads, lines(caplog))
    assert (first["message"], first["coupon_id"], first["count"]) == ("accepted", 7, 2)
    assert first["user_ids"] == [3, 4711]
    assert first["request_ids"] == [request_id_text(7, 3), request_id_text(7, 4711)]
    assert (second["coupon_id"], second["user_ids"]) == (8, [2])


def test_a_line_is_never_longer_than_a_pipe_takes_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    users = range(MAX_USER_ID - 500, MAX_USER_ID + 1)
    message = "outcome unknown: the reconciler will settle it"
    log_requests(log, message, ((MAX_COUPON_ID, user_id) for user_id in users))
    written = lines(caplog)
    assert sum(json.loads(line)["count"] for line in written) == 501
    assert len(written) == 501 // MOST_REQUESTS_A_LINE + 1
    assert max(map(len, written)) < PIPE_TAKES_AT_ONCE


def test_nothing_is_read_when_the_level_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    keys = iter([(7, 1)])
    log_requests(log, "accepted", keys)
    assert (lines(caplog), next(keys)) == ([], (7, 1))


def test_the_ids_of_many_are_the_ids_of_each() -> None:
    users = [1, 4711, 2**48 - 1, 2**48, 2**62 - 1, 2**62, MAX_USER_ID]
    for coupon_id in (1, 7, MAX_COUPON_ID):
        assert request_id_texts(coupon_id, users) == [
            request_id_text(coupon_id, user_id) for user_id in users
        ]
