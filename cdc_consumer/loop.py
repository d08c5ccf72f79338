"""Takes batches from Kafka, has them handled, and commits what is done."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cdc_consumer.health import Health
from cdc_consumer.limits import DlqLimitState
from cdc_consumer.metrics import CONSUMER_COMMIT_FAILURES, CONSUMER_RETRIES
from cdc_consumer.ownership import Ownership, starts
from cdc_consumer.records import Partition, Record, partition_of, to_record
from coupons.backoff import Backoff
from coupons.change_events import HEARTBEAT_PARTITIONS, HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.errors import (
    CouponError,
    DeadLetterOutage,
    GateUnavailable,
    KafkaUnavailable,
    LedgerUnavailable,
    SchemaRegistryUnavailable,
)
from coupons.kafka import raise_if_finished

POLL_SECONDS = 0.2
"""How long nothing may come before the loop looks whether it is to stop."""

COMMITTED_SECONDS = 5.0
"""How long Kafka may take to tell what was committed of partitions that were just assigned."""

TRANSIENT = (LedgerUnavailable, GateUnavailable, SchemaRegistryUnavailable, KafkaUnavailable)
"""What passes by itself: the batch is abandoned and comes again. At an outage of dead letters too,
so that consuming goes on when the cause is mended. Anything else ends the process."""

log = logging.getLogger(__name__)


class OutsideOfGroup(CouponError):
    """The client has found no way back into its group for long. A new one may."""


class ConsumerLoop:
    """Polls, hands over, commits; gives way to rebalances only between batches.

    connect: makes the consumer, given what is to be called with Kafka's answers to commits.
    handle: returns when a batch is done for good, or raises one of TRANSIENT or DeadLetterOutage.
    history: of the dead letters; loaded from what was committed, and committed with the offsets.
    outside_seconds: how long the client may be outside of its group before it counts as stuck.
    """

    def __init__(
        self,
        connect: Callable[[Callable[..., None]], Consumer],
        handle: Callable[[Sequence[Record]], None],
        history: DlqLimitState,
        health: Health,
        batch_size: int,
        outside_seconds: float,
    ) -> None:
        self._consumer = connect(self._on_commit)
        self._handle = handle
        self._history = history
        self._health = health
        self._batch_size = batch_size
        self._outside_seconds = outside_seconds
        self._ownership = Ownership()
        self._backoff = Backoff()
        self._paused: set[Partition] = set()
        self._stopped = False

    def run(self, stopping: Event) -> None:
        """Until `stopping` is set; then finish the batch in hand, commit and leave the group.

        Raises KafkaException when the client is finished for good, and OutsideOfGroup when it is
        stuck: then it is not closed, because closing may wait for its group without end.
        """
        try:
            self._health.joining()
            self._subscribe()
            while not stopping.is_set():
                self._health.alive()
                self._check_membership()
                batch = self._gather()
                if batch:
                    self._work(batch, stopping)
        except OutsideOfGroup:
            raise
        except BaseException:
            self._consumer.close()
            raise
        # Closing revokes everything, and what is revoked is committed first.
        self._consumer.close()

    def _check_membership(self) -> None:
        seconds = self._health.outside_seconds()
        if seconds > self._outside_seconds:
            raise OutsideOfGroup(f"this client has been outside of its group for {seconds:.0f} s")

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [REQUEST_TOPIC, HEARTBEAT_TOPIC],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def _gather(self) -> list[Record]:
        """Whatever is there, up to a batch; waits only for the first record."""
        self._set_back()
        first = self._consumer.poll(POLL_SECONDS)
        if first is None:
            return []
        # One poll may serve a loss, a new assignment and then a record of the new one. A rebalance
        # after it takes the record out of our hands.
        self._ownership.mark()
        more = self._consumer.consume(self._batch_size - 1, 0) if self._batch_size > 1 else []
        return self._ownership.take(_records(first, *more))

    def _work(self, batch: Sequence[Record], stopping: Event) -> None:
        try:
            self._handle(batch)
        except (*TRANSIENT, DeadLetterOutage) as error:
            self._abandon(batch, error, stopping)
            return
        self._backoff.reset()
        self._health.working()
        if self._stopped:
            log.warning("going on: change events can be handled again")
            self._stopped = False
        self._ownership.handled(batch)
        self._commit()

    def _abandon(self, batch: Sequence[Record], error: CouponError, stopping: Event) -> None:
        """Give the batch back, wait as a live member of the group, and go on from its beginning."""
        seconds = self._backoff.next_seconds()
        CONSUMER_RETRIES.labels(type(error).__name__).inc()
        self._tell(error, seconds, len(batch))
        self._ownership.put_back(batch)
        self._pause()
        self._set_back()
        until = time.monotonic() + seconds
        while not stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._health.alive()
            early = self._consumer.poll(min(left, POLL_SECONDS))
            if early is not None:
                # Of a partition that was assigned just now, and so is not paused.
                self._ownership.put_back(self._ownership.take(_records(early)))
            self._pause()
            self._set_back()
        self._resume()

    def _tell(self, error: CouponError, seconds: float, count: int) -> None:
        """A line each time; of an outage of dead letters, which may last, one in all."""
        if not isinstance(error, DeadLetterOutage):
            log.warning("again in %.1f s: %s", seconds, error, extra={"count": count})
            self._health.backing_off(f"{type(error).__name__}: {error}")
            return
        if not self._stopped:
            log.error("stopped: %s", error, extra={"count": count})
        self._stopped = True
        self._health.stopped(str(error))

    def _set_back(self) -> None:
        """Read again what was not handled. What cannot be set back now is at the next call."""
        if unknown := self._ownership.unknown():
            self._ownership.locate(starts(self._committed(unknown)))
        for place in self._ownership.to_seek():
            try:
                self._consumer.seek(place)
            except KafkaException as error:
                # It is not read at present: just assigned, or just going.
                raise_if_finished(error.args[0])
            else:
                self._ownership.sought(place)

    def _pause(self) -> None:
        """Stop fetching, also of what was assigned since the last call."""
        owned = self._ownership.owned - self._paused
        if owned:
            self._consumer.pause([TopicPartition(*each) for each in owned])
            self._paused |= owned

    def _resume(self) -> None:
        """Everything, ours or not: what left while it was paused would come back paused."""
        self._consumer.resume([TopicPartition(*each) for each in self._paused])
        self._paused.clear()

    def _commit(self) -> None:
        offsets = self._ownership.to_commit(self._history.metadata)
        if offsets:
            try:
                self._consumer.commit(offsets=offsets)
            except KafkaException as error:
                self._on_commit(error.args[0], offsets)

    def _commit_and_wait(self) -> None:
        offsets = self._ownership.to_commit(self._history.metadata)
        if offsets:
            try:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False))
            except KafkaException as error:
                self._on_commit(error.args[0], offsets)

    def _on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        for each in (error, *(place.error for place in offsets)):
            raise_if_finished(each)
        if error is None:
            self._ownership.committed(place for place in offsets if place.error is None)
        else:
            CONSUMER_COMMIT_FAILURES.inc()
            log.warning("offsets were not committed, the next commit covers them: %s", error.str())

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        committed = self._committed(partitions)
        known = starts(committed)
        metadata = {partition_of(place): place.metadata for place in committed}
        gained = [partition_of(place) for place in partitions]
        self._ownership.gain({each: known.get(each) for each in gained})
        for each in gained:
            self._history.load(each, metadata.get(each))
        self._health.joined()
        self._owned_changed("gained", partitions)

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """What is committed of these; nothing when Kafka does not say so in time."""
        if not partitions:
            return []
        try:
            return self._consumer.committed(partitions, timeout=COMMITTED_SECONDS)
        except KafkaException as error:
            raise_if_finished(error.args[0])
            log.warning("what was committed is not known: %s", error.args[0].str())
            return []

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit_and_wait()
        self._ownership.lose(map(partition_of, partitions))
        self._owned_changed("gave up", partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._ownership.lose(map(partition_of, partitions))
        self._owned_changed("lost", partitions)

    def _owned_changed(self, what: str, partitions: Sequence[TopicPartition]) -> None:
        owned = self._ownership.owned
        heartbeat = (HEARTBEAT_TOPIC, HEARTBEAT_PARTITIONS - 1) in owned
        self._health.owns(len(owned), heartbeat)
        log.info("%s %d partitions", what, len(partitions), extra={"count": len(owned)})


def _records(*messages: "Message[bytes, bytes]") -> list[Record]:
    """The records among them; the others are complaints of the client, which are logged."""
    records = []
    for message in messages:
        error = message.error()
        if error is None:
            records.append(to_record(message))
            continue
        raise_if_finished(error)
        log.warning("Kafka: %s", error.str())
    return records
