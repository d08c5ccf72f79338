"""A few poison records are set aside; too many are an outage, however often one starts anew."""

import pytest

from cdc_consumer.dead_letters import FailedRecord
from cdc_consumer.limits import DlqLimit, DlqLimitState
from cdc_consumer.records import Record
from coupons.change_events.dead_letter_headers import replay_headers
from coupons.errors import DeadLetterOutage, UndecodableEvent

LIMIT = DlqLimit(max_consecutive=5, max_ratio=0.2, window=100)
PARTITION = ("requests", 0)
NO_LETTERS: list[FailedRecord] = []


def records(first: int, number: int, partition: int = 0) -> list[Record]:
    return [
        Record("requests", partition, first + n, b"key", b"value", 0, None) for n in range(number)
    ]


def letters_of(some: list[Record]) -> list[FailedRecord]:
    return [FailedRecord(record, UndecodableEvent("garbage")) for record in some]


def take(history: DlqLimitState, batch: list[Record], dead: list[Record]) -> None:
    history.keep(history.after(batch, letters_of(dead)))


def test_a_few_poison_records_among_many_are_no_outage() -> None:
    history = DlqLimitState(LIMIT)
    for round_number in range(10):
        batch = records(round_number * 100, 100)
        take(history, batch, [batch[3], batch[4], batch[50]])


def test_too_many_in_a_row_are_an_outage_across_batches() -> None:
    history = DlqLimitState(LIMIT)
    first = records(0, 5)
    take(history, first, first)
    sixth = records(5, 1)
    with pytest.raises(DeadLetterOutage, match="6 change events in a row of requests"):
        take(history, sixth, sixth)


def test_an_event_that_goes_through_ends_the_row() -> None:
    history = DlqLimitState(LIMIT)
    for first in range(0, 18, 6):
        batch = records(first, 6)
        take(history, batch, batch[:5])


def test_too_large_a_share_of_the_recent_events_is_an_outage() -> None:
    history = DlqLimitState(LIMIT)
    for first in range(0, 40, 2):
        batch = records(first, 2)
        take(history, batch, batch[:1])
    batch = records(40, 2)
    with pytest.raises(DeadLetterOutage, match="21 of the last 100 change events"):
        take(history, batch, batch[:1])


def test_what_is_long_ago_does_not_count() -> None:
    history = DlqLimitState(LIMIT)
    for round_number in range(20):
        batch = records(round_number * 100, 100)
        take(history, batch, batch[10:50:2])


def test_partitions_are_judged_each_by_itself() -> None:
    history = DlqLimitState(LIMIT)
    for partition in range(10):
        batch = records(0, 5, partition)
        take(history, batch, batch)


def test_an_outage_changes_nothing_so_that_the_batch_passes_later() -> None:
    history = DlqLimitState(LIMIT)
    batch = records(0, 20)
    for _ in range(3):
        with pytest.raises(DeadLetterOutage):
            take(history, batch, batch)
    take(history, batch, [])
    assert history.metadata(PARTITION) == ""


def test_a_restart_does_not_reset_the_limit_of_dead_letters() -> None:
    history = DlqLimitState(LIMIT)
    first = records(0, 5)
    take(history, first, first)
    successor = DlqLimitState(LIMIT)
    successor.load(PARTITION, history.metadata(PARTITION))
    with pytest.raises(DeadLetterOutage):
        take(successor, records(5, 1), records(5, 1))


@pytest.mark.parametrize("metadata", [None, "", "of another program", "dead-letters:?"])
def test_metadata_of_others_counts_as_nothing(metadata: str | None) -> None:
    history = DlqLimitState(LIMIT)
    history.load(PARTITION, metadata)
    assert history.metadata(PARTITION) == ""


def test_the_largest_history_fits_into_the_metadata_of_an_offset() -> None:
    history = DlqLimitState(DlqLimit(max_consecutive=10_000, max_ratio=1, window=10_000))
    batch = records(0, 10_000)
    take(history, batch, batch)
    assert len(history.metadata(PARTITION)) < 4096, "offset.metadata.max.bytes of the brokers"


def test_records_that_were_written_back_do_not_count() -> None:
    history = DlqLimitState(LIMIT)
    back = [
        record._replace(headers=replay_headers(1, "0:7", record.headers))
        for record in records(0, 50)
    ]
    take(history, back, back)
    assert history.metadata(PARTITION) == ""
