"""A dead letter says everything, keeps the record's own headers, and counts its replays."""

import pytest

from coupons.change_events.dead_letters import (
    LONGEST_ERROR_CHARACTERS,
    Facts,
    Header,
    letter_headers,
    own_headers,
    read_facts,
    replay_headers,
    replays_of,
)
from coupons.errors import UndecodableEvent

OWN: list[Header] = [("trace", b"abc"), ("nothing", None)]
FACTS = Facts("requests", 3, 17, 1_000, "CheckViolation", "no", 2, "0.1.0", 1, "0:5", 7, 4711)


def test_what_is_written_is_read_again() -> None:
    headers = letter_headers(FACTS, OWN)
    assert read_facts(headers) == FACTS
    assert own_headers(headers) == OWN


def test_the_names_of_the_headers_are_those_of_the_convention() -> None:
    names = [name for name, _ in letter_headers(FACTS, None)]
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
    """A record that is written back has its own headers and its count and no others."""
    back = replay_headers(2, "0:17", letter_headers(FACTS, OWN))
    assert replays_of(back) == (2, "0:17")
    assert own_headers(back) == OWN
    again = letter_headers(FACTS, back)
    assert len({name for name, _ in again}) == len(again), "no header is there twice"


def test_a_record_that_was_never_written_back_has_no_replays() -> None:
    assert replays_of(None) == (0, None)
    assert replays_of([("dead-letter.replays", b"many")]) == (0, None)


def test_a_long_message_is_cut() -> None:
    headers = letter_headers(FACTS._replace(error_message="x" * 5_000), None)
    assert len(read_facts(headers).error_message) == LONGEST_ERROR_CHARACTERS


def test_a_record_of_somebody_else_is_no_dead_letter() -> None:
    with pytest.raises(UndecodableEvent, match="not those of a dead letter"):
        read_facts(OWN)
