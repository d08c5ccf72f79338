"""The status of each dead letter: from the topic, the audit trail and the ledger together."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from coupons.change_events import REQUEST_TOPIC, ChangeEventDecoder, SchemaRegistry
from coupons.change_events.dead_letter_topic import DeadLetter, read_dead_letters
from coupons.endpoints import Endpoints
from coupons.errors import SchemaRegistryUnavailable, UndecodableEvent
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID
from coupons.ledger.connection import Connection
from coupons.ledger.erased_requests import ErasedRequest, find_erased_requests
from coupons.ledger.rehearsals import find_purged
from coupons.ledger.requests import find_requests
from coupons.ledger.retired import find_retiring
from coupons.model import IssueRequest
from operations.dead_letters.audit import Action, key_of, last_actions

MAX_REPLAYS = 3
"""A record that was replayed as often as this is replayed again only with --parked."""

_REQUESTS_PER_READ = 5_000

RequestKey = tuple[int, int]


class State(StrEnum):
    """The state of a dead letter."""

    OPEN = "open"
    """Nobody has acted on it yet, or the last action failed."""
    PARKED = "parked"
    """It was written back as often as is allowed, and failed again each time."""
    REPLAYED = "replayed"
    """Its record was written back; its request is not final yet, or is not known."""
    RESOLVED = "resolved"
    """Its request is final in the ledger; or was, before its coupon was retired."""
    DISCARDED = "discarded"
    """An operator gave it up, with a reason; or its request was erased or purged."""


UNRESOLVED = (State.OPEN, State.PARKED, State.REPLAYED)
"""The states in which somebody may still have to act."""


class DeadLetterStatus(NamedTuple):
    """A dead letter and its state.

    key: coupon and user of the record's request; None when the record cannot be read. request: as
    the ledger has it; None: no row, or not known. came_back_as: the position of the dead letter
    that the record became after it was written back. is_guessed: whether the record cannot be read,
    and key is what its bytes mean by the newest schema, as a row of the ledger confirms.
    """

    letter: DeadLetter
    state: State
    key: RequestKey | None
    request: IssueRequest | None
    last_action: Action | None
    came_back_as: str | None
    is_guessed: bool

    @property
    def is_waiting(self) -> bool:
        """Whether somebody has to act on it now."""
        return self.state in (State.OPEN, State.PARKED) and self.came_back_as is None


def read_statuses(
    where: Endpoints,
    connection: Connection,
    max_replays: int = MAX_REPLAYS,
    *,
    repeated: bool = False,
) -> list[DeadLetterStatus]:
    """Every dead letter, in order. where: the endpoints of the system, COUPON_*.

    repeated: also those that a consumer wrote again; they have the state of the first.

    Raises KafkaUnavailable or LedgerUnavailable. Without the schema registry, the coupon and
    the user of records that the consumer could not read stay unknown.
    """
    letters = read_dead_letters(where.kafka_client(), repeated=repeated)
    keys, guesses = _keys(letters, where["COUPON_SCHEMA_REGISTRY_URL"])
    wanted = {*(key for key in keys if key is not None), *(each[:2] for each in guesses.values())}
    requests = _requests(connection, wanted)
    erased = _erased(connection, wanted)
    known = {each[:3] for each in (*requests.values(), *erased)}
    confirmed = {number: guess[:2] for number, guess in guesses.items() if guess[:3] in known}
    erased_at_us = {each[:2]: each.erased_at_us for each in erased}
    retired = find_retiring(connection, {coupon_id for coupon_id, _ in wanted})
    purged = find_purged(connection, {coupon_id for coupon_id, _ in wanted})
    actions = last_actions(connection) if letters else {}
    back = {
        each.metadata.replayed_from: each.position
        for each in letters
        if each.metadata.replayed_from
    }
    states: dict[tuple[object, ...], State] = {}
    statuses = []
    for number, (letter, read) in enumerate(zip(letters, keys, strict=True)):
        key = confirmed.get(number, read)
        request = requests.get(key) if key else None
        last = actions.get(key_of(letter))
        is_gone = key is not None and (
            key[0] in purged or _is_erased(letter, request, erased_at_us.get(key))
        )
        own = State.DISCARDED if is_gone else _state(letter, request, last, max_replays)
        if request is None and key is not None and key[0] in retired:
            own = State.RESOLVED
        state = states.setdefault(letter.record, own)
        came_back_as, is_guessed = back.get(letter.position), number in confirmed
        statuses.append(
            DeadLetterStatus(letter, state, key, request, last, came_back_as, is_guessed)
        )
    return statuses


def read_unresolved(where: Endpoints, connection: Connection) -> list[DeadLetterStatus]:
    """The dead letters that are neither resolved nor discarded, in order.

    Of a record whose replay failed again, only the newest dead letter is listed. Raises as
    `read_statuses`.
    """
    return [
        status
        for status in read_statuses(where, connection)
        if status.state in UNRESOLVED and status.came_back_as is None
    ]


def _is_erased(letter: DeadLetter, request: IssueRequest | None, erased_at_us: int | None) -> bool:
    """Whether its request was erased; a later one is that of a user who claimed again."""
    return erased_at_us is not None and (
        request is None or letter.dead_lettered_ms * 1_000 < erased_at_us
    )


def _state(
    letter: DeadLetter, request: IssueRequest | None, last: Action | None, max_replays: int
) -> State:
    if last is not None and last.result == "discarded":
        return State.DISCARDED
    if request is not None and request.is_final:
        return State.RESOLVED
    if last is not None and last.result == "written":
        return State.REPLAYED
    return State.PARKED if letter.metadata.replays >= max_replays else State.OPEN


def _keys(
    letters: Iterable[DeadLetter], registry_url: str
) -> tuple[list[RequestKey | None], dict[int, IssueRequest]]:
    """The request key of each dead letter; and by number a guess for those that cannot be read.

    A registry that lost its schemas leaves records that nobody can read for certain.
    """
    decoder: ChangeEventDecoder | None = ChangeEventDecoder(SchemaRegistry(registry_url))
    keys: list[RequestKey | None] = []
    guesses: dict[int, IssueRequest] = {}
    for number, letter in enumerate(letters):
        metadata = letter.metadata
        key: RequestKey | None = None
        if metadata.coupon_id is not None and metadata.user_id is not None:
            key = metadata.coupon_id, metadata.user_id
        elif decoder is not None and metadata.topic == REQUEST_TOPIC:
            try:
                key, guess = _read(decoder, letter)
            except SchemaRegistryUnavailable:
                decoder = guess = None
            if guess is not None and _is_possible(guess):
                guesses[number] = guess
        keys.append(key)
    return keys, guesses


def _read(
    decoder: ChangeEventDecoder, letter: DeadLetter
) -> tuple[RequestKey | None, IssueRequest | None]:
    """The request key in the record, or else a guess of its request."""
    try:
        return decoder.issue_request(letter.value)[:2], None
    except UndecodableEvent:
        return None, decoder.guessed_request(letter.value)


def _is_possible(guess: IssueRequest) -> bool:
    return 0 < guess.coupon_id <= MAX_COUPON_ID and 0 < guess.user_id <= MAX_USER_ID


def _requests(connection: Connection, keys: Iterable[RequestKey]) -> dict[RequestKey, IssueRequest]:
    return {
        request[:2]: request for some in _parts(keys) for request in find_requests(connection, some)
    }


def _erased(connection: Connection, keys: Iterable[RequestKey]) -> list[ErasedRequest]:
    """In the order in which they were erased."""
    found = [each for some in _parts(keys) for each in find_erased_requests(connection, some)]
    return sorted(found, key=lambda each: each.erased_at_us)


def _parts(keys: Iterable[RequestKey]) -> Iterator[Sequence[RequestKey]]:
    wanted = sorted(keys)
    for first in range(0, len(wanted), _REQUESTS_PER_READ):
        yield wanted[first : first + _REQUESTS_PER_READ]
