"""What becomes of one batch, against a real Postgres and a real Valkey."""

import json
import logging

import psycopg
import pytest

from cdc_consumer.handling import BatchHandler
from cdc_consumer.issuing import Issuer
from coupons.change_events import (
    HEARTBEAT_TOPIC,
    ChangeEventDecoder,
    SchemaRegistry,
)
from coupons.errors import (
    DeadLetterOutage,
    KafkaUnavailable,
    LedgerUnavailable,
    RedisUnavailable,
    SchemaRegistryUnavailable,
    UndecodableEvent,
    UnknownCoupon,
)
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.heartbeat import read_heartbeat
from coupons.ids import request_id_text
from coupons.model import Claim, Coupon, Status
from coupons.process.logging import JsonLines
from tests.support.databases import Database
from tests.support.events import HEARTBEAT, SCHEMAS, KeptLetters, record_of, request_records
from tests.support.handling import issued_users, statuses
from tests.support.ledger import MakeCoupon
from tests.support.registry import RegistryServer

POISONED_USER = 321


@pytest.fixture
def poison(gate: Gate, make_coupon: MakeCoupon, database: Database) -> Coupon:
    """A coupon with room for everybody, whose POISONED_USER breaks a constraint."""
    made = make_coupon(total_quantity=1_000)
    assert open_coupon(gate, made)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            "ALTER TABLE issued_coupon ADD CONSTRAINT poisoned"
            f" CHECK (user_id <> {POISONED_USER} OR coupon_id <> {made.coupon_id})"
        )
    return made


def test_what_fits_is_issued_and_the_rest_is_rejected_in_order(
    handler: BatchHandler, database: Database, gate: Gate, coupon: Coupon
) -> None:
    handler.handle(request_records(coupon.coupon_id, [40, 30, 20, 10]))
    assert issued_users(database) == [20, 30, 40]
    expected = [Status.ISSUED, Status.ISSUED, Status.ISSUED, Status.REJECTED]
    assert statuses(gate, coupon, [40, 30, 20, 10]) == expected


def test_a_replayed_batch_issues_nothing_twice_and_repeats_its_marks(
    handler: BatchHandler, database: Database, gate: Gate, coupon: Coupon
) -> None:
    batch = request_records(coupon.coupon_id, [1, 2])
    handler.handle(batch)
    gate.client.flushall()
    assert open_coupon(gate, coupon)
    handler.handle(batch + batch)
    assert issued_users(database) == [1, 2]
    assert statuses(gate, coupon, [1, 2]) == [Status.ISSUED, Status.ISSUED]


def test_a_record_of_garbage_is_set_aside_and_the_others_go_through(
    handler: BatchHandler, letters: KeptLetters, database: Database, coupon: Coupon
) -> None:
    first, second = request_records(coupon.coupon_id, [1, 2])
    garbage = record_of(b"garbage", offset=7)
    handler.handle([first, garbage, second])
    [letter] = letters.letters
    assert letter.record is garbage
    assert isinstance(letter.error, UndecodableEvent)
    assert issued_users(database) == [1, 2]


def test_a_request_for_an_unknown_coupon_is_set_aside(
    handler: BatchHandler, letters: KeptLetters, database: Database, coupon: Coupon
) -> None:
    unknown = request_records(coupon.coupon_id + 1, [1])
    handler.handle([*unknown, *request_records(coupon.coupon_id, [1])])
    assert [(each.record, type(each.error)) for each in letters.letters] == [
        (unknown[0], UnknownCoupon)
    ]
    assert issued_users(database) == [1]


def test_a_row_that_postgres_refuses_does_not_stop_the_others(
    handler: BatchHandler, letters: KeptLetters, database: Database, make_coupon: MakeCoupon
) -> None:
    """A row that postgres refuses is set aside and the others go through."""
    coupon = make_coupon(total_quantity=100)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE issued_coupon ADD CONSTRAINT unlucky CHECK (user_id <> 13)")
    handler.handle(request_records(coupon.coupon_id, range(1, 31)))
    [letter] = letters.letters
    assert "unlucky" in str(letter.error)
    assert letter.record.offset == 12
    assert issued_users(database) == [*range(1, 13), *range(14, 31)]


def test_a_right_that_is_missing_is_an_outage_and_sets_nothing_aside(
    handler: BatchHandler, letters: KeptLetters, database: Database, gate: Gate, coupon: Coupon
) -> None:
    assert gate.admit([Claim(coupon.coupon_id, 1)])
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("REVOKE INSERT ON issued_coupon FROM coupon_consumer")
    with pytest.raises(LedgerUnavailable, match="permission denied"):
        handler.handle(request_records(coupon.coupon_id, [1]))
    assert letters.letters == []
    assert statuses(gate, coupon, [1]) == [Status.REQUESTED]


def test_a_lost_connection_is_made_again(
    handler: BatchHandler, database: Database, coupon: Coupon
) -> None:
    handler.handle(request_records(coupon.coupon_id, [1]))
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name = 'cdc_consumer'",
            [database.name],
        )
    with pytest.raises(LedgerUnavailable):
        handler.handle(request_records(coupon.coupon_id, [2]))
    handler.handle(request_records(coupon.coupon_id, [2]))
    assert issued_users(database) == [1, 2]


def test_marks_that_redis_missed_are_made_when_the_batch_comes_again(
    handler: BatchHandler, ledger: Issuer, database: Database, gate: Gate, coupon: Coupon
) -> None:
    batch = request_records(coupon.coupon_id, [1])
    handler._gate = connect_gate("redis://127.0.0.1:9/0")
    with pytest.raises(RedisUnavailable):
        handler.handle(batch)
    assert issued_users(database) == [1]
    handler._gate = gate
    handler.handle(batch)
    assert statuses(gate, coupon, [1]) == [Status.ISSUED]


def test_a_dead_letter_that_is_not_delivered_holds_the_batch_back(
    handler: BatchHandler, letters: KeptLetters, coupon: Coupon
) -> None:
    letters.away = True
    with pytest.raises(KafkaUnavailable):
        handler.handle([record_of(b"garbage"), *request_records(coupon.coupon_id, [1])])


def test_a_registry_that_is_away_changes_nothing(
    handler: BatchHandler, registry_server: RegistryServer, database: Database, coupon: Coupon
) -> None:
    registry_server.failing = True
    with pytest.raises(SchemaRegistryUnavailable):
        handler.handle(request_records(coupon.coupon_id, [1]))
    assert issued_users(database) == []


def test_the_newest_heartbeat_is_kept_for_everybody(handler: BatchHandler, gate: Gate) -> None:
    value = bytes.fromhex(HEARTBEAT["value"])
    handler.handle([record_of(value, topic=HEARTBEAT_TOPIC)])
    assert read_heartbeat(gate.client)


def test_one_poison_record_among_500_leaves_499_final_and_one_letter(
    handler: BatchHandler, letters: KeptLetters, database: Database, gate: Gate, poison: Coupon
) -> None:
    handler.handle(request_records(poison.coupon_id, range(1, 501)))
    others = [user for user in range(1, 501) if user != POISONED_USER]
    assert issued_users(database) == others
    assert statuses(gate, poison, others) == [Status.ISSUED] * 499
    [letter] = letters.letters
    assert letter.request is not None
    assert letter.request[:2] == (poison.coupon_id, POISONED_USER)
    assert isinstance(letter.error, psycopg.errors.CheckViolation)


def test_a_batch_that_cannot_be_handled_at_all_is_an_outage(
    handler: BatchHandler, letters: KeptLetters, database: Database, poison: Coupon
) -> None:
    """A batch that cannot be handled at all is an outage that ends when its cause is mended."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE issued_coupon ADD CONSTRAINT nobody CHECK (user_id < 0)")
    batch = request_records(poison.coupon_id, [1, *range(1_000, 1_100)])
    for _ in range(2):
        with pytest.raises(DeadLetterOutage, match="CheckViolation"):
            handler.handle(batch)
    assert letters.letters == []
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE issued_coupon DROP CONSTRAINT nobody")
    handler.handle(batch)
    assert letters.letters == []
    assert len(issued_users(database)) == 101


def test_a_schema_that_is_unknown_for_a_while_is_an_outage(
    handler: BatchHandler,
    letters: KeptLetters,
    registry_server: RegistryServer,
    database: Database,
    poison: Coupon,
) -> None:
    """A schema that is unknown for a while is an outage and not 500 letters."""
    registry_server.schemas.clear()
    batch = request_records(poison.coupon_id, range(1_000, 1_100))
    with pytest.raises(DeadLetterOutage, match="has no schema"):
        handler.handle(batch)
    assert letters.letters == []
    registry_server.schemas.update(SCHEMAS)
    handler._decoder = ChangeEventDecoder(SchemaRegistry(registry_server.url))
    handler.handle(batch)
    assert len(issued_users(database)) == 100


def test_a_registry_that_lost_its_schemas_is_waited_for(
    handler: BatchHandler, letters: KeptLetters, registry_server: RegistryServer, coupon: Coupon
) -> None:
    """A registry that lost its schemas is waited for and sets nothing aside."""
    registry_server.schemas.clear()
    registry_server.subjects.clear()
    beat = record_of(bytes.fromhex(HEARTBEAT["value"]), topic=HEARTBEAT_TOPIC)
    for batch in (request_records(coupon.coupon_id, [1]), [beat]):
        with pytest.raises(SchemaRegistryUnavailable, match="connector recover"):
            handler.handle(batch)
    assert letters.letters == []


def test_heartbeats_that_cannot_be_read_stop_nothing(
    handler: BatchHandler, letters: KeptLetters, database: Database, coupon: Coupon
) -> None:
    """Heartbeats that cannot be read are nobody's request and stop nothing."""
    beats = [record_of(b"garbage", offset=n, topic=HEARTBEAT_TOPIC) for n in range(200)]
    handler.handle([*beats, *request_records(coupon.coupon_id, [1])])
    assert letters.letters == []
    assert issued_users(database) == [1]


def test_a_column_that_was_dropped_is_waited_for_and_sets_nothing_aside(
    handler: BatchHandler, letters: KeptLetters, database: Database, poison: Coupon
) -> None:
    handler.handle(request_records(poison.coupon_id, [1]))
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE issued_coupon RENAME COLUMN requested_at TO gone")
    with pytest.raises(LedgerUnavailable, match="UndefinedColumn"):
        handler.handle(request_records(poison.coupon_id, [2]))
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("ALTER TABLE issued_coupon RENAME COLUMN gone TO requested_at")
    handler.handle(request_records(poison.coupon_id, [2]))
    assert issued_users(database) == [1, 2]
    assert letters.letters == []


def test_a_letter_tells_in_how_many_batches_its_record_was_tried(
    handler: BatchHandler, letters: KeptLetters, coupon: Coupon
) -> None:
    batch = [record_of(b"garbage"), *request_records(coupon.coupon_id, [1])]
    letters.away = True
    for _ in range(2):
        with pytest.raises(KafkaUnavailable):
            handler.handle(batch)
    letters.away = False
    handler.handle(batch)
    assert letters.attempts == 3


def test_one_search_for_a_request_finds_what_became_of_it(
    handler: BatchHandler, coupon: Coupon, poison: Coupon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coupons.requests")
    batch = request_records(coupon.coupon_id, [40, 30, 20, 10])
    batch += request_records(poison.coupon_id, [POISONED_USER])
    handler.handle(batch)
    handler.handle(batch[:1])
    lines = [JsonLines().format(record) for record in caplog.records]

    def found(coupon_id: int, user_id: int) -> list[str]:
        wanted = request_id_text(coupon_id, user_id)
        return [json.loads(line)["message"] for line in lines if wanted in line]

    assert found(coupon.coupon_id, 40) == ["ISSUED and marked", "ISSUED before; marked again"]
    assert found(coupon.coupon_id, 10) == ["REJECTED and marked"]
    [dead_lettered] = found(poison.coupon_id, POISONED_USER)
    assert dead_lettered.startswith("dead-lettered: CheckViolation")
