"""Redis and Kafka: 202 once the request is handed to a Kafka producer; the consumer issues from it.

As good as the idea allows: the report's producer settings, and a place is given back when producing
fails. What the idea cannot give: the answer is sent before the broker has the record, so what a
dying process still holds is lost, and its places with it.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread

from confluent_kafka import KafkaError, KafkaException, Producer

from api.claims import Trouble, Verdict
from api.settings import ApiSettings
from benchmarks.strategies.answering import admissions_of, answers
from benchmarks.strategies.events import RequestTopic
from benchmarks.strategies.settings import StrategySettings
from coupons.change_events.producing import producer_config
from coupons.errors import GateUnavailable
from coupons.gate import Gate
from coupons.kafka import KafkaClient
from coupons.model import Admission, Claim
from coupons.settings import load_settings

POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


def writer(_settings: ApiSettings, gate: Gate) -> Callable[[Sequence[Claim]], list[Verdict]]:
    """Admits a batch and hands it to the producer."""
    settings = load_settings(StrategySettings)
    producer = Producer(producer_config(KafkaClient(settings.kafka_bootstrap_servers)))
    topic = RequestTopic(producer, settings.schema_registry_url)
    Thread(target=_serve_deliveries, args=(producer,), daemon=True).start()

    def write(claims: Sequence[Claim]) -> list[Verdict]:
        try:
            decisions = gate.admit(claims)
        except GateUnavailable:
            return [Trouble.GATE_UNAVAILABLE] * len(claims)
        admitted = admissions_of(decisions)
        try:
            for admission in admitted:
                topic.produce(*admission[:3], partial(_delivered, gate, admission))
        except (BufferError, KafkaException) as error:
            log.warning("%s; %d places given back", error, len(admitted))
            gate.compensate(admitted)
            return answers(decisions, Trouble.LEDGER_UNAVAILABLE)
        return answers(decisions)

    return write


def _serve_deliveries(producer: Producer) -> None:
    while True:
        producer.poll(POLL_SECONDS)


def _delivered(gate: Gate, admission: Admission, error: KafkaError | None, _: object) -> None:
    if error is not None:
        log.warning("not delivered, its place is given back: %s", error.str())
        gate.compensate([admission])
