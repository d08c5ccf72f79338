"""A dead letter says everything, keeps the record's own headers, and counts its replays."""

import pytest

from coupons.change_events.dead_letter_headers import (
    LONGEST_ERROR_CHARACTERS,
    DeadLetterMetadata,
    Header,
    dead_letter_headers,
    own_headers,
    read_metadata,
    replay_headers,
    replays_of,
)
from coupons.errors import UndecodableEvent

OWN: list[Header] = [("trace", b"abc"), ("nothing", None)]
FACTS = DeadLetterMetadata(
    "requests", 3, 17, 1_000, "CheckViolation", "no", 2, "0.1.0", 1, "0:5", 7, 4711
)


def test_what_is_written_is_read_again() -> None:
    headers = dead_letter_headers(FACTS, OWN)
    assert read_metadata(headers) == FACTS
    assert own_headers(headers) == OWN


def test_the_names_of_the_headers_are_those_of_the_convention() -> None:
    names = [name for name, _ in dead_letter_headers(FACTS, None)]
    assert names == [
        "dead-letter.topic",
        "dead-letter.partition",
        "dead-letter.offset",
        "dead-letter.timestamp",
        "dead-letter.error-class",
        "dead-letter.error-message",
        "dead-letter.attempts",
        "dead-letter.consumer-version",
        "dead-letter.replays",
        "dead-letter.replayed-from",
        "dead-letter.coupon-id",
        "dead-letter.user-id",
    ]


def test_a_record_that_is_written_back_has_its_own_headers_and_count() -> None:
    back = replay_headers(2, "0:17", dead_letter_headers(FACTS, OWN))
    assert replays_of(back) == (2, "0:17")
    assert own_headers(back) == OWN
    again = dead_letter_headers(FACTS, back)
    assert len({name for name, _ in again}) == len(again), "no header is there twice"


def test_a_record_that_was_never_written_back_has_no_replays() -> None:
    assert replays_of(None) == (0, None)
    assert replays_of([("dead-letter.replays", b"many")]) == (0, None)


def test_a_long_message_is_cut() -> None:
    headers = dead_letter_headers(FACTS._replace(error_message="x" * 5_000), None)
    assert len(read_metadata(headers).error_message) == LONGEST_ERROR_CHARACTERS


def test_a_record_of_somebody_else_is_no_dead_letter() -> None:
    with pytest.raises(UndecodableEvent, match="not those of a dead letter"):
        read_metadata(OWN)
