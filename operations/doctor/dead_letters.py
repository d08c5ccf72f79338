"""Check of the dead letters: those that somebody has to act on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

from coupons.ledger.connection import connect_ledger
from operations.dead_letters.status import DeadLetterStatus, State, read_statuses
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.system import System

_LIST = "coupon dead-letters list"


def check_dead_letters(places: System) -> Iterator[Finding]:
    """Raises KafkaUnavailable or LedgerUnavailable."""
    with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
        yield letters_finding(read_statuses(places.where, connection))


def letters_finding(statuses: Sequence[DeadLetterStatus]) -> Finding:
    """The finding on the dead letters that somebody has to act on.

    A request among them is accepted and not final: failing. Without a request: a warning.
    """
    waiting = [
        each
        for each in statuses
        if each.state in (State.OPEN, State.PARKED) and each.came_back_as is None
    ]
    if not waiting:
        return ok("dead letters", f"none waits for somebody ({len(statuses)} were set aside)")
    causes = Counter(each.letter.metadata.error_class for each in waiting)
    cause, times = causes.most_common(1)[0]
    requests = sum(each.key is not None for each in waiting)
    says = (
        f"{len(waiting)} wait for somebody, {requests} of them with a request that is not final;"
        f" most because of {cause} ({times})"
    )
    if requests:
        return failing("dead letters", says, _LIST, Section.DEAD_LETTERS)
    return warning("dead letters", says, _LIST, Section.DEAD_LETTERS)
