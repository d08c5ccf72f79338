"""The state as JSON. docs/how-to/watch.md describes its shape; null is unknown."""

from typing import Any

from monitor.source import LONGEST_REASON, Reading
from monitor.state import LiveCoupon, State


def as_document(state: State) -> dict[str, Any]:
    """For programs, and for the page."""
    kafka, gate, at_gate, sums = (
        state.kafka.value,
        state.redis.value,
        state.at_gate,
        state.in_ledger,
    )
    letters = state.dead_letters.value
    disks = state.disks.value if state.disks else None
    return {
        "taken_at": state.taken_at.isoformat(),
        "sources": {name: _reading(each) for name, each in state.sources.items()},
        "processes": [
            {
                "part": each.part,
                "address": each.address,
                "healthy": each.health.value and each.health.value.is_healthy,
                "says": each.health.value and each.health.value.says,
                **_reading(each.health),
            }
            for each in state.processes
        ],
        "pipeline": kafka
        and {
            "captured": kafka.captured,
            "consumed": kafka.consumed,
            "lag": kafka.lag,
            "captured_per_second": kafka.captured_per_s,
            "consumed_per_second": kafka.consumed_per_s,
            "catch_up_seconds": kafka.catch_up_s,
        },
        "gate": gate
        and {
            "pending": at_gate and at_gate.pending,
            "issued": at_gate and at_gate.issued,
            "rejected": at_gate and at_gate.rejected,
            "coupons": at_gate and dict(at_gate.coupons),
            "oldest_request_seconds": gate.oldest_s,
            "memory_bytes": gate.memory_bytes,
            "memory_limit_bytes": gate.limit_bytes,
            "heartbeat_age_seconds": gate.heartbeat_s,
            "drift": gate.drift,
        },
        "ledger": sums
        and {
            "accepted": sums.accepted,
            "issued": sums.issued,
            "rejected": sums.rejected,
            "in_flight": sums.in_flight,
        },
        "slot": _slot(state),
        "connector": _connector(state),
        "dead_letters": letters and {"open": letters.waiting, "in_topic": letters.kept},
        "dead_letter_limit_reached": state.limit_reached,
        "disks": disks
        and {part: {"free": disk.free, "size": disk.size} for part, disk in disks.items()},
        "coupons_live": state.postgres.value and state.postgres.value.live,
        "coupons": [_coupon(each) for each in state.live],
    }


def _reading(reading: Reading[Any]) -> dict[str, Any]:
    known = reading.is_known
    since = reading.since.isoformat()
    return {
        "known": known,
        "read_at" if known else "unknown_since": since,
        "why": None if known else reading.why,
    }


def _slot(state: State) -> dict[str, Any] | None:
    if state.postgres.value is None:
        return None
    slot = state.postgres.value.slot
    return {
        "active": bool(slot.active),
        "lost": slot.is_lost or not slot.exists,
        "kept_bytes": slot.retained_bytes,
        "limit_bytes": slot.keep_bytes,
    }


def _connector(state: State) -> dict[str, Any] | None:
    found = state.connector
    if found is None:
        return None
    connector = found.state
    return {
        "state": connector.summary[:LONGEST_REASON] if connector else "missing",
        "running": connector is not None and connector.is_running,
        "tasks": [task.state for task in connector.tasks] if connector else [],
    }


def _coupon(live: LiveCoupon) -> dict[str, Any]:
    coupon, figures = live.coupon, live.figures
    return {
        "coupon_id": str(coupon.coupon_id),
        "name": coupon.name,
        "state": coupon.state,
        "rehearsal": coupon.is_rehearsal,
        "stock": coupon.total_quantity,
        "issued_in_ledger": coupon.issued_count,
        "rejected_in_ledger": coupon.rejected_count,
        "left": figures and figures.places_left,
        "pending": figures and figures.pending,
        "issued": figures and figures.issued,
        "rejected": figures and figures.rejected,
    }
