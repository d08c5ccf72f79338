"""The limit above which dead letters are an outage.

The state belongs to the partition and is committed with its offset, as the offset's metadata. It
survives a restart and moves with the partition, so a restart or a rebalance cannot reset the limit.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cdc_consumer.dead_letters import FailedRecord
from cdc_consumer.records import Partition, Record
from coupons.change_events.dead_letter_headers import replays_of
from coupons.errors import DeadLetterOutage

_METADATA = "dead-letters:"


class DlqLimit(NamedTuple):
    """Most dead letters of one partition: consecutive, and as a ratio of the last `window` events.

    max_ratio: 0 to 1. Until the window is full, the missing events count as handled.
    """

    max_consecutive: int
    max_ratio: float
    window: int

    def exceeded_by(self, recent: int) -> str | None:
        """What exceeds the limit, in words; None: nothing.

        recent: one bit for each event. Bit 0 is the newest; a bit is 1 if the event was
        dead-lettered.
        """
        consecutive = (~recent & (recent + 1)).bit_length() - 1
        if consecutive > self.max_consecutive:
            return f"{consecutive} change events in a row"
        dead = recent.bit_count()
        if dead > self.max_ratio * self.window:
            return f"{dead} of the last {self.window} change events"
        return None


class DlqLimitState:
    """Which of the last events of each partition became dead letters. For one thread."""

    def __init__(self, limit: DlqLimit) -> None:
        self._limit = limit
        self._mask = (1 << limit.window) - 1
        self._bits: dict[Partition, int] = {}

    def after(
        self, records: Sequence[Record], failed: Sequence[FailedRecord]
    ) -> dict[Partition, int]:
        """The state if these failed records become dead letters, for `keep`.

        Raises DeadLetterOutage when that exceeds the limit. It changes nothing, so the same records
        get the same result whenever they come again. Records that were written back do not count:
        that they fail again says nothing new.
        """
        bits = dict(self._bits)
        reasons = {(*_partition(each.record), each.record.offset): each.error for each in failed}
        if not reasons and not bits:
            return bits
        for record in records:
            if replays_of(record.headers)[0]:
                continue
            partition = _partition(record)
            error = reasons.get((*partition, record.offset))
            recent = (bits.get(partition, 0) << 1 | (error is not None)) & self._mask
            bits[partition] = recent
            if error is not None and (excess := self._limit.exceeded_by(recent)):
                raise DeadLetterOutage(_sentence(excess, record, error)) from error
        return bits

    def keep(self, bits: dict[Partition, int]) -> None:
        """Store the state, after the dead letters are delivered."""
        self._bits = {partition: recent for partition, recent in bits.items() if recent}

    def metadata(self, partition: Partition) -> str:
        """The state to commit with the partition's offset; empty without recent dead letters."""
        recent = self._bits.get(partition)
        return f"{_METADATA}{recent:x}" if recent else ""

    def load(self, partition: Partition, metadata: str | None) -> None:
        """Load the committed state; metadata of another program counts as empty."""
        self._bits.pop(partition, None)
        kind, _, recent = (metadata or "").rpartition(":")
        if f"{kind}:" == _METADATA:
            try:
                self._bits[partition] = int(recent, 16) & self._mask
            except ValueError:
                return


def _partition(record: Record) -> Partition:
    return record.topic, record.partition


def _sentence(excess: str, record: Record, error: Exception) -> str:
    return (
        f"{excess} of {record.topic} [{record.partition}] up to offset {record.offset} cannot be"
        f" handled, the last because of {type(error).__name__}: {error}. This is an outage:"
        " no more are dead-lettered; all are tried again until the cause is fixed"
    )
