"""How each dead letter stands: from the topic, the audit trail and the ledger together."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from coupons.change_events import REQUEST_TOPIC, ChangeEventDecoder, SchemaRegistry
from coupons.change_events.dead_letter_topic import StoredDeadLetter, read_dead_letters
from coupons.endpoints import Endpoints
from coupons.errors import SchemaRegistryUnavailable, UndecodableEvent
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID
from coupons.ledger.connection import Connection
from coupons.ledger.requests import find_requests
from coupons.model import IssueRequest
from operations.dead_letters.audit import Action, key_of, last_actions

MAX_REPLAYS = 3
"""Who fails as often as this is not tried again without being told to."""

_REQUESTS_PER_READ = 5_000

RequestKey = tuple[int, int]


class State(StrEnum):
    """Of a dead letter."""

    OPEN = "open"
    """Nobody has done anything with it yet, or what was done failed."""
    PARKED = "parked"
    """It was written back as often as is allowed, and came back each time."""
    REPLAYED = "replayed"
    """Its record was written back; its request is not final (yet), or not known."""
    RESOLVED = "resolved"
    """Its request is final in the ledger."""
    DISCARDED = "discarded"
    """An operator gave it up, with a reason."""


class DeadLetterStatus(NamedTuple):
    """A letter and how it stands. request: as the ledger has it; None: no row, or not known.

    key: coupon and user that the record asks for; None when it cannot be read. came_back_as: the
    place of the letter that its record became after it was written back.
    """

    letter: StoredDeadLetter
    state: State
    key: RequestKey | None
    request: IssueRequest | None
    last: Action | None
    came_back_as: str | None


def read_statuses(
    where: Endpoints, connection: Connection, max_replays: int = MAX_REPLAYS
) -> list[DeadLetterStatus]:
    """Every letter, in order. where: the addresses of the stack, COUPON_*.

    Raises KafkaUnavailable or LedgerUnavailable. Without the schema registry, coupon and user stay
    unknown of records that the consumer could not read.
    """
    letters = read_dead_letters(where.kafka_client())
    keys, guesses = _keys(letters, where["COUPON_SCHEMA_REGISTRY_URL"])
    wanted = {*(key for key in keys if key is not None), *(each[:2] for each in guesses.values())}
    requests = _requests(connection, wanted)
    for number, guess in guesses.items():
        row = requests.get(guess[:2])
        if row is not None and row.requested_at_us == guess.requested_at_us:
            keys[number] = guess[:2]
    actions = last_actions(connection) if letters else {}
    back = {each.facts.replayed_from: each.place for each in letters if each.facts.replayed_from}
    return [
        _standing(letter, key, requests, actions.get(key_of(letter)), back, max_replays)
        for letter, key in zip(letters, keys, strict=True)
    ]


def _standing(
    letter: StoredDeadLetter,
    key: RequestKey | None,
    requests: Mapping[RequestKey, IssueRequest],
    last: Action | None,
    back: Mapping[str, str],
    max_replays: int,
) -> DeadLetterStatus:
    request = requests.get(key) if key else None
    if last is not None and last.result == "discarded":
        state = State.DISCARDED
    elif request is not None and request.is_final:
        state = State.RESOLVED
    elif last is not None and last.result == "written":
        state = State.REPLAYED
    elif letter.facts.replays >= max_replays:
        state = State.PARKED
    else:
        state = State.OPEN
    return DeadLetterStatus(letter, state, key, request, last, back.get(letter.place))


def _keys(
    letters: Iterable[StoredDeadLetter], registry_url: str
) -> tuple[list[RequestKey | None], dict[int, IssueRequest]]:
    """What each letter asks for; and by number what those may ask for that cannot be read.

    A registry that lost its schemas leaves records of which nobody knows for certain.
    """
    decoder: ChangeEventDecoder | None = ChangeEventDecoder(SchemaRegistry(registry_url))
    keys: list[RequestKey | None] = []
    guesses: dict[int, IssueRequest] = {}
    for number, letter in enumerate(letters):
        facts = letter.facts
        key: RequestKey | None = None
        if facts.coupon_id is not None and facts.user_id is not None:
            key = facts.coupon_id, facts.user_id
        elif decoder is not None and facts.topic == REQUEST_TOPIC:
            try:
                key, guess = _read(decoder, letter)
            except SchemaRegistryUnavailable:
                decoder = guess = None
            if guess is not None and _is_possible(guess):
                guesses[number] = guess
        keys.append(key)
    return keys, guesses


def _read(
    decoder: ChangeEventDecoder, letter: StoredDeadLetter
) -> tuple[RequestKey | None, IssueRequest | None]:
    """What it asks for, or else what it may ask for."""
    try:
        return decoder.issue_request(letter.value)[:2], None
    except UndecodableEvent:
        return None, decoder.guessed_request(letter.value)


def _is_possible(guess: IssueRequest) -> bool:
    return 0 < guess.coupon_id <= MAX_COUPON_ID and 0 < guess.user_id <= MAX_USER_ID


def _requests(connection: Connection, keys: Iterable[RequestKey]) -> dict[RequestKey, IssueRequest]:
    wanted: Sequence[RequestKey] = sorted(keys)
    found: dict[RequestKey, IssueRequest] = {}
    for first in range(0, len(wanted), _REQUESTS_PER_READ):
        some = find_requests(connection, wanted[first : first + _REQUESTS_PER_READ])
        found.update((request[:2], request) for request in some)
    return found
