"""The audit trail of dead letters: who did what with which letter, and how it went."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from coupons.change_events.dead_letter_topic import StoredDeadLetter
from coupons.errors import CouponError
from coupons.ledger.connection import Connection, translated
from coupons.ledger.silent_sessions import WAITING_SECONDS, end_when_silent
from coupons.model import to_microseconds
from coupons.queries import query

LetterKey = tuple[int, int, int]
"""Partition and offset in the dead-letter topic, and when it was written, in ms since 1970."""


class DeadLettersBusy(CouponError):
    """Somebody else replays or discards dead letters just now; try again in a while."""


class Action(NamedTuple):
    """action: replay or discard. result: begun, written, failed or discarded. detail: in words."""

    acted_at: datetime
    acted_by: str
    action: str
    result: str
    detail: str


def key_of(letter: StoredDeadLetter) -> LetterKey:
    """What the audit trail knows a letter by."""
    return letter.partition, letter.offset, letter.dead_lettered_ms


def take_lock(connection: Connection) -> None:
    """Keep others from acting until the connection is closed, or long silent.

    Raises DeadLettersBusy.
    """
    end_when_silent(connection, WAITING_SECONDS)
    with translated(connection):
        row = connection.execute(query("lock_dead_letters")).fetchone()
    if row is None or not row[0]:
        raise DeadLettersBusy(
            "another `coupon dead-letters replay` or `discard` is running;"
            " wait until it has ended, then try again"
        )


def last_actions(connection: Connection) -> dict[LetterKey, Action]:
    """The last action on each letter that there was one on."""
    with translated(connection):
        return dict(_read(connection.execute(query("last_dead_letter_actions"))))


def actions_of(connection: Connection, letter: StoredDeadLetter) -> list[Action]:
    """Everything that was done with a letter, in order."""
    with translated(connection):
        rows = connection.execute(query("dead_letter_actions_of"), _place(letter))
        return [action for _, action in _read(rows)]


def add_action(
    connection: Connection,
    letter: StoredDeadLetter,
    request: tuple[int | None, int | None],
    acted_by: str,
    action: str,
    result: str,
    detail: str = "",
) -> None:
    """Write down what is done; committed on return. request: coupon and user, as far as known."""
    values = {
        **_place(letter),
        "acted_by": acted_by,
        "action": action,
        "result": result,
        "detail": detail,
        "record_topic": letter.facts.topic,
        "record_partition": letter.facts.partition,
        "record_offset": letter.facts.offset,
        "coupon_id": request[0],
        "user_id": request[1],
    }
    with translated(connection):
        connection.execute(query("add_dead_letter_action"), values)


def _place(letter: StoredDeadLetter) -> dict[str, int]:
    names = ("letter_partition", "letter_offset", "dead_lettered_ms")
    return dict(zip(names, key_of(letter), strict=True))


def _read(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[LetterKey, Action]]:
    for partition, offset, dead_lettered_at, *action in rows:
        key = (partition, offset, to_microseconds(dead_lettered_at) // 1_000)
        yield key, Action(*action)
