"""Transactional outbox: 202 once request and outbox row are committed; a publisher polls.

As good as the idea allows: requests are committed in batches as ours are. The publisher takes
batches with SKIP LOCKED, deletes in the same transaction what the brokers have acknowledged, and
polls again at once while there are rows. The cost of the idea: every request is written twice and
deleted once, and an empty table is polled all the time.
"""

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import psycopg
from confluent_kafka import Producer

from api.claim_results import ClaimOutcome, ClaimResult
from api.ledger_connections import LedgerConnections
from api.settings import ApiSettings
from benchmarks.strategies.claim_results import admissions_of, results
from benchmarks.strategies.request_topic import RequestTopic
from benchmarks.strategies.settings import StrategySettings
from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.errors import LedgerUnavailable, OutcomeUnknown, RedisUnavailable
from coupons.gate import Gate
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger, int_array, translated
from coupons.model import Admission, Claim

BATCH = 500
POLL_SECONDS = 0.02
DELIVERY_SECONDS = 10.0

log = logging.getLogger(__name__)

_PARTS = re.split(r"^-- name: (\w+)$", Path(__file__).with_suffix(".sql").read_text(), flags=re.M)
SQL = {name: text.encode() for name, text in zip(_PARTS[1::2], _PARTS[2::2], strict=True)}


def create_tables(owner_url: str) -> None:
    """Create the outbox's tables if they are missing."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(SQL["create"])


def writer(settings: ApiSettings, gate: Gate) -> Callable[[Sequence[Claim]], list[ClaimResult]]:
    """Return a function that admits a batch and commits it with its outbox rows."""
    connections = LedgerConnections(settings.database_url.get_secret_value(), "outbox-api")

    def write(claims: Sequence[Claim]) -> list[ClaimResult]:
        try:
            decisions = gate.admit(claims)
        except RedisUnavailable:
            return [ClaimResult(ClaimOutcome.GATE_UNAVAILABLE)] * len(claims)
        admitted = admissions_of(decisions)
        try:
            if admitted:
                _accept(connections, admitted)
        except OutcomeUnknown:
            return results(decisions, ClaimOutcome.OUTCOME_UNKNOWN)
        except LedgerUnavailable:
            gate.compensate([each for each in admitted if not each.repeated])
            return results(decisions, ClaimOutcome.LEDGER_UNAVAILABLE)
        return results(decisions)

    return write


def _accept(connections: LedgerConnections, admitted: Sequence[Admission]) -> None:
    values = {
        "coupon_ids": int_array(each.coupon_id for each in admitted),
        "user_ids": int_array(each.user_id for each in admitted),
        "requested_at_us": int_array(each.requested_at_us for each in admitted),
    }
    with connections.lend() as connection, translated(connection):
        connection.execute(SQL["accept"], values, prepare=True)


def work(settings: StrategySettings, stopping: Event) -> None:
    """Publish until `stopping` is set; retry while a server is down."""
    kafka = KafkaClient(settings.kafka_bootstrap_servers)
    producer = kafka.producer({**PRODUCER_SETTINGS, "delivery.report.only.error": True})
    topic = RequestTopic(producer, settings.schema_registry_url)
    url = settings.database_url.get_secret_value()
    while not stopping.is_set():
        try:
            with connect_ledger(url, "outbox-publisher") as connection:
                while not stopping.is_set():
                    with translated(connection), connection.transaction():
                        published = _publish(connection, producer, topic)
                    if not published:
                        stopping.wait(POLL_SECONDS)
        except LedgerUnavailable as error:
            log.warning("not published, retrying: %s", error)
            stopping.wait(0.5)


def _publish(
    connection: "psycopg.Connection[tuple[int, ...]]", producer: Producer, topic: RequestTopic
) -> int:
    """Publish a batch and delete its rows; the caller commits."""
    rows = connection.execute(SQL["take"], {"batch_size": BATCH}, prepare=True).fetchall()
    failed: list[object] = []
    for coupon_id, user_id, requested_at_us in rows:
        topic.produce(coupon_id, user_id, requested_at_us, lambda error, _: failed.append(error))
    if rows and (producer.flush(DELIVERY_SECONDS) or failed):
        producer.purge()
        raise LedgerUnavailable("the brokers did not acknowledge the batch; its rows stay")
    return len(rows)
