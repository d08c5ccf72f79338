"""Redis and Kafka: 202 once the request is handed to a Kafka producer; the consumer issues from it.

As good as the idea allows: the report's producer settings, records in batches, an admission is
compensated when producing fails, and our own consumer (batches of 500, dead letters, a unique
constraint). The cost of the idea: the response is sent before the broker has the record, so a
process that crashes loses the records it still holds, and their stock. A response after the
broker's acknowledgement would be another design, with the broker's round trip in every response.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread

from confluent_kafka import KafkaError, KafkaException, Producer

from api.claim_results import ClaimOutcome, ClaimResult, accepted, decided_at_gate
from api.settings import ApiSettings
from benchmarks.strategies.request_topic import RequestTopic
from benchmarks.strategies.settings import StrategySettings
from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.errors import RedisUnavailable
from coupons.gate import Decision, Gate
from coupons.kafka.client import KafkaClient
from coupons.model import Admission, Claim
from coupons.process.settings import load_settings

POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


def writer(_settings: ApiSettings, gate: Gate) -> Callable[[Sequence[Claim]], list[ClaimResult]]:
    """Return a function that admits a batch and hands it to the producer."""
    settings = load_settings(StrategySettings)
    kafka = KafkaClient(settings.kafka_bootstrap_servers)
    producer = kafka.producer({**PRODUCER_SETTINGS, "delivery.report.only.error": True})
    topic = RequestTopic(producer, settings.schema_registry_url)
    Thread(target=_serve_deliveries, args=(producer,), daemon=True).start()

    def write(claims: Sequence[Claim]) -> list[ClaimResult]:
        try:
            decisions = gate.admit(claims)
        except RedisUnavailable:
            return [ClaimResult(ClaimOutcome.GATE_UNAVAILABLE)] * len(claims)
        return [_produce(topic, gate, decision) for decision in decisions]

    return write


def _produce(topic: RequestTopic, gate: Gate, decision: Decision) -> ClaimResult:
    if not isinstance(decision, Admission):
        return decided_at_gate(decision)
    try:
        topic.produce(*decision[:3], partial(_not_delivered, gate, decision))
    except (BufferError, KafkaException) as error:
        _compensate(gate, decision, str(error))
        return ClaimResult(ClaimOutcome.LEDGER_UNAVAILABLE)
    return accepted(decision)


def _serve_deliveries(producer: Producer) -> None:
    while True:
        producer.poll(POLL_SECONDS)


def _not_delivered(gate: Gate, admission: Admission, error: KafkaError, _: object) -> None:
    _compensate(gate, admission, error.str())


def _compensate(gate: Gate, admission: Admission, why: str) -> None:
    """Compensate an admission; not a repeated one, whose first record may still arrive."""
    log.warning("not produced: %s", why)
    if admission.repeated:
        return
    try:
        gate.compensate([admission])
    except RedisUnavailable as error:
        log.warning("an admission was not compensated: %s", error)
