"""Which partitions are ours, and how far each is handled."""

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import TopicPartition

from cdc_consumer.records import Partition


class Ownership:
    """The partitions assigned to this consumer, and the offsets of theirs that are to be committed.

    For one thread: the client runs its callbacks inside of the calls that poll it.
    """

    def __init__(self) -> None:
        self.owned: set[Partition] = set()
        self._lost_since_mark: set[Partition] = set()
        self._uncommitted: dict[Partition, int] = {}

    def gain(self, partitions: Iterable[TopicPartition]) -> None:
        """These are ours from now on."""
        self.owned.update((place.topic, place.partition) for place in partitions)

    def lose(self, partitions: Iterable[TopicPartition]) -> None:
        """These are not ours any more; nothing of theirs is ever committed by us."""
        for place in partitions:
            partition = (place.topic, place.partition)
            self.owned.discard(partition)
            self._lost_since_mark.add(partition)
            self._uncommitted.pop(partition, None)

    def mark(self) -> None:
        """From here on, `kept` knows what was lost, even if it came back."""
        self._lost_since_mark.clear()

    def kept(self, partition: Partition) -> bool:
        """Whether the partition was ours all the time since the mark."""
        return partition in self.owned and partition not in self._lost_since_mark

    def handled(self, next_offsets: Mapping[Partition, int]) -> None:
        """Everything below these offsets is done for good."""
        self._uncommitted.update(next_offsets)

    def to_commit(self, metadata: Callable[[Partition], str]) -> list[TopicPartition]:
        """What Kafka has not confirmed yet; metadata: what is committed with a partition's."""
        return [
            TopicPartition(*partition, at, metadata(partition))
            for partition, at in self._uncommitted.items()
        ]

    def committed(self, offsets: Iterable[TopicPartition]) -> None:
        """Kafka has confirmed these."""
        for place in offsets:
            partition = (place.topic, place.partition)
            if self._uncommitted.get(partition) == place.offset:
                del self._uncommitted[partition]
