"""Takes batches from Kafka, lets them be handled, and commits their offsets."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
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
    KafkaUnavailable,
    LedgerUnavailable,
    RedisUnavailable,
    SchemaRegistryUnavailable,
)
from coupons.kafka.client import raise_if_finished

POLL_SECONDS = 0.2
"""How long the loop waits for a record before it checks whether it has to stop."""

COMMITTED_SECONDS = 5.0
"""How long Kafka may take to return the committed offsets of newly assigned partitions."""

TRANSIENT = (LedgerUnavailable, RedisUnavailable, SchemaRegistryUnavailable, KafkaUnavailable)
"""Errors that pass: the batch is given up and comes again. An outage of dead letters is treated the
same, so that consuming goes on when the cause is fixed. Any other error ends the process."""

log = logging.getLogger(__name__)


class ClientGivenUp(CouponError):
    """The client cannot go on, and a new one may: the process starts itself again."""


class ClientFinished(CouponError):
    """Kafka does not accept the client any more. member_id: what it was in its group."""

    def __init__(self, message: str, member_id: str | None) -> None:
        super().__init__(message)
        self.member_id = member_id


class ConsumerLoop:
    """Polls, handles, commits. Rebalances happen only between batches.

    connect: makes the Kafka consumer; its argument is the callback for the results of commits.
    handle: returns when a batch is handled, or raises one of TRANSIENT or DeadLetterOutage.
    limit_state: loaded from the committed offsets' metadata, and committed with the offsets.
    outside_seconds: how long the client may be outside of its group, while `group_answers` to a new
    client, before it counts as stuck.
    """

    def __init__(
        self,
        connect: Callable[[Callable[..., None]], Consumer],
        handle: Callable[[Sequence[Record]], None],
        limit_state: DlqLimitState,
        health: Health,
        batch_size: int,
        outside_seconds: float,
        group_answers: Callable[[], bool],
    ) -> None:
        self._consumer = connect(self._on_commit)
        self._handle = handle
        self._limit_state = limit_state
        self._health = health
        self._batch_size = batch_size
        self._outside_seconds = outside_seconds
        self._group_answers = group_answers
        self._ownership = Ownership()
        self._backoff = Backoff()
        self._paused: set[Partition] = set()
        self._stopped = False

    def run(self, stopping: Event) -> None:
        """Run until `stopping` is set; then finish the current batch, commit and leave the group.

        Raises ClientFinished when the client can never work again, and ClientGivenUp when it is
        stuck. Then it is not closed: closing may wait for its group without end.
        """
        try:
            self._poll_and_work(stopping)
        except ClientGivenUp:
            raise
        except KafkaException as error:
            member_id = self._consumer.memberid()
            with suppress(KafkaException):  # closing commits, and that is refused as well
                self._consumer.close()
            raise ClientFinished(str(error), member_id) from error
        except BaseException:
            self._consumer.close()
            raise
        try:
            # Closing revokes all partitions, and revoking commits first.
            self._consumer.close()
        except KafkaException as error:
            raise ClientFinished(str(error), None) from error

    def _poll_and_work(self, stopping: Event) -> None:
        self._health.joining()
        self._subscribe()
        while not stopping.is_set():
            self._health.alive()
            batch = self._gather()
            if batch:
                self._work(batch, stopping)
            else:
                self._check_membership()

    def _check_membership(self) -> None:
        seconds = self._health.outside_seconds()
        if seconds <= self._outside_seconds:
            return
        if not self._group_answers():
            self._health.outside_with_reason()
            return
        raise ClientGivenUp(
            f"this client has been outside of its group for {seconds:.0f} s,"
            " and Kafka answers others"
        )

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [REQUEST_TOPIC, HEARTBEAT_TOPIC],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def _gather(self) -> list[Record]:
        """The records that are there, up to a batch; waits only for the first record."""
        self._seek_back()
        first = self._consumer.poll(POLL_SECONDS)
        if first is None:
            return []
        # One poll may report a lost assignment, a new one, and then a record of the new one. After
        # a later rebalance the record may not be ours any more.
        self._ownership.mark()
        more = self._consumer.consume(self._batch_size - 1, 0) if self._batch_size > 1 else []
        return self._ownership.take(_records(first, *more))

    def _work(self, batch: Sequence[Record], stopping: Event) -> None:
        try:
            self._handle(batch)
        except (*TRANSIENT, DeadLetterOutage) as error:
            self._give_up(batch, error, stopping)
            return
        self._backoff.reset()
        self._health.working()
        if self._stopped:
            log.warning("going on: change events can be handled again")
            self._stopped = False
        self._ownership.handled(batch)
        self._commit()

    def _give_up(self, batch: Sequence[Record], error: CouponError, stopping: Event) -> None:
        """Put the batch back, wait as a live member of the group, and start with it again."""
        seconds = self._backoff.next_seconds()
        CONSUMER_RETRIES.labels(type(error).__name__).inc()
        self._report(error, seconds, len(batch))
        self._ownership.put_back(batch)
        self._pause()
        self._seek_back()
        until = time.monotonic() + seconds
        while not stopping.is_set() and (left := until - time.monotonic()) > 0:
            self._health.alive()
            early = self._consumer.poll(min(left, POLL_SECONDS))
            if early is not None:
                # Of a partition that was assigned just now, and so is not paused.
                self._ownership.put_back(self._ownership.take(_records(early)))
            self._pause()
            self._seek_back()
        self._resume()

    def _report(self, error: CouponError, seconds: float, count: int) -> None:
        """Log each failure; an outage of dead letters, which may last, only once."""
        if not isinstance(error, DeadLetterOutage):
            log.warning("again in %.1f s: %s", seconds, error, extra={"count": count})
            self._health.backing_off(f"{type(error).__name__}: {error}")
            return
        if not self._stopped:
            log.error("stopped: %s", error, extra={"count": count})
        self._stopped = True
        self._health.stopped(str(error))

    def _seek_back(self) -> None:
        """Seek back to what was not handled. What fails now is done at the next call."""
        if unknown := self._ownership.unknown():
            self._ownership.locate(starts(self._committed(unknown)))
        for partition in self._ownership.to_seek():
            try:
                self._consumer.seek(partition)
            except KafkaException as error:
                # It is not read now: it was just assigned, or is being revoked.
                raise_if_finished(error.args[0])
            else:
                self._ownership.sought(partition)

    def _pause(self) -> None:
        """Stop fetching, also for partitions that were assigned since the last call."""
        owned = self._ownership.owned - self._paused
        if owned:
            self._consumer.pause([TopicPartition(*each) for each in owned])
            self._paused |= owned

    def _resume(self) -> None:
        """Resume all, ours or not: a partition that left while paused would come back paused."""
        self._consumer.resume([TopicPartition(*each) for each in self._paused])
        self._paused.clear()

    def _commit(self) -> None:
        offsets = self._ownership.to_commit(self._limit_state.metadata)
        if offsets:
            try:
                self._consumer.commit(offsets=offsets)
            except KafkaException as error:
                self._on_commit(error.args[0], offsets)

    def _commit_and_wait(self) -> None:
        offsets = self._ownership.to_commit(self._limit_state.metadata)
        if offsets:
            try:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False))
            except KafkaException as error:
                self._on_commit(error.args[0], offsets)

    def _on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        for each in (error, *(partition.error for partition in offsets)):
            raise_if_finished(each)
        if error is None:
            self._ownership.committed(each for each in offsets if each.error is None)
        else:
            CONSUMER_COMMIT_FAILURES.inc()
            log.warning("offsets were not committed, the next commit covers them: %s", error.str())

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        committed = self._committed(partitions)
        known = starts(committed)
        metadata = {partition_of(each): each.metadata for each in committed}
        gained = [partition_of(each) for each in partitions]
        self._ownership.gain({each: known.get(each) for each in gained})
        for each in gained:
            self._limit_state.load(each, metadata.get(each))
        self._health.joined()
        self._owned_changed("gained", partitions)

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The committed offsets of these; empty when Kafka does not answer in time."""
        if not partitions:
            return []
        try:
            return self._consumer.committed(partitions, timeout=COMMITTED_SECONDS)
        except KafkaException as error:
            raise_if_finished(error.args[0])
            log.warning("the committed offsets are not known: %s", error.args[0].str())
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
    """The records among them; the other messages are errors of the client, which are logged."""
    records = []
    for message in messages:
        error = message.error()
        if error is None:
            records.append(to_record(message))
            continue
        raise_if_finished(error)
        log.warning("Kafka: %s", error.str())
    return records
