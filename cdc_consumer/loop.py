"""Takes batches from Kafka, has them handled, and commits what is done."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from cdc_consumer.backoff import Backoff
from cdc_consumer.health import Health
from cdc_consumer.limits import History
from cdc_consumer.ownership import Ownership
from cdc_consumer.records import Partition, Record, first_offsets, next_offsets, to_record
from coupons.change_events import HEARTBEAT_PARTITIONS, HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.errors import (
    CouponError,
    DeadLetterOutage,
    GateUnavailable,
    KafkaUnavailable,
    LedgerUnavailable,
    SchemaRegistryUnavailable,
)
from coupons.metrics import CONSUMER_FAILED_COMMITS, CONSUMER_RETRIES

POLL_SECONDS = 0.2
"""How long nothing may come before the loop looks whether it is to stop."""

COMMITTED_SECONDS = 5.0
"""How long Kafka may take to tell what was committed of partitions that were just assigned."""

TRANSIENT = (LedgerUnavailable, GateUnavailable, SchemaRegistryUnavailable, KafkaUnavailable)
"""What passes by itself: the batch is abandoned and comes again. At an outage of dead letters too,
so that consuming goes on when the cause is mended. Anything else ends the process."""

log = logging.getLogger(__name__)


class ConsumerLoop:
    """Polls, hands over, commits; gives way to rebalances only between batches.

    connect: makes the consumer, given what is to be called with Kafka's answers to commits.
    handle: returns when a batch is done for good, or raises one of TRANSIENT or DeadLetterOutage.
    history: of the dead letters; loaded from what was committed, and committed with the offsets.
    """

    def __init__(
        self,
        connect: Callable[[Callable[..., None]], Consumer],
        handle: Callable[[Sequence[Record]], None],
        history: History,
        health: Health,
        batch_size: int,
    ) -> None:
        self._consumer = connect(self._on_commit)
        self._handle = handle
        self._history = history
        self._health = health
        self._batch_size = batch_size
        self._ownership = Ownership()
        self._backoff = Backoff()
        self._stopped = False

    def run(self, stopping: Event) -> None:
        """Until `stopping` is set; then finish the batch in hand, commit and leave the group."""
        try:
            self._subscribe()
            self._health.working()
            while not stopping.is_set():
                self._health.alive()
                batch = self._gather()
                if batch:
                    self._work(batch, stopping)
        finally:
            # Closing revokes everything, and what is revoked is committed first.
            self._consumer.close()

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [REQUEST_TOPIC, HEARTBEAT_TOPIC],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def _gather(self) -> list[Record]:
        """Whatever is there, up to a batch; waits only for the first record."""
        self._ownership.mark()
        first = self._consumer.poll(POLL_SECONDS)
        if first is None:
            return []
        more = self._consumer.consume(self._batch_size - 1, 0) if self._batch_size > 1 else []
        # A rebalance in between takes records out of our hands: their new owner reads them too.
        return [
            record
            for record in _records(first, *more)
            if self._ownership.kept((record.topic, record.partition))
        ]

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
        self._ownership.handled(next_offsets(batch))
        self._commit()

    def _abandon(self, batch: Sequence[Record], error: CouponError, stopping: Event) -> None:
        """Give the batch back, wait as a live member of the group, and go on from its beginning."""
        seconds = self._backoff.next_seconds()
        CONSUMER_RETRIES.labels(type(error).__name__).inc()
        self._tell(error, seconds, len(batch))
        self._put_back(first_offsets(batch))
        until = time.monotonic() + seconds
        while not stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._health.alive()
            early = self._consumer.poll(min(left, POLL_SECONDS))
            if early is not None:
                # Of a partition that was assigned just now, and so is not paused.
                self._put_back(first_offsets(_records(early)))
        self._consumer.resume(self._consumer.assignment())

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

    def _put_back(self, offsets: dict[Partition, int]) -> None:
        """Stop fetching, and set these partitions back to where they are to go on."""
        try:
            self._consumer.pause(self._consumer.assignment())
            for partition, offset in offsets.items():
                if partition in self._ownership.owned:
                    self._consumer.seek(TopicPartition(*partition, offset))
        except KafkaException as error:
            # A partition that is just coming or going cannot be set back. Joining the group anew
            # starts every partition from its committed offset, which is not beyond this one.
            log.warning("joining the group anew: %s", error.args[0].str())
            self._consumer.unsubscribe()
            self._subscribe()

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
        if error is None:
            self._ownership.committed(place for place in offsets if place.error is None)
        else:
            CONSUMER_FAILED_COMMITS.inc()
            log.warning("offsets were not committed, the next commit covers them: %s", error.str())

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._ownership.gain(partitions)
        self._load_history(partitions)
        self._owned_changed("gained", partitions)

    def _load_history(self, partitions: list[TopicPartition]) -> None:
        try:
            partitions = self._consumer.committed(partitions, timeout=COMMITTED_SECONDS)
        except KafkaException as error:
            log.warning("what was committed is not known: %s", error.args[0].str())
        for place in partitions:
            self._history.load((place.topic, place.partition), place.metadata)

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit_and_wait()
        self._ownership.lose(partitions)
        self._owned_changed("gave up", partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._ownership.lose(partitions)
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
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("Kafka: %s", error.str())
    return records
