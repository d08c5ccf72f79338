"""What operators do with dead letters: write their records back, or discard them."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from coupons.change_events import READER_SCHEMAS
from coupons.change_events.dead_letter_headers import replay_headers
from coupons.errors import KafkaUnavailable
from coupons.ledger.connection import Connection
from operations.dead_letters.audit import add_action
from operations.dead_letters.status import DeadLetterStatus, State

DELIVERY_SECONDS = 10.0
"""How long Kafka may take to acknowledge a record that is written back."""


class Result(NamedTuple):
    """The result for one dead letter. outcome: written, failed, discarded or skipped."""

    status: DeadLetterStatus
    outcome: str
    detail: str


class Replayer:
    """Writes records back to their topic and partition, with their keys, values and headers.

    The consumer handles them as any others; a request that is final already stays as it is.
    allowed: the states that are written back. per_second: most records a second.
    """

    def __init__(
        self,
        producer: Producer,
        connection: Connection,
        acted_by: str,
        allowed: Iterable[State],
        per_second: float,
    ) -> None:
        self._producer = producer
        self._connection = connection
        self._acted_by = acted_by
        self._allowed = frozenset(allowed)
        self._pause_seconds = 1 / per_second

    def replay(self, statuses: Iterable[DeadLetterStatus]) -> Iterator[Result]:
        """Yield one result for each dead letter. Ends after the first failure: all would fail.

        Raises LedgerUnavailable when the audit trail cannot be written; nothing is written back
        without it.
        """
        next_at = time.monotonic()
        for status in statuses:
            if objection := refusal(status, self._allowed):
                yield Result(status, "skipped", objection)
                continue
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at = max(next_at, time.monotonic() - self._pause_seconds) + self._pause_seconds
            result = self._replay_one(status)
            yield result
            if result.outcome == "failed":
                return

    def _replay_one(self, status: DeadLetterStatus) -> Result:
        self._note(status, "begun", "")
        metadata = status.letter.metadata
        try:
            partition, offset = self._write(status)
        except KafkaUnavailable as error:
            self._note(status, "failed", str(error))
            return Result(status, "failed", str(error))
        detail = f"{metadata.topic} [{partition}] at {offset}, replay {metadata.replays + 1}"
        self._note(status, "written", detail)
        return Result(status, "written", detail)

    def _write(self, status: DeadLetterStatus) -> tuple[int | None, int | None]:
        letter, metadata = status.letter, status.letter.metadata
        written: list[tuple[int | None, int | None]] = []
        errors: list[str] = []
        deliver = _delivery(written, errors)
        try:
            self._producer.produce(
                metadata.topic,
                key=letter.key,
                value=letter.value,
                # Not by the key: this client would hash it to another partition than Java's did.
                partition=metadata.partition,
                headers=replay_headers(metadata.replays + 1, letter.position, letter.headers),
                on_delivery=deliver,
            )
        except (KafkaException, BufferError) as error:
            raise KafkaUnavailable(f"Kafka does not take the record: {error}") from error
        if self._producer.flush(DELIVERY_SECONDS):
            self._producer.purge()
            errors.append(f"not acknowledged within {DELIVERY_SECONDS:.0f} s; see `coupon status`")
        if errors or not written:
            raise KafkaUnavailable(f"the record was not written back: {errors[0]}")
        return written[0]

    def _note(self, status: DeadLetterStatus, result: str, detail: str) -> None:
        request = status.key or (None, None)
        letter = status.letter
        add_action(self._connection, letter, request, self._acted_by, "replay", result, detail)


def discard(
    connection: Connection, statuses: Iterable[DeadLetterStatus], acted_by: str, reason: str
) -> Iterator[Result]:
    """Discard dead letters; their records stay in the topic. Raises LedgerUnavailable."""
    for status in statuses:
        if objection := no_discard(status):
            yield Result(status, "skipped", objection)
            continue
        request = status.key or (None, None)
        add_action(connection, status.letter, request, acted_by, "discard", "discarded", reason)
        yield Result(status, "discarded", consequence(status))


def refusal(status: DeadLetterStatus, allowed: Iterable[State]) -> str | None:
    """Why a dead letter is not written back, and what to do; None when it can be."""
    metadata, last = status.letter.metadata, status.last_action
    if metadata.topic not in READER_SCHEMAS:
        return f"the consumer does not read its topic {metadata.topic!r}: {metadata.error_message}"
    if status.state in allowed:
        return None
    who = f" by {last.acted_by}, {last.acted_at:%Y-%m-%d %H:%M:%S} UTC" if last else ""
    match status.state:
        case State.PARKED:
            return (
                f"parked: written back {metadata.replays} times and failed each time;"
                " fix the cause, then use --parked"
            )
        case State.REPLAYED if status.came_back_as:
            return f"written back{who}; came back as {status.came_back_as}"
        case State.REPLAYED:
            return f"written back{who}; use --again to write it back once more"
        case State.DISCARDED:
            return f"discarded{who}; use --again to write it back all the same"
        case _:
            return f"{status.state}: {_final(status)}"


def no_discard(status: DeadLetterStatus) -> str | None:
    """Why there is nothing to discard; None when there is."""
    if status.state is State.DISCARDED:
        return "discarded before"
    return _final(status) if status.state is State.RESOLVED else None


def consequence(status: DeadLetterStatus) -> str:
    """What it means that a dead letter is discarded."""
    request = status.request
    if request is None:
        return "no request of it is known"
    return (
        f"request {request.id} of user {request.user_id} for coupon {request.coupon_id} stays"
        f" {request.status}: `coupon verify` still names it"
    )


def _final(status: DeadLetterStatus) -> str:
    request = status.request
    return f"request {request.id} is {request.status}" if request else "it needs nothing"


def _delivery(
    written: list[tuple[int | None, int | None]], errors: list[str]
) -> Callable[..., None]:
    def delivered(error: KafkaError | None, message: object) -> None:
        if error is not None:
            errors.append(error.str())
        else:
            written.append((message.partition(), message.offset()))  # type: ignore[attr-defined]

    return delivered
