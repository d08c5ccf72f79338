"""All checks of `coupon verify`: coupons, issued coupons, codes, lists, stream, letters, rows."""

from collections.abc import Sequence
from typing import NamedTuple

from connectors.stream_state import StreamState, read_stream_state
from coupons.errors import KafkaUnavailable
from coupons.ledger.admin_states import count_archived
from coupons.ledger.retired import find_retired
from coupons.model import Coupon
from operations.dead_letters.status import DeadLetterStatus, read_unresolved
from operations.session import Failed, Session
from operations.verify.codes import CodeCounts, count_codes, find_wrong_codes
from operations.verify.in_flight import explain_in_flight
from operations.verify.lists import (
    LineCounts,
    count_lines,
    find_wrong_entries,
    wrong_audiences,
)
from operations.verify.lives import LifeCounts, count_lives, find_wrong_changes, kept_life
from operations.verify.report import ConsistencyReport, Discrepancy, await_consistency
from operations.verify.unmatched_rows import find_unmatched


class Verification(NamedTuple):
    """dead_letters: the unresolved ones. dead_letters_error: why they are not known; None: known.

    unmatched: rows that belong to no coupon, request or issued coupon; changes and codes of issued
    coupons and entries of standby lists that do not fit. lives: of coupons of which an issued
    coupon was changed. codes: of coupons that have some. lines: of coupons with a standby list.
    wrong_audiences: what is wrong with lists of users, in sentences. failures: coupons that could
    not be checked. archived: how many coupons are; they were not checked.
    """

    reports: Sequence[ConsistencyReport]
    stream: StreamState
    dead_letters: Sequence[DeadLetterStatus]
    dead_letters_error: str | None
    unmatched: Sequence[Discrepancy]
    lives: Sequence[LifeCounts]
    codes: Sequence[CodeCounts]
    lines: Sequence[LineCounts]
    wrong_audiences: Sequence[str]
    failures: Sequence[Failed]
    archived: int

    @property
    def is_wrong(self) -> bool:
        """Whether something does not add up, or is still in flight."""
        wrong = any(report.complaints for report in self.reports)
        return bool(wrong or self.wrong_counts or self.unmatched or self.stream.losses)

    @property
    def wrong_counts(self) -> list[str]:
        """What is wrong with the counts of issued coupons, codes and lists, in sentences."""
        lives = [life.complaint for life in self.lives if life.complaint]
        codes = [line for each in self.codes for line in each.complaints]
        lines = [line for each in self.lines for line in each.complaints]
        return [*lives, *codes, *lines, *self.wrong_audiences]

    @property
    def unknown(self) -> list[str]:
        """What could not be checked, besides single coupons."""
        error = [self.dead_letters_error] if self.dead_letters_error else []
        return [*self.stream.unknown, *error]


def verify(
    session: Session, coupon_id: int | None, wait_s: float, group: str, keep: int
) -> Verification:
    """Check all coupons but archived ones, or one.

    wait_s: how long requests in flight may take to become final. group: the consumers' group.
    keep: how many discrepancies are named; the others are counted. Raises RedisUnavailable,
    LedgerUnavailable or NotThere.
    """
    failures: list[Failed] = []

    def check(coupon: Coupon) -> ConsistencyReport | None:
        return await_consistency(session.gate, session.connection, coupon.coupon_id, wait_s, keep)

    found = [each for each in session.each(coupon_id, check, failures) if each is not None]
    lives = count_lives(session.connection, coupon_id)
    if coupon_id is not None and coupon_id in (
        retired := find_retired(session.connection, [coupon_id])
    ):
        lives = [kept_life(retired[coupon_id])]
    codes = count_codes(session.connection, coupon_id)
    lines = count_lines(session.connection, coupon_id)
    audiences = wrong_audiences(session.gate, session.connection, coupon_id)
    unmatched = [
        *find_unmatched(session.connection, coupon_id, keep),
        *find_wrong_changes(session.connection, coupon_id, keep),
        *find_wrong_codes(session.connection, coupon_id, keep),
        *find_wrong_entries(session.connection, coupon_id, keep),
    ]
    letters, error = _unresolved(session)
    reports, stream = explain_in_flight(
        found,
        lambda: read_stream_state(session.where, session.gate, session.connection, group),
        {letter.key: letter.letter.position for letter in letters if letter.key is not None},
        session.connection,
    )
    archived = count_archived(session.connection) if coupon_id is None else 0
    return Verification(
        reports,
        stream,
        letters,
        error,
        unmatched,
        lives,
        codes,
        lines,
        audiences,
        failures,
        archived,
    )


def _unresolved(session: Session) -> tuple[list[DeadLetterStatus], str | None]:
    """The unresolved dead letters, or why they are not known."""
    try:
        return read_unresolved(session.where, session.connection), None
    except KafkaUnavailable as error:
        return [], str(error)
