"""The audit trail of dead letters: who did what, and with what result."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from coupons.change_events.dead_letter_topic import DeadLetter
from coupons.errors import CouponError
from coupons.ledger.connection import Connection, translated
from coupons.ledger.silent_sessions import WAITING_SECONDS, end_when_silent
from coupons.model import to_microseconds
from coupons.queries import query

LetterKey = tuple[int, int, int]
"""Partition and offset in the dead-letter topic, and when it was written, in ms since 1970."""


class DeadLettersBusy(CouponError):
    """Somebody else is replaying or discarding dead letters; try again later."""


class Action(NamedTuple):
    """action: replay or discard. result: begun, written, failed or discarded."""

    acted_at: datetime
    acted_by: str
    action: str
    result: str
    detail: str


def key_of(letter: DeadLetter) -> LetterKey:
    """The key of a dead letter in the audit trail."""
    return letter.partition, letter.offset, letter.dead_lettered_ms


def take_lock(connection: Connection) -> None:
    """Keep others from acting until the connection is closed, or silent for too long.

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
    """The last action on each dead letter that has one."""
    with translated(connection):
        return dict(_read(connection.execute(query("last_dead_letter_actions"))))


def actions_of(connection: Connection, letter: DeadLetter) -> list[Action]:
    """Every action on a dead letter, in order."""
    with translated(connection):
        rows = connection.execute(query("dead_letter_actions_of"), _values_of(letter))
        return [action for _, action in _read(rows)]


def add_action(
    connection: Connection,
    letter: DeadLetter,
    request: tuple[int | None, int | None],
    acted_by: str,
    action: str,
    result: str,
    detail: str = "",
) -> None:
    """Add one action; committed on return. request: coupon and user, as far as they are known."""
    values = {
        **_values_of(letter),
        "acted_by": acted_by,
        "action": action,
        "result": result,
        "detail": detail,
        "record_topic": letter.metadata.topic,
        "record_partition": letter.metadata.partition,
        "record_offset": letter.metadata.offset,
        "coupon_id": request[0],
        "user_id": request[1],
    }
    with translated(connection):
        connection.execute(query("add_dead_letter_action"), values)


def _values_of(letter: DeadLetter) -> dict[str, int]:
    names = ("letter_partition", "letter_offset", "dead_lettered_ms")
    return dict(zip(names, key_of(letter), strict=True))


def _read(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[LetterKey, Action]]:
    for partition, offset, dead_lettered_at, *action in rows:
        key = (partition, offset, to_microseconds(dead_lettered_at) // 1_000)
        yield key, Action(*action)
