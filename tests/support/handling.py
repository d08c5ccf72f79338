"""The consumer's handling of batches over real servers, without Kafka."""

from collections.abc import Iterator
from typing import cast

import psycopg
import pytest

from cdc_consumer.dead_letters import DeadLetters
from cdc_consumer.handling import BatchHandler
from cdc_consumer.health import Health
from cdc_consumer.issuing import Issuer
from cdc_consumer.limits import DlqLimit, DlqLimitState
from coupons.change_events import READER_SCHEMAS, ChangeEventDecoder, SchemaRegistry, subject_of
from coupons.gate import Gate, open_coupon
from coupons.model import Coupon, GateState, Status
from tests.support.databases import Database
from tests.support.events import SCHEMAS, KeptLetters
from tests.support.ledger import MakeCoupon
from tests.support.registry import RegistryServer

PLACES = 3
LIMIT = DlqLimit(max_consecutive=50, max_ratio=0.2, window=1_000)


@pytest.fixture
def coupon(gate: Gate, make_coupon: MakeCoupon) -> Coupon:
    made = make_coupon(total_quantity=PLACES)
    assert open_coupon(gate, made)
    return made


@pytest.fixture
def ledger(database: Database) -> Iterator[Issuer]:
    connected = Issuer(database.url("coupon_consumer"))
    yield connected
    connected.close()


@pytest.fixture
def letters() -> KeptLetters:
    return KeptLetters()


@pytest.fixture
def handler(
    registry_server: RegistryServer, ledger: Issuer, gate: Gate, letters: KeptLetters
) -> BatchHandler:
    registry_server.schemas.update(SCHEMAS)
    for topic in READER_SCHEMAS:
        registry_server.subjects[subject_of(topic)] = next(iter(SCHEMAS.values()))
    decoder = ChangeEventDecoder(SchemaRegistry(registry_server.url))
    dead_letters = cast(DeadLetters, letters)
    return BatchHandler(decoder, ledger, gate, dead_letters, DlqLimitState(LIMIT), Health())


def issued_users(database: Database) -> list[int]:
    with psycopg.connect(database.url("coupon_owner")) as connection:
        rows = connection.execute("SELECT user_id FROM issued_coupon ORDER BY user_id")
        return [row[0] for row in rows]


def statuses(gate: Gate, coupon: Coupon, user_ids: list[int]) -> list[Status | None]:
    found = gate.read(coupon.coupon_id, user_ids)
    assert not isinstance(found, GateState)
    return [request and request.status for request in found]
