"""The metrics of the monitor: each is declared once, with its meaning and where it comes from.

A figure that is unknown has no sample: it is absent, not 0.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from connectors.connector_state import ConnectorState
from connectors.slot import Slot
from connectors.stream_gap import loss_of
from coupons.process.metrics import process_registry
from monitor import samples
from monitor.figures import Figure, by, counter, gauge
from monitor.gate import GateReading
from monitor.ledger import LedgerState
from monitor.state import State
from monitor.stream import KafkaState


def _ledger(state: State) -> LedgerState | None:
    return state.postgres.value


def _events_slot(state: State) -> Slot | None:
    """None: it is not known, or the events are off."""
    ledger = state.postgres.value
    return ledger.events_slot if ledger is not None and ledger.events_slot.usable else None


def _events_connector(state: State) -> ConnectorState | None:
    """None: it is not known, or there is none."""
    return None if state.connector is None else state.connector.events


def _gate(state: State) -> GateReading | None:
    return state.redis.value


def _kafka(state: State) -> KafkaState | None:
    return state.kafka.value


FIGURES = (
    Figure(
        "coupon_monitor_up",
        "gauge",
        ("part", "address"),
        "1 the part answers the monitor, 0 it does not: postgres, redis, kafka, connect,"
        " schema-registry, api, consumer, reconciler. One series for each address that is watched.",
        samples.up,
    ),
    Figure(
        "coupon_monitor_healthy",
        "gauge",
        ("part", "address"),
        "1 the process says that it is healthy, 0 it says that it is not.",
        samples.healthy,
    ),
    by(
        "coupon_monitor_source_age_seconds",
        "source",
        "Since this source was last read with success, or since the monitor started: postgres,"
        " redis, kafka, connect, dead-letters, disks.",
        lambda state: [((name,), each.age_s) for name, each in state.sources.items()],
    ),
    by(
        "coupon_monitor_refresh_duration_seconds",
        "source",
        "How long the last finished reading of this source took.",
        lambda state: [((name,), each.took_s) for name, each in state.sources.items()],
    ),
    gauge(
        "coupon_pipeline_lag_records",
        "Request events in Kafka that the consumer group has not committed.",
        _kafka,
        lambda kafka: kafka.lag,
    ),
    gauge(
        "coupon_pipeline_lag_seconds",
        "Age of the oldest admitted request that is not final, by the clock of Redis; 0 when there"
        " is none. Unknown while the gate lacks a coupon and has no such request.",
        _gate,
        lambda gate: gate.oldest_s,
    ),
    gauge(
        "coupon_pipeline_catch_up_seconds",
        "Until the lag is 0 at the rate of the last 20 s; absent while it does not shrink.",
        _kafka,
        lambda kafka: kafka.catch_up_s,
    ),
    counter(
        "coupon_pipeline_events_captured_total",
        "Request events in Kafka: the sum of the end offsets of the request topic.",
        _kafka,
        lambda kafka: kafka.captured,
    ),
    counter(
        "coupon_pipeline_events_consumed_total",
        "Request events handled: the sum of the offsets that the consumer group has committed.",
        _kafka,
        lambda kafka: kafka.consumed,
    ),
    by(
        "coupon_gate_requests",
        "status",
        "Requests at the gate over the live coupons, by status: pending, issued, rejected.",
        samples.at_gate,
    ),
    by(
        "coupon_gate_coupons",
        "state",
        "Live coupons by state at the gate: loaded, paused, ended (with requests that are not"
        " final), unavailable, unread (more than 1,000 are live, or created since).",
        samples.gate_coupons,
    ),
    gauge(
        "coupon_gate_memory_bytes",
        "Memory that Redis uses for data.",
        _gate,
        lambda gate: gate.memory_bytes,
    ),
    gauge(
        "coupon_gate_memory_limit_bytes",
        "The maxmemory of Redis; absent when there is no limit.",
        _gate,
        lambda gate: gate.limit_bytes,
    ),
    gauge(
        "coupon_stream_slot_active",
        "1 the replication slot is in use, 0 it is not, or there is none.",
        _ledger,
        lambda ledger: bool(ledger.slot.active),
    ),
    gauge(
        "coupon_stream_slot_lost",
        "1 the replication slot is missing, or has lost WAL that it needs; else 0.",
        _ledger,
        lambda ledger: ledger.slot.is_lost or not ledger.slot.exists,
    ),
    gauge(
        "coupon_stream_slot_kept_bytes",
        "WAL that Postgres keeps for the replication slot.",
        _ledger,
        lambda ledger: ledger.slot.retained_bytes,
    ),
    gauge(
        "coupon_stream_slot_limit_bytes",
        "The most WAL that Postgres keeps for a slot (max_slot_wal_keep_size); absent when there is"
        " no limit.",
        _ledger,
        lambda ledger: ledger.slot.keep_bytes,
    ),
    gauge(
        "coupon_stream_connector_running",
        "1 the connector and its task run, 0 they do not, or there is no connector.",
        lambda state: state.connector,
        lambda connector: connector.state is not None and connector.state.is_running,
    ),
    by("coupon_stream_tasks", "state", "Tasks of the connector by state.", samples.tasks),
    gauge(
        "coupon_events_connector_running",
        "1 the connector of the events for other services and its task run, 0 they do not; absent"
        " while there is none.",
        _events_connector,
        lambda connector: connector.is_running,
    ),
    gauge(
        "coupon_short_pools",
        "Pools with fewer codes than their coupon's total quantity, until the coupon is over.",
        _ledger,
        lambda ledger: ledger.short_pools,
    ),
    gauge(
        "coupon_events_slot_active",
        "1 the slot of the events for other services is in use, 0 it is not; absent while there is"
        " none.",
        _events_slot,
        lambda slot: bool(slot.active),
    ),
    gauge(
        "coupon_events_slot_lost",
        "1 that slot has lost WAL that it needs, or the connector made it by itself; else 0.",
        _events_slot,
        lambda slot: loss_of(slot) is not None,
    ),
    gauge(
        "coupon_events_slot_kept_bytes",
        "WAL that Postgres keeps for that slot.",
        _events_slot,
        lambda slot: slot.retained_bytes,
    ),
    gauge(
        "coupon_stream_heartbeat_age_seconds",
        "Age of the newest heartbeat that a consumer handled, as Redis has it; absent when there"
        " was none.",
        _gate,
        lambda gate: gate.heartbeat_s,
    ),
    by(
        "coupon_ledger_requests",
        "status",
        "Requests of the live coupons: issued and rejected as their rows in the ledger count them,"
        " in_flight as the gate counts the pending ones, accepted is the sum. The last two are"
        " absent while a coupon is unavailable at the gate.",
        samples.in_ledger,
    ),
    gauge(
        "coupon_ledger_drift_requests",
        "Requests by which the counts of gate and ledger differ beyond what is in flight; 0 when"
        " they agree.",
        _gate,
        lambda gate: gate.drift,
    ),
    gauge(
        "coupon_dead_letters_open",
        "Dead letters that somebody has to act on.",
        lambda state: state.dead_letters.value,
        lambda letters: letters.waiting,
    ),
    gauge(
        "coupon_dead_letter_limit_reached",
        "1 a consumer has stopped at its dead-letter limit, else 0; absent while none answers.",
        lambda state: state.limit_reached,
        float,
    ),
    by(
        "coupon_live_stock",
        "coupon",
        "Total quantity of a live coupon: at most 100 of them, those that started last.",
        lambda state: [
            ((str(each.coupon.coupon_id),), each.coupon.total_quantity) for each in state.live
        ],
    ),
    by(
        "coupon_live_left",
        "coupon",
        "How many it still has at the gate.",
        samples.live("places_left"),
    ),
    by("coupon_live_issued", "coupon", "Its issued requests at the gate.", samples.live("issued")),
    by(
        "coupon_live_pending",
        "coupon",
        "Its pending requests at the gate.",
        samples.live("pending"),
    ),
    by(
        "coupon_disk_free_bytes",
        "part",
        "Free space on the disk of this part.",
        samples.disks("free"),
    ),
    by("coupon_disk_size_bytes", "part", "Size of the disk of this part.", samples.disks("size")),
)


class StateCollector(Collector):
    """All figures of the state that `current` returns."""

    def __init__(self, current: Callable[[], State]) -> None:
        self._current = current

    def collect(self) -> Iterator[Metric]:
        """Every figure, with the samples that are known."""
        state = self._current()
        for figure in FIGURES:
            family = GaugeMetricFamily if figure.type == "gauge" else CounterMetricFamily
            metric = family(figure.name, figure.meaning, labels=figure.labels)
            for labels, value in figure.read(state):
                if value is not None:
                    metric.add_metric(labels, float(value))
            yield metric

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering reads no state."""
        return []


def monitor_registry(current: Callable[[], State]) -> CollectorRegistry:
    """The figures, and what describes this process."""
    registry = process_registry()
    registry.register(StateCollector(current))
    return registry
