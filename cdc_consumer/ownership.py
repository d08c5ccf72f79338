"""Which partitions are ours, and how far each is handled, so that nothing is passed over.

Of each partition there is a position: everything below it is handled for good. Only what goes on at
that position is taken. What is not taken is read again: the partition is set back to its position.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import TopicPartition

from cdc_consumer.records import Partition, Record, first_offsets, next_offsets, partition_of

log = logging.getLogger(__name__)


class Ownership:
    """The partitions assigned to this consumer, their positions and what is to be committed.

    For one thread: the client runs its callbacks inside of the calls that poll it.
    """

    def __init__(self) -> None:
        self._positions: dict[Partition, int | None] = {}
        self._moved_since_mark: set[Partition] = set()
        self._set_back: set[Partition] = set()
        self._doubted: dict[Partition, int] = {}
        self._uncommitted: dict[Partition, int] = {}

    @property
    def owned(self) -> set[Partition]:
        """The partitions that are ours now."""
        return set(self._positions)

    def gain(self, starts: Mapping[Partition, int | None]) -> None:
        """These are ours from now on, each from what is committed; None: that is not known.

        What was known of an earlier assignment does not hold any more.
        """
        self._forget(starts)
        self._positions.update(starts)

    def lose(self, partitions: Iterable[Partition]) -> None:
        """These are not ours any more; nothing of theirs is committed by us."""
        self._forget(partitions)

    def mark(self) -> None:
        """What is in hand is of the present assignment."""
        self._moved_since_mark.clear()

    def take(self, records: Sequence[Record]) -> list[Record]:
        """Those of the records that are to be handled; of the others `to_seek` tells afterwards.

        The others are not ours, or may be of an earlier assignment, or do not go on where the
        partition stands. Of each partition only the first record is compared with that: within
        a batch the client returns what the log holds, in order, so that gaps in it are believed.
        Offsets may have gaps (removed by retention or compaction, markers of transactions): one
        before a batch is believed when it is still there after reading it again.
        """
        goes_on = {
            partition: self._goes_on(partition, offset)
            for partition, offset in first_offsets(records).items()
        }
        return [record for record in records if goes_on[record.topic, record.partition]]

    def put_back(self, records: Sequence[Record]) -> None:
        """These were taken and are not handled: their partitions begin again with them."""
        for partition, offset in first_offsets(records).items():
            if partition in self._positions:
                self._positions[partition] = offset
                self._set_back.add(partition)

    def to_seek(self) -> list[TopicPartition]:
        """The partitions that have to be set back, and where to; until `sought` is called."""
        return [
            TopicPartition(*partition, offset)
            for partition in sorted(self._set_back)
            if (offset := self._positions[partition]) is not None
        ]

    def sought(self, place: TopicPartition) -> None:
        """What comes of this partition now comes from where it was set back to."""
        self._set_back.discard(partition_of(place))

    def unknown(self) -> list[TopicPartition]:
        """The partitions that have to be set back to a position that is not known."""
        return [
            TopicPartition(*partition)
            for partition in sorted(self._set_back)
            if self._positions[partition] is None
        ]

    def locate(self, starts: Mapping[Partition, int | None]) -> None:
        """Where these partitions stand, which was not known before."""
        self._positions.update({at: starts[at] for at in starts if at in self._positions})

    def handled(self, records: Sequence[Record]) -> None:
        """These are done for good, and with them everything before them."""
        for partition, offset in next_offsets(records).items():
            if partition in self._positions:
                self._positions[partition] = offset
                self._uncommitted[partition] = offset
                self._doubted.pop(partition, None)

    def to_commit(self, metadata: Callable[[Partition], str]) -> list[TopicPartition]:
        """What Kafka has not confirmed yet; metadata: what is committed with a partition's."""
        return [
            TopicPartition(*partition, at, metadata(partition))
            for partition, at in self._uncommitted.items()
        ]

    def committed(self, offsets: Iterable[TopicPartition]) -> None:
        """Kafka has confirmed these."""
        for place in offsets:
            partition = partition_of(place)
            if self._uncommitted.get(partition) == place.offset:
                del self._uncommitted[partition]

    def _forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)
            self._uncommitted.pop(partition, None)
            self._doubted.pop(partition, None)
            self._set_back.discard(partition)
            self._moved_since_mark.add(partition)

    def _goes_on(self, partition: Partition, offset: int) -> bool:
        """Whether what begins at this offset is to be handled; if not, it is read again."""
        if partition not in self._positions:
            return False
        position = self._positions[partition]
        if partition in self._moved_since_mark or partition in self._set_back:
            self._set_back.add(partition)
            return False
        if position is None or offset <= position:
            return True
        if self._doubted.get(partition) != position:
            self._doubted[partition] = position
            self._set_back.add(partition)
            return False
        topic, number = partition
        log.warning(
            "%s [%d] has no records from offset %d to %d: removed, or markers of transactions",
            *(topic, number, position, offset - 1),
            extra={"topic": topic, "partition": number, "offset": offset},
        )
        return True


def starts(committed: Sequence[TopicPartition]) -> dict[Partition, int | None]:
    """Where each partition begins, by what is committed: at 0 where nothing is yet."""
    return {partition_of(each): max(0, each.offset) for each in committed if each.error is None}
