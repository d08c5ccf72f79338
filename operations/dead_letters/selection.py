"""Which dead letters are meant."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from coupons.errors import NotThere
from coupons.model import to_microseconds
from operations.dead_letters.status import DeadLetterStatus, State

_WHICH_ARE_THERE = "`coupon dead-letters list` shows those that are there"


class NoSuchLetter(NotThere):
    """A place was named where there is no dead letter."""


class Selection(NamedTuple):
    """What every letter has to match; None or empty: anything. since, until: when set aside.

    came_back: whether letters count whose record became another letter since.
    """

    coupon_id: int | None = None
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: Sequence[State] = ()
    limit: int | None = None
    came_back: bool = True

    def chooses(self, standing: DeadLetterStatus) -> bool:
        """Whether the letter matches; the limit is not looked at."""
        letter = standing.letter
        since, until = _milliseconds(self.since), _milliseconds(self.until)
        return (
            (self.coupon_id is None or bool(standing.key and standing.key[0] == self.coupon_id))
            and self.error_class in (None, letter.facts.error_class)
            and (since is None or letter.dead_lettered_ms >= since)
            and (until is None or letter.dead_lettered_ms < until)
            and (not self.states or standing.state in self.states)
            and (self.came_back or standing.came_back_as is None)
        )


def select(standings: Iterable[DeadLetterStatus], selection: Selection) -> list[DeadLetterStatus]:
    """Those that match, in order, up to the limit."""
    chosen = [standing for standing in standings if selection.chooses(standing)]
    return chosen[: selection.limit]


def choose(
    standings: list[DeadLetterStatus], places: Sequence[str], selection: Selection
) -> list[DeadLetterStatus]:
    """The letters that are named, or else those that match. Raises NoSuchLetter."""
    return named(standings, places) if places else select(standings, selection)


def named(standings: Iterable[DeadLetterStatus], places: Sequence[str]) -> list[DeadLetterStatus]:
    """The letters at these places, PARTITION:OFFSET or OFFSET. Raises NoSuchLetter."""
    known = {standing.letter.place: standing for standing in standings}
    found = []
    for place in places:
        full = place if ":" in place else f"0:{place}"
        if not re.fullmatch(r"\d+:\d+", full):
            raise NoSuchLetter(
                f"{place}: a dead letter is named PARTITION:OFFSET; {_WHICH_ARE_THERE}"
            )
        if full not in known:
            raise NoSuchLetter(f"there is no dead letter {place}; {_WHICH_ARE_THERE}")
        found.append(known[full])
    return found


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment) // 1_000
