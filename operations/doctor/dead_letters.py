"""Check of the dead letters: those that nobody has handled yet."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

from coupons.ledger.connection import connect_ledger
from operations.dead_letters.status import DeadLetterStatus, read_statuses
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.system import System

_LIST = "coupon dead-letters list"
_STREAM_AGAIN = "coupon connector recover --emit"


def check_dead_letters(system: System) -> Iterator[Finding]:
    """Raises KafkaUnavailable or LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        yield dead_letters_finding(read_statuses(system.where, connection))


def dead_letters_finding(statuses: Sequence[DeadLetterStatus]) -> Finding:
    """The finding for the dead letters that nobody has handled.

    One with a request is failing, because that request is not final. One without is a warning.
    """
    waiting = [each for each in statuses if each.is_waiting]
    if not waiting:
        return ok("dead letters", f"all are handled ({len(statuses)} in the topic)")
    causes = Counter(each.letter.metadata.error_class for each in waiting)
    cause, times = causes.most_common(1)[0]
    requests = sum(each.key is not None for each in waiting)
    says = (
        f"{len(waiting)} are not handled, {requests} of them with a request that is not final;"
        f" most because of {cause} ({times})"
    )
    if lost := sum(each.is_guessed for each in waiting):
        says += (
            f". Nobody can read {lost} of them, because their schema is lost; the ledger has their"
            " requests, and can stream them again"
        )
        return failing("dead letters", says, _STREAM_AGAIN, Section.DEAD_LETTERS)
    if requests:
        return failing("dead letters", says, _LIST, Section.DEAD_LETTERS)
    return warning("dead letters", says, _LIST, Section.DEAD_LETTERS)
