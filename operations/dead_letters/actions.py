"""What operators do with dead letters: write their records back, or give them up."""

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
    """Of one letter. outcome: written, failed, discarded or skipped. detail: in words."""

    standing: DeadLetterStatus
    outcome: str
    detail: str


class Replayer:
    """Writes records back to where they stood, with their keys, values and headers.

    The consumer handles them as any other: what is final already stays as it is.
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

    def replay(self, standings: Iterable[DeadLetterStatus]) -> Iterator[Result]:
        """One result a letter, as it is known. Ends after the first failure: all would fail.

        Raises LedgerUnavailable when the audit trail cannot be written; nothing is written back
        without it.
        """
        next_at = time.monotonic()
        for standing in standings:
            if objection := refusal(standing, self._allowed):
                yield Result(standing, "skipped", objection)
                continue
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at = max(next_at, time.monotonic() - self._pause_seconds) + self._pause_seconds
            result = self._replay_one(standing)
            yield result
            if result.outcome == "failed":
                return

    def _replay_one(self, standing: DeadLetterStatus) -> Result:
        self._note(standing, "begun", "")
        facts = standing.letter.facts
        try:
            partition, offset = self._write(standing)
        except KafkaUnavailable as error:
            self._note(standing, "failed", str(error))
            return Result(standing, "failed", str(error))
        detail = f"{facts.topic} [{partition}] at {offset}, replay {facts.replays + 1}"
        self._note(standing, "written", detail)
        return Result(standing, "written", detail)

    def _write(self, standing: DeadLetterStatus) -> tuple[int | None, int | None]:
        letter, facts = standing.letter, standing.letter.facts
        places: list[tuple[int | None, int | None]] = []
        errors: list[str] = []
        deliver = _delivery(places, errors)
        try:
            self._producer.produce(
                facts.topic,
                key=letter.key,
                value=letter.value,
                # Not by the key: this client would hash it to another partition than Java's did.
                partition=facts.partition,
                headers=replay_headers(facts.replays + 1, letter.place, letter.headers),
                on_delivery=deliver,
            )
        except (KafkaException, BufferError) as error:
            raise KafkaUnavailable(f"Kafka does not take the record: {error}") from error
        if self._producer.flush(DELIVERY_SECONDS):
            self._producer.purge()
            errors.append(f"not acknowledged within {DELIVERY_SECONDS:.0f} s; see `coupon status`")
        if errors or not places:
            raise KafkaUnavailable(f"the record was not written back: {errors[0]}")
        return places[0]

    def _note(self, standing: DeadLetterStatus, result: str, detail: str) -> None:
        request = standing.key or (None, None)
        letter = standing.letter
        add_action(self._connection, letter, request, self._acted_by, "replay", result, detail)


def discard(
    connection: Connection, standings: Iterable[DeadLetterStatus], acted_by: str, reason: str
) -> Iterator[Result]:
    """Give letters up for good; their records stay in the topic. Raises LedgerUnavailable."""
    for standing in standings:
        if objection := no_discard(standing):
            yield Result(standing, "skipped", objection)
            continue
        request = standing.key or (None, None)
        add_action(connection, standing.letter, request, acted_by, "discard", "discarded", reason)
        yield Result(standing, "discarded", consequence(standing))


def refusal(standing: DeadLetterStatus, allowed: Iterable[State]) -> str | None:
    """Why a letter is not written back, and what to do; None when it can be."""
    facts, last = standing.letter.facts, standing.last
    if facts.topic not in READER_SCHEMAS:
        return f"the consumer does not read its topic {facts.topic!r}: {facts.error_message}"
    if standing.state in allowed:
        return None
    who = f" by {last.acted_by}, {last.acted_at:%Y-%m-%d %H:%M:%S} UTC" if last else ""
    match standing.state:
        case State.PARKED:
            return (
                f"parked: written back {facts.replays} times and refused each time;"
                " mend the cause, then say --parked"
            )
        case State.REPLAYED if standing.came_back_as:
            return f"written back{who}; came back as {standing.came_back_as}"
        case State.REPLAYED:
            return f"written back{who}; say --again to write it once more"
        case State.DISCARDED:
            return f"discarded{who}; say --again to write it back nonetheless"
        case _:
            return f"{standing.state}: {_final(standing)}"


def no_discard(standing: DeadLetterStatus) -> str | None:
    """Why there is nothing to give up; None when there is."""
    if standing.state is State.DISCARDED:
        return "discarded before"
    return _final(standing) if standing.state is State.RESOLVED else None


def consequence(standing: DeadLetterStatus) -> str:
    """What it means that a letter is given up."""
    request = standing.request
    if request is None:
        return "no request is known that it would have made final"
    return (
        f"request {request.id} of user {request.user_id} for coupon {request.coupon_id} stays"
        f" {request.status}: `coupon verify` goes on naming it"
    )


def _final(standing: DeadLetterStatus) -> str:
    request = standing.request
    return f"request {request.id} is {request.status}" if request else "it needs nothing"


def _delivery(
    places: list[tuple[int | None, int | None]], errors: list[str]
) -> Callable[..., None]:
    def delivered(error: KafkaError | None, message: object) -> None:
        if error is not None:
            errors.append(error.str())
        else:
            places.append((message.partition(), message.offset()))  # type: ignore[attr-defined]

    return delivered
