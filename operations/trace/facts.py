"""Asks each part for what it knows of one request; a part that is down does not stop the rest."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from typing import NamedTuple, TypeVar

from coupons.endpoints import DATABASE_URL, REDIS_URL, REGISTRY_URL, Endpoints
from coupons.errors import ConfigurationError, CouponError, KafkaUnavailable, LedgerUnavailable
from coupons.gate import Gate, GateFigures, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupon_pages import read_coupon
from coupons.ledger.lives import Life, read_life
from coupons.ledger.requests import TimedRequest, find_timed_request
from coupons.model import Coupon, CouponState, GateState, IssueRequest, Status, to_microseconds
from operations.dead_letters.status import DeadLetterStatus, read_statuses
from operations.trace.record_search import RecordSearch, find_record

T = TypeVar("T")


class Unknown(NamedTuple):
    """A part does not answer; why, in one sentence. no_kafka: whether Kafka is that part."""

    why: str
    no_kafka: bool = False

    def __str__(self) -> str:
        return f"unknown: {self.why}"


class Facts(NamedTuple):
    """What the parts know of a request; Unknown for each part that does not answer.

    row, coupon: by the ledger. marked: by the gate, or why it is unavailable; None: it has no such
    request, or has forgotten the coupon. record: None: not searched, because there is no request.
    life: None: it is not issued.
    """

    row: TimedRequest | Unknown | None
    coupon: Coupon | Unknown | None
    marked: IssueRequest | GateState | Unknown | None
    figures: GateFigures | Unknown | None
    record: RecordSearch | Unknown | None
    letters: list[DeadLetterStatus] | Unknown
    life: Life | Unknown | None = None

    @property
    def requested_at_us(self) -> int | None:
        """When it was admitted, in microseconds since 1970; None: no request, or not known."""
        return _requested_at_us(self.row, self.marked)

    @property
    def final_at(self) -> datetime | None:
        """When it became final; None: it is not, or that is not known."""
        return self.row.final_at if isinstance(self.row, TimedRequest) else None


def read_facts(where: Endpoints, coupon_id: int, user_id: int) -> Facts:
    """What each part knows now. Raises SettingError where there is no stack."""
    # Asked for once; a part that is not running is known by its missing endpoint.
    gate = cache(lambda: connect_gate(where[REDIS_URL]))
    marked = ask(lambda: _marked(gate(), coupon_id, user_id))
    figures = ask(lambda: gate().figures([coupon_id])[0])
    life: Life | Unknown | None = None
    with _ledger(where) as ledger:
        if isinstance(ledger, Unknown):
            row: TimedRequest | Unknown | None = ledger
            coupon: Coupon | Unknown | None = ledger
        else:
            row = ask(lambda: find_timed_request(ledger, coupon_id, user_id))
            coupon = ask(lambda: read_coupon(ledger, coupon_id))
            if _is_issued(row):
                life = ask(lambda: read_life(ledger, coupon_id, user_id))
            if _is_final(row) and isinstance(marked, IssueRequest) and not marked.is_final:
                # A mark follows its row, and may have come between the two readings.
                marked = ask(lambda: _marked(gate(), coupon_id, user_id))
        if isinstance(marked, GateState) and is_forgotten(coupon):
            marked = None
        admitted_us = _requested_at_us(row, marked)
        if admitted_us is None:
            return Facts(row, coupon, marked, figures, None, [])
        record = ask(lambda: _record(where, (coupon_id, user_id), admitted_us, row))
        # A Kafka that does not answer is waited for once.
        letters: list[DeadLetterStatus] | Unknown
        if isinstance(record, Unknown) and record.no_kafka:
            letters = record
        else:
            letters = ask(lambda: _letters(where, ledger, (coupon_id, user_id)))
    return Facts(row, coupon, marked, figures, record, letters, life)


def ask(read: Callable[[], T]) -> T | Unknown:
    """The answer of a part, or Unknown. A wrong setting is raised: it is not the part's."""
    try:
        return read()
    except ConfigurationError:
        raise
    except CouponError as error:
        why = str(error).strip().partition("\n")[0]
        return Unknown(why, isinstance(error, KafkaUnavailable))


def is_forgotten(coupon: object) -> bool:
    """Whether the gate forgets it: it is archived."""
    return isinstance(coupon, Coupon) and coupon.state is CouponState.ARCHIVED


def _is_final(row: object) -> bool:
    return isinstance(row, TimedRequest) and row.request.is_final


def _is_issued(row: object) -> bool:
    return isinstance(row, TimedRequest) and row.request.status is Status.ISSUED


def _requested_at_us(row: object, marked: object) -> int | None:
    if isinstance(row, TimedRequest):
        return row.request.requested_at_us
    return marked.requested_at_us if isinstance(marked, IssueRequest) else None


def _marked(gate: Gate, coupon_id: int, user_id: int) -> IssueRequest | GateState | None:
    found = gate.read(coupon_id, [user_id])
    return found if isinstance(found, GateState) else found[0]


@contextmanager
def _ledger(where: Endpoints) -> Iterator[Connection | Unknown]:
    connection = ask(lambda: connect_ledger(where[DATABASE_URL], "coupon-trace"))
    if isinstance(connection, Unknown):
        yield connection
        return
    with closing(connection):
        yield connection


def _record(where: Endpoints, key: tuple[int, int], admitted_us: int, row: object) -> RecordSearch:
    final_at = row.final_at if isinstance(row, TimedRequest) else None
    final_ms = None if final_at is None else to_microseconds(final_at) // 1_000
    kafka, registry = where.kafka_client(), where[REGISTRY_URL]
    return find_record(kafka, registry, key, admitted_us // 1_000, final_ms)


def _letters(
    where: Endpoints, ledger: Connection | Unknown, key: tuple[int, int]
) -> list[DeadLetterStatus]:
    if isinstance(ledger, Unknown):
        raise LedgerUnavailable(ledger.why)
    return [each for each in read_statuses(where, ledger) if each.key == key]
