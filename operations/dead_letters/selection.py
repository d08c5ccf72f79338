"""Selects dead letters."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from coupons.errors import NotThere
from coupons.model import to_microseconds
from operations.dead_letters.status import DeadLetterStatus, State

_LIST_HINT = "`coupon dead-letters list` shows those that are there"


class NoSuchLetter(NotThere):
    """There is no dead letter at the position that was given."""


class Selection(NamedTuple):
    """What a dead letter has to match; None or empty: anything.

    since, until: when it was dead-lettered. came_back: whether to select dead letters whose record
    was written back and became another dead letter since.
    """

    coupon_id: int | None = None
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: Sequence[State] = ()
    limit: int | None = None
    came_back: bool = True

    def chooses(self, status: DeadLetterStatus) -> bool:
        """Whether the dead letter matches; the limit is not applied here."""
        letter = status.letter
        since, until = _milliseconds(self.since), _milliseconds(self.until)
        return (
            (self.coupon_id is None or bool(status.key and status.key[0] == self.coupon_id))
            and self.error_class in (None, letter.metadata.error_class)
            and (since is None or letter.dead_lettered_ms >= since)
            and (until is None or letter.dead_lettered_ms < until)
            and (not self.states or status.state in self.states)
            and (self.came_back or status.came_back_as is None)
        )


def select(statuses: Iterable[DeadLetterStatus], selection: Selection) -> list[DeadLetterStatus]:
    """The dead letters that match, in order, up to the limit."""
    chosen = [status for status in statuses if selection.chooses(status)]
    return chosen[: selection.limit]


def choose(
    statuses: list[DeadLetterStatus], positions: Sequence[str], selection: Selection
) -> list[DeadLetterStatus]:
    """The dead letters at these positions; without any, those that match. Raises NoSuchLetter."""
    return named(statuses, positions) if positions else select(statuses, selection)


def named(statuses: Iterable[DeadLetterStatus], positions: Sequence[str]) -> list[DeadLetterStatus]:
    """The dead letters at these positions, PARTITION:OFFSET or OFFSET. Raises NoSuchLetter."""
    known = {status.letter.position: status for status in statuses}
    found = []
    for position in positions:
        full = position if ":" in position else f"0:{position}"
        if not re.fullmatch(r"\d+:\d+", full):
            raise NoSuchLetter(f"{position}: a dead letter is named PARTITION:OFFSET; {_LIST_HINT}")
        if full not in known:
            raise NoSuchLetter(f"there is no dead letter {position}; {_LIST_HINT}")
        found.append(known[full])
    return found


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment) // 1_000
