"""Composition root: builds the consumer from the settings and runs it."""

import logging
from functools import partial
from importlib import metadata
from threading import Event

from cdc_consumer.dead_letters import DeadLetters
from cdc_consumer.fencing import await_free_name
from cdc_consumer.handling import BatchHandler
from cdc_consumer.health import STUCK_AFTER_SECONDS, Health
from cdc_consumer.issuing import Issuer
from cdc_consumer.kafka import consumer_settings, log_error, member_name, topics
from cdc_consumer.limits import DlqLimitState
from cdc_consumer.loop import ClientFinished, ClientGivenUp, ConsumerLoop
from cdc_consumer.membership import not_reading
from cdc_consumer.metrics import CONSUMER, CONSUMER_TRACE_SPANS
from cdc_consumer.settings import ConsumerSettings
from cdc_consumer.tracing import BatchTracer
from coupons.backoff import Backoff
from coupons.change_events import ChangeEventDecoder, SchemaRegistry, ensure_topics
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.errors import KafkaUnavailable
from coupons.gate import connect_gate
from coupons.kafka.client import KafkaClient
from coupons.process.probes import serve_probes
from coupons.process.tracing import Tracer, start_tracing

OUTSIDE_SESSIONS = 2
"""A group waits one session for a member that is gone. A client outside for two is stuck."""

SHORTEST_OUTSIDE_SECONDS = 2 * STUCK_AFTER_SECONDS
"""A rebalance waits for the batches of the other members."""

log = logging.getLogger(__name__)


def run(settings: ConsumerSettings, stopping: Event) -> None:
    """Consume until `stopping` is set.

    Raises ConfigurationError when the port is taken, ClientGivenUp when the process has to start
    itself again, and KafkaUnavailable when another consumer works under its name.
    """
    health = Health()
    probes = serve_probes(
        settings.consumer_host, settings.consumer_port, health.complaint, CONSUMER
    )
    try:
        sizes = _wait_for_topics(settings.kafka, health, stopping)
        if stopping.is_set():
            return
        name = member_name(settings.consumer_instance_id, sizes)
        ledger = Issuer(settings.database_url.get_secret_value())
        limit_state = DlqLimitState(settings.dlq_limit)
        tracer = start_tracing(settings, "coupon-consumer", CONSUMER_TRACE_SPANS)
        handler = build_handler(settings, ledger, limit_state, health, tracer)
        gone_after_s = max(
            OUTSIDE_SESSIONS * settings.consumer_session_seconds, SHORTEST_OUTSIDE_SECONDS
        )
        loop = ConsumerLoop(
            lambda on_commit: settings.kafka.consumer(
                consumer_settings(
                    settings.consumer_group,
                    name,
                    on_commit,
                    settings.consumer_session_seconds,
                    lambda statistics: health.reading(not_reading(statistics)),
                )
            ),
            handler.handle,
            limit_state,
            health,
            settings.consumer_batch_size,
            gone_after_s,
            lambda: _answers(settings.kafka, settings.consumer_group),
        )
        try:
            loop.run(stopping)
        except ClientFinished as error:
            raise _after_final_error(
                error, settings, name, gone_after_s, health, stopping
            ) from error
        finally:
            ledger.close()
            if tracer is not None:
                tracer.stop()
    finally:
        probes.shutdown()


def _after_final_error(
    error: ClientFinished,
    settings: ConsumerSettings,
    name: str | None,
    gone_after_s: float,
    health: Health,
    stopping: Event,
) -> ClientGivenUp | KafkaUnavailable:
    """What to raise: a process that starts again ends whoever uses its name.

    gone_after_s: a member that is gone is in the group for less than this.
    """
    if name is not None:
        health.backing_off(f"Kafka does not accept this client any more: {error}")
        log.warning("waiting to see who uses the name %s in the group: %s", name, error)
        kafka = KafkaAdmin(settings.kafka, settings.consumer_group)
        user = partial(kafka.member_named, name)
        if other := await_free_name(user, error.member_id, gone_after_s, stopping, health.alive):
            return KafkaUnavailable(
                f"another consumer, {other}, works under the name of this one, {name}: give each"
                f" its own COUPON_CONSUMER_INSTANCE_ID, and start this one again ({error})"
            )
    return ClientGivenUp(f"Kafka does not accept this client any more: {error}")


def _answers(kafka: KafkaClient, group: str) -> bool:
    """Whether a new client reaches the group's coordinator."""
    try:
        KafkaAdmin(kafka, group).committed()
    except KafkaUnavailable as error:
        log.warning("waiting for Kafka: %s", error)
        return False
    return True


def build_handler(
    settings: ConsumerSettings,
    ledger: Issuer,
    limit_state: DlqLimitState,
    health: Health,
    tracer: Tracer | None,
) -> BatchHandler:
    """The handler of batches, with the servers of the settings."""
    producer = settings.kafka.producer({**PRODUCER_SETTINGS, "error_cb": log_error})
    return BatchHandler(
        ChangeEventDecoder(SchemaRegistry(settings.schema_registry_url.get_secret_value())),
        ledger,
        connect_gate(settings.redis_url.get_secret_value()),
        DeadLetters(producer, metadata.version("coupon-cdc")),
        limit_state,
        health,
        None if tracer is None else BatchTracer(tracer),
    )


def _wait_for_topics(kafka: KafkaClient, health: Health, stopping: Event) -> dict[str, int]:
    """How many partitions each topic has; empty when it has to stop before they exist."""
    backoff = Backoff()
    while not stopping.is_set():
        health.alive()
        try:
            return ensure_topics(kafka, topics())
        except KafkaUnavailable as error:
            log.warning("waiting for Kafka: %s", error)
            health.backing_off(str(error))
            stopping.wait(backoff.next_seconds())
    return {}
