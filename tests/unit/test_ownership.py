"""What is not handled is read again; offsets are committed of what is ours, until confirmed."""

from confluent_kafka import TopicPartition

from cdc_consumer.ownership import Ownership
from cdc_consumer.records import Partition, Record, first_offsets, next_offsets

A, B = ("requests", 0), ("requests", 1)


def owning(*partitions: Partition, start: int | None = 0) -> Ownership:
    ownership = Ownership()
    ownership.gain(dict.fromkeys(partitions, start))
    ownership.mark()
    return ownership


def at(partition: Partition, *offsets: int) -> list[Record]:
    return [Record(*partition, offset, None, None, 0, None) for offset in offsets]


def test_nothing_is_committed_for_a_partition_that_was_lost() -> None:
    ownership = owning(A, B)
    ownership.handled([*at(A, 9), *at(B, 19)])
    ownership.lose([A])
    ownership.handled(at(A, 10))
    assert ownership.to_commit(lambda _: "") == [TopicPartition(*B, 20)]


def test_records_of_a_partition_that_left_and_came_back_are_read_again() -> None:
    """Records of a partition that left and came back meanwhile are read again."""
    ownership = owning(A, B)
    ownership.lose([A])
    ownership.gain({A: 4})
    assert ownership.take([*at(A, 4, 5), *at(B, 0)]) == at(B, 0)
    assert ownership.to_seek() == [TopicPartition(*A, 4)]
    assert ownership.take(at(A, 6)) == []
    ownership.mark()
    ownership.sought(TopicPartition(*A, 4))
    assert ownership.take(at(A, 4, 5, 6)) == at(A, 4, 5, 6)
    assert ownership.to_seek() == []


def test_what_came_before_the_records_in_hand_is_not_doubted() -> None:
    ownership = owning(A)
    ownership.lose([A])
    ownership.gain({A: 4})
    ownership.mark()
    assert ownership.take(at(A, 4, 5)) == at(A, 4, 5)


def test_records_beyond_the_position_are_read_a_second_time() -> None:
    """Records beyond the position are read again and believed if they come again."""
    ownership = owning(A, start=4)
    assert ownership.take(at(A, 7)) == []
    [place] = ownership.to_seek()
    assert place == TopicPartition(*A, 4)
    ownership.sought(place)
    assert ownership.take(at(A, 7)) == at(A, 7)
    ownership.handled(at(A, 7))
    assert ownership.to_commit(lambda _: "") == [TopicPartition(*A, 8)]


def test_the_topic_made_anew_is_read_from_where_it_begins() -> None:
    ownership = owning(A, start=500)
    assert ownership.take(at(A, 0, 1)) == at(A, 0, 1)
    ownership.handled(at(A, 0, 1))
    assert ownership.take(at(A, 2)) == at(A, 2)


def test_a_position_that_is_not_known_is_asked_for_before_it_is_set_back() -> None:
    ownership = owning(A, start=None)
    ownership.lose([A])
    ownership.gain({A: None})
    assert ownership.take(at(A, 8)) == []
    assert ownership.to_seek() == []
    assert ownership.unknown() == [TopicPartition(*A)]
    ownership.locate({A: 6})
    assert ownership.to_seek() == [TopicPartition(*A, 6)]


def test_what_is_not_handled_begins_again_with_its_lowest_offset() -> None:
    ownership = owning(A)
    ownership.put_back(at(A, 4, 5, 2))
    assert ownership.to_seek() == [TopicPartition(*A, 2)]


def test_an_offset_stays_to_be_committed_until_kafka_confirms_it() -> None:
    """An offset stays to be committed until kafka confirms that very one."""
    ownership = owning(A)
    ownership.handled(at(A, 9))
    sent = ownership.to_commit(lambda _: "")
    ownership.handled(at(A, 14))
    ownership.committed(sent)
    assert ownership.to_commit(lambda _: "") == [TopicPartition(*A, 15)]
    ownership.committed(ownership.to_commit(lambda _: ""))
    assert ownership.to_commit(lambda _: "") == []


def test_a_batch_covers_each_partition_from_first_to_last_record() -> None:
    """A batch goes from its first to after its last record of each partition."""
    batch = [*at(A, 4), *at(B, 8), *at(A, 5), *at(B, 9)]
    assert first_offsets(batch) == {A: 4, B: 8}
    assert next_offsets(batch) == {A: 6, B: 10}
