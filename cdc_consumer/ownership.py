"""Which partitions are ours, and how far each is handled, so that nothing is skipped.

Each partition has a position: everything below it is handled. Only records that continue at the
position are taken. After any other record, the consumer seeks back to the position.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import TopicPartition

from cdc_consumer.records import Partition, Record, first_offsets, next_offsets, partition_of

log = logging.getLogger(__name__)


class Ownership:
    """The partitions assigned to this consumer, their positions and the offsets to commit.

    For one thread: the client runs its callbacks inside the calls that poll it.
    """

    def __init__(self) -> None:
        self._positions: dict[Partition, int | None] = {}
        self._moved_since_mark: set[Partition] = set()
        self._to_seek: set[Partition] = set()
        self._doubtful: dict[Partition, int] = {}
        self._uncommitted: dict[Partition, int] = {}

    @property
    def owned(self) -> set[Partition]:
        """The partitions that are ours now."""
        return set(self._positions)

    def gain(self, starts: Mapping[Partition, int | None]) -> None:
        """Add partitions, each from its committed offset; None: that is not known.

        The state of an earlier assignment is dropped.
        """
        self._forget(starts)
        self._positions.update(starts)

    def lose(self, partitions: Iterable[Partition]) -> None:
        """Remove partitions; nothing of theirs is committed any more."""
        self._forget(partitions)

    def mark(self) -> None:
        """Call right after a poll: what it returned belongs to the current assignment."""
        self._moved_since_mark.clear()

    def take(self, records: Sequence[Record]) -> list[Record]:
        """The records to handle. For the others, `to_seek` afterwards says where to seek back.

        The others are not ours, may be of an earlier assignment, or do not continue at the
        partition's position. Only the first record of each partition is compared with the position:
        within a batch the client returns the log in order, so an offset that is missing inside it
        does not exist. Such gaps come from retention, compaction and markers of transactions. A
        gap before a batch is accepted when it is still there after reading again.
        """
        continues = {
            partition: self._continues(partition, offset)
            for partition, offset in first_offsets(records).items()
        }
        return [record for record in records if continues[record.topic, record.partition]]

    def put_back(self, records: Sequence[Record]) -> None:
        """These were taken and not handled: their partitions start again with them."""
        for partition, offset in first_offsets(records).items():
            if partition in self._positions:
                self._positions[partition] = offset
                self._to_seek.add(partition)

    def to_seek(self) -> list[TopicPartition]:
        """The partitions to seek back, and where to; until `sought` is called."""
        return [
            TopicPartition(*partition, offset)
            for partition in sorted(self._to_seek)
            if (offset := self._positions[partition]) is not None
        ]

    def sought(self, partition: TopicPartition) -> None:
        """The partition is read from its position again."""
        self._to_seek.discard(partition_of(partition))

    def unknown(self) -> list[TopicPartition]:
        """The partitions to seek back whose position is not known."""
        return [
            TopicPartition(*partition)
            for partition in sorted(self._to_seek)
            if self._positions[partition] is None
        ]

    def locate(self, starts: Mapping[Partition, int | None]) -> None:
        """Set positions that were not known before."""
        self._positions.update({at: starts[at] for at in starts if at in self._positions})

    def handled(self, records: Sequence[Record]) -> None:
        """These records are handled, and everything before them."""
        for partition, offset in next_offsets(records).items():
            if partition in self._positions:
                self._positions[partition] = offset
                self._uncommitted[partition] = offset
                self._doubtful.pop(partition, None)

    def to_commit(self, metadata: Callable[[Partition], str]) -> list[TopicPartition]:
        """The offsets that Kafka has not confirmed yet. metadata: to commit with a partition."""
        return [
            TopicPartition(*partition, at, metadata(partition))
            for partition, at in self._uncommitted.items()
        ]

    def committed(self, offsets: Iterable[TopicPartition]) -> None:
        """Kafka has confirmed these."""
        for each in offsets:
            partition = partition_of(each)
            if self._uncommitted.get(partition) == each.offset:
                del self._uncommitted[partition]

    def _forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)
            self._uncommitted.pop(partition, None)
            self._doubtful.pop(partition, None)
            self._to_seek.discard(partition)
            self._moved_since_mark.add(partition)

    def _continues(self, partition: Partition, offset: int) -> bool:
        """Whether records from this offset on are to be handled; if not, they are read again."""
        if partition not in self._positions:
            return False
        position = self._positions[partition]
        if partition in self._moved_since_mark or partition in self._to_seek:
            self._to_seek.add(partition)
            return False
        if position is None or offset <= position:
            return True
        if self._doubtful.get(partition) != position:
            self._doubtful[partition] = position
            self._to_seek.add(partition)
            return False
        topic, number = partition
        log.warning(
            "%s [%d] has no records from offset %d to %d: removed, or markers of transactions",
            *(topic, number, position, offset - 1),
            extra={"topic": topic, "partition": number, "offset": offset},
        )
        return True


def starts(committed: Sequence[TopicPartition]) -> dict[Partition, int | None]:
    """Where each partition starts, by its committed offset: at 0 without one."""
    return {partition_of(each): max(0, each.offset) for each in committed if each.error is None}
