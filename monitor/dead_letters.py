"""How many dead letters nobody has handled. The topic is read only when something may differ."""

import time
from dataclasses import dataclass

from coupons.change_events import DEAD_LETTER_TOPIC
from coupons.change_events.offsets import OffsetReader, Partition, Span
from coupons.endpoints import Endpoints
from coupons.errors import CouponError
from monitor.ledger import LedgerLink
from operations.dead_letters.status import read_statuses

GROUP = "coupon-dead-letters"
MOST_RECORDS = 2_000
"""A topic with more is not read again and again: its records may be large."""
READ_AGAIN_SECONDS = 30.0
"""A dead letter is also handled by what only the ledger knows."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """waiting: those that somebody has to act on. kept: records in the topic."""

    waiting: int
    kept: int


class DeadLetterReader:
    """where: the system's endpoints. url: Postgres as the monitor's role. For one thread."""

    def __init__(self, where: Endpoints, url: str) -> None:
        self._where = where
        self._offsets = OffsetReader(where.kafka_client(), GROUP)
        self._link = LedgerLink(url, "coupon-monitor-dead-letters")
        self._spans: dict[Partition, Span] = {}
        self._waiting = 0
        self._read_at_s: float | None = None

    def read(self) -> DeadLetters:
        """Raises KafkaUnavailable, LedgerUnavailable, and CouponError when there are too many."""
        spans = self._offsets.spans(DEAD_LETTER_TOPIC)
        kept = sum(end - begin for begin, end in spans.values())
        if kept > MOST_RECORDS:
            self._read_at_s = None
            raise CouponError(
                f"{DEAD_LETTER_TOPIC} holds {kept:,} records, more than {MOST_RECORDS:,}:"
                " see `coupon dead-letters list`"
            )
        if kept and self._is_due(spans):
            statuses = read_statuses(self._where, self._link.connection())
            self._waiting = sum(each.is_waiting for each in statuses)
            self._read_at_s, self._spans = time.monotonic(), spans
        return DeadLetters(self._waiting if kept else 0, kept)

    def _is_due(self, spans: dict[Partition, Span]) -> bool:
        since_s = self._read_at_s
        return (
            since_s is None
            or spans != self._spans
            or time.monotonic() - since_s > READ_AGAIN_SECONDS
        )
