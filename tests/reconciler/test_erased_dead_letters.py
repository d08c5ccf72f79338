"""Dead letters of a user who was erased need nobody, and none of them is kept by mistake."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from coupons.change_events import dead_letter_topic
from coupons.change_events.dead_letter_headers import DeadLetterMetadata, dead_letter_headers
from coupons.gate.erasing import erase_user
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from operations import erasing
from operations.dead_letters.actions import discard
from operations.dead_letters.status import State, read_statuses
from operations.erasing import Erased
from operations.session import Session
from tests.reconciler.conftest import Shop
from tests.support.issued import as_owner

USER, OTHER = 4711, 1
WEEK = timedelta(days=7)
LONG_AGO_MS, LATER_MS = 1_700_000_000_000, 4_000_000_000_000


class Message(NamedTuple):
    """A record of the dead-letter topic."""

    at: int
    written_ms: int
    metadata: DeadLetterMetadata

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, self.written_ms

    def key(self) -> None:
        return None

    def value(self) -> None:
        return None

    def headers(self) -> Any:
        return dead_letter_headers(self.metadata, None)


class Topic:
    """A Kafka that is not there, as far as its dead letters are read and deleted."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, *_: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...

    def read(self) -> Iterator[list[Message]]:
        yield list(self.messages)

    def add(self, coupon_id: int, user: int, record: int, written_ms: int = LONG_AGO_MS) -> None:
        """record: the offset of the record; the same one is the same record, written again."""
        metadata = DeadLetterMetadata(
            "t", 0, record, 0, "E", "e", 1, "v", coupon_id=coupon_id, user_id=user
        )
        self.messages.append(Message(len(self.messages), written_ms, metadata))

    def delete(self, _: object, last: dict[int, int]) -> None:
        self.messages = [each for each in self.messages if each.at > last.get(0, -1)]


class Where(dict[str, str]):
    """Endpoints of which nothing is asked."""

    def kafka_client(self) -> KafkaClient:
        return KafkaClient("")


class Settings:
    """Of topics that keep a record for a week."""

    def __init__(self, *_: object) -> None: ...

    def longest_kept(self) -> timedelta:
        return WEEK


WHERE: Any = Where(COUPON_SCHEMA_REGISTRY_URL="http://127.0.0.1:1")


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    made = Topic()
    monkeypatch.setattr(dead_letter_topic, "LogReader", made)
    monkeypatch.setattr(erasing, "delete_dead_letters", made.delete)
    monkeypatch.setattr(erasing, "TopicSettings", Settings)
    return made


def _issue(shop: Shop, *users: int) -> None:
    shop.accept(*users)
    shop.issue(*users)


def _states(connection: Connection) -> list[State]:
    return [each.state for each in read_statuses(WHERE, connection)]


def _erase(shop: Shop, ops: Connection) -> Erased:
    """As the command does."""
    session = Session(shop.gate, ops, WHERE)
    return erasing.erase(session, USER, "a test")


@pytest.mark.parametrize("role", ["ops", "monitor"])
def test_a_letter_of_an_erased_request_is_open_to_nobody(
    shop: Shop, topic: Topic, ops: Connection, role: str
) -> None:
    """The request is gone, so that nothing says that it is final: the erasure does."""
    _issue(shop, USER, OTHER)
    topic.add(shop.coupon_id, USER, 0)
    topic.add(shop.coupon_id, OTHER, 1)
    erase_user(shop.gate, ops, USER, "over HTTP", WEEK)

    with closing(connect_ledger(shop.database.url(f"coupon_{role}"), "test")) as reader:
        assert _states(reader) == [State.DISCARDED, State.RESOLVED]


def test_a_letter_of_a_later_claim_is_open(shop: Shop, topic: Topic, ops: Connection) -> None:
    """Who was erased claims again, and that record cannot be handled."""
    _issue(shop, USER)
    erase_user(shop.gate, ops, USER, "over HTTP", WEEK)
    shop.accept(USER)
    topic.add(shop.coupon_id, USER, 0)
    topic.add(shop.coupon_id, USER, 1, LATER_MS)

    assert _states(ops) == [State.DISCARDED, State.OPEN]


def test_the_command_deletes_letters_that_were_written_again(
    shop: Shop, topic: Topic, ops: Connection
) -> None:
    """Only the first of a record's letters is listed; all of them name the user."""
    _issue(shop, USER)
    topic.add(shop.coupon_id, USER, 0)
    topic.add(shop.coupon_id, USER, 0)

    done = _erase(shop, ops)

    assert (done.dead_letters, done.dead_letters_left) == (2, 0)
    assert topic.messages == []


def test_a_letter_that_cannot_be_deleted_stays_discarded(
    shop: Shop, topic: Topic, ops: Connection
) -> None:
    """When the first is deleted, the next of the record counts, also when the erasure is over."""
    _issue(shop, USER)
    shop.accept(OTHER)
    topic.add(shop.coupon_id, USER, 0)
    topic.add(shop.coupon_id, OTHER, 1)
    topic.add(shop.coupon_id, USER, 0)

    done = _erase(shop, ops)

    assert (done.dead_letters, done.dead_letters_left) == (1, 1)
    as_owner(shop.database, "DELETE FROM erased_request")
    assert _states(ops) == [State.OPEN, State.DISCARDED]
    named = "SELECT FROM dead_letter_action WHERE user_id IS NOT NULL"
    assert as_owner(shop.database, named) == []


def test_what_others_discarded_stays_so_when_its_first_letter_goes(
    shop: Shop, topic: Topic, ops: Connection
) -> None:
    """An erasure deletes their letters too, up to the user's last."""
    _issue(shop, USER)
    shop.accept(OTHER)
    topic.add(shop.coupon_id, OTHER, 0)
    topic.add(shop.coupon_id, USER, 1)
    topic.add(shop.coupon_id, OTHER, 0)
    list(discard(ops, read_statuses(WHERE, ops)[:1], "somebody", "a reason"))

    _erase(shop, ops)

    assert [each.at for each in topic.messages] == [2]
    assert _states(ops) == [State.DISCARDED]


def test_the_command_deletes_what_an_erasure_over_http_left(
    shop: Shop, topic: Topic, ops: Connection
) -> None:
    """Its proof is the same one: the letters are not counted in it."""
    _issue(shop, USER)
    topic.add(shop.coupon_id, USER, 0)
    proof = erase_user(shop.gate, ops, USER, "over HTTP", WEEK)

    done = _erase(shop, ops)

    assert topic.messages == []
    assert done.erasure == proof
