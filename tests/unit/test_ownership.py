"""Offsets are committed only of partitions that are ours, and until Kafka has confirmed them."""

from confluent_kafka import TopicPartition

from cdc_consumer.ownership import Ownership
from cdc_consumer.records import Record, first_offsets, next_offsets

A, B = ("requests", 0), ("requests", 1)


def owning(*partitions: tuple[str, int]) -> Ownership:
    ownership = Ownership()
    ownership.gain([TopicPartition(*partition) for partition in partitions])
    return ownership


def test_nothing_is_committed_for_a_partition_that_was_lost() -> None:
    ownership = owning(A, B)
    ownership.handled({A: 10, B: 20})
    ownership.lose([TopicPartition(*A)])
    assert ownership.to_commit(lambda _: "") == [TopicPartition(*B, 20)]


def test_records_of_a_partition_that_left_and_came_back_are_not_kept() -> None:
    ownership = owning(A, B)
    ownership.mark()
    ownership.lose([TopicPartition(*A)])
    ownership.gain([TopicPartition(*A)])
    assert not ownership.kept(A)
    assert ownership.kept(B)
    ownership.mark()
    assert ownership.kept(A)


def test_an_offset_stays_to_be_committed_until_kafka_confirms_that_very_one() -> None:
    ownership = owning(A)
    ownership.handled({A: 10})
    sent = ownership.to_commit(lambda _: "")
    ownership.handled({A: 15})
    ownership.committed(sent)
    assert ownership.to_commit(lambda _: "") == [TopicPartition(*A, 15)]
    ownership.committed(ownership.to_commit(lambda _: ""))
    assert ownership.to_commit(lambda _: "") == []


def test_a_batch_goes_from_its_first_to_after_its_last_record_of_each_partition() -> None:
    batch = [
        Record(topic, partition, offset, None, None, 0, None)
        for (topic, partition), offset in [(A, 4), (B, 8), (A, 5), (B, 9)]
    ]
    assert first_offsets(batch) == {A: 4, B: 8}
    assert next_offsets(batch) == {A: 6, B: 10}
