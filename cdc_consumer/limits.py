"""When dead letters are no longer poison but an outage.

What is looked at belongs to the partition and is committed with its offset, as the offset's
metadata: it survives a restart and moves with the partition, so that nobody creeps on through an
outage by restarting or by sharing it out.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cdc_consumer.dead_letters import FailedRecord
from cdc_consumer.records import Partition, Record
from coupons.change_events.dead_letter_headers import replays_of
from coupons.errors import DeadLetterOutage

_METADATA = "dead-letters:"


class DlqLimit(NamedTuple):
    """Most dead letters of one partition: in a row, and as a share of its last `recent` events.

    share: 0 to 1; of events that are not there yet it counts as if they had gone through.
    """

    in_a_row: int
    share: float
    recent: int

    def exceeded_by(self, history: int) -> str | None:
        """What is beyond the limit, in words. history: bits, the newest event lowest, 1: dead."""
        row = (~history & (history + 1)).bit_length() - 1
        if row > self.in_a_row:
            return f"{row} change events in a row"
        dead = history.bit_count()
        if dead > self.share * self.recent:
            return f"{dead} of the last {self.recent} change events"
        return None


class DlqLimitState:
    """Which of the last events of each partition became dead letters. For one thread."""

    def __init__(self, limit: DlqLimit) -> None:
        self._limit = limit
        self._newest = (1 << limit.recent) - 1
        self._bits: dict[Partition, int] = {}

    def after(
        self, records: Sequence[Record], letters: Sequence[FailedRecord]
    ) -> dict[Partition, int]:
        """The history if these letters of these records are set aside, to be given to `keep`.

        Raises DeadLetterOutage when that is beyond the limit; it changes nothing, so that the same
        records are judged in the same way whenever they come again. Records that were written back
        do not count: they were refused before, which says nothing new.
        """
        bits = dict(self._bits)
        reasons = {(*_partition(each.record), each.record.offset): each.error for each in letters}
        if not reasons and not bits:
            return bits
        for record in records:
            if replays_of(record.headers)[0]:
                continue
            partition = _partition(record)
            error = reasons.get((*partition, record.offset))
            history = (bits.get(partition, 0) << 1 | (error is not None)) & self._newest
            bits[partition] = history
            if error is not None and (excess := self._limit.exceeded_by(history)):
                raise DeadLetterOutage(_sentence(excess, record, error)) from error
        return bits

    def keep(self, bits: dict[Partition, int]) -> None:
        """The letters are set aside."""
        self._bits = {partition: history for partition, history in bits.items() if history}

    def metadata(self, partition: Partition) -> str:
        """What is committed with the partition's offset; empty when there is nothing to tell."""
        history = self._bits.get(partition)
        return f"{_METADATA}{history:x}" if history else ""

    def load(self, partition: Partition, metadata: str | None) -> None:
        """Go on from what was committed; whatever is not of ours counts as nothing."""
        self._bits.pop(partition, None)
        kind, _, history = (metadata or "").rpartition(":")
        if f"{kind}:" == _METADATA:
            try:
                self._bits[partition] = int(history, 16) & self._newest
            except ValueError:
                return


def _partition(record: Record) -> Partition:
    return record.topic, record.partition


def _sentence(excess: str, record: Record, error: Exception) -> str:
    return (
        f"{excess} of {record.topic} [{record.partition}] up to offset {record.offset} cannot be"
        f" handled, the last because of {type(error).__name__}: {error}; that is an outage:"
        " nothing more is set aside, all of it is tried again until its cause is mended"
    )
