"""One rehearsal from its coupon to what was measured; its coupon is closed at the end."""

import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from connectors.slot import read_slot
from coupons.change_events import REQUEST_TOPIC
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.endpoints import API_URL
from coupons.gate.changes import open_at_gate
from coupons.gate.delays import watched_delays
from coupons.gate.purging import close_rehearsal
from coupons.gate.refusals import translated
from coupons.ledger.rehearsals import begin_rehearsal
from coupons.ledger.requests import count_requests
from coupons.model import Coupon, RequestCounts
from coupons.waiting import attempts
from operations.rehearsal.load import Answers, Size, claim_all
from operations.rehearsal.processes import (
    Busy,
    Metrics,
    Processes,
    busy_between,
    mean_between,
    read_metrics,
    read_processes,
)
from operations.rehearsal.tokens import minting
from operations.rehearsal.watching import Sample, watched
from operations.session import Session
from stack.endpoints import folder_of

SETTLING_SECONDS = 60.0
SILENT_SECONDS = 3.0
"""When no mark came for so long, the ledger is asked whether any can still come."""
_PAUSE_SECONDS = 0.1

Progress = Callable[[int, Answers], None]
"""Called with the coupon's id when it is open, and the answers that the load counts."""


class Measured(NamedTuple):
    """What a rehearsal measured; None: not known.

    delays_ms: from request to ISSUED or REJECTED. settling_s: from the last answer until the
    last mark was heard. wal_bytes, redis_core: of the server, others included.
    batch_claims, batch_events: means, of the API and of the consumers. machine_busy, cores: of this
    machine, when the system runs on it. generator_cores: of the process that sent the claims.
    """

    coupon_id: int
    size: Size
    answers: Answers
    delays_ms: list[float]
    settling_s: float
    counts: RequestCounts
    samples: list[Sample]
    busy: list[Busy]
    generator_cores: float
    machine_busy: float | None
    cores: int | None
    batch_claims: float | None
    batch_events: float | None
    wal_bytes: int
    redis_core: float
    partitions: int


class _Reading(NamedTuple):
    at: float
    processes: Processes
    api: Metrics
    consumers: Metrics
    wal_lsn: int
    redis_core_s: float
    own_s: float


def rehearse(
    session: Session, size: Size, acted_by: str, began: Progress, key_file: Path | None = None
) -> Measured:
    """Let synthetic users claim a new coupon; return what was measured.

    key_file: signs their tokens; None: the shared secret does. Raises ConfigurationError without a
    key for tokens, ApiUnavailable, RedisUnavailable,
    LedgerUnavailable, KafkaUnavailable or KeyboardInterrupt. Whatever happens, the coupon is closed
    at the end, and stays until it is purged.
    """
    mint = minting(session.where, key_file)
    url = session.where[API_URL]
    partitions = KafkaAdmin(session.where.kafka_client()).partitions().get(REQUEST_TOPIC, 0)

    answers = Answers()
    with (
        _coupon(session, size, acted_by) as coupon,
        watched_delays(session.gate, coupon.coupon_id) as delays_ms,
        watched(session.where) as samples,
    ):
        began(coupon.coupon_id, answers)
        before = _read(session)
        psutil.cpu_percent()
        claim_all(url, mint, coupon.coupon_id, size, answers)
        machine = psutil.cpu_percent() / 100
        after = _read(session)
        settling_s = await_marks(
            delays_ms, answers.accepted, lambda: _are_final(session, coupon.coupon_id)
        )
    counts = count_requests(session.connection, coupon.coupon_id)
    assert counts is not None
    seconds = after.at - before.at
    is_here = folder_of(session.where) is not None
    return Measured(
        coupon.coupon_id,
        size,
        answers,
        delays_ms,
        settling_s,
        counts,
        samples,
        busy_between(before.processes, after.processes, seconds),
        (after.own_s - before.own_s) / seconds,
        machine if is_here else None,
        psutil.cpu_count() if is_here else None,
        mean_between(before.api, after.api, "coupon_api_batch_claims"),
        mean_between(before.consumers, after.consumers, "coupon_consumer_batch_events"),
        after.wal_lsn - before.wal_lsn,
        (after.redis_core_s - before.redis_core_s) / seconds,
        partitions,
    )


def await_marks(
    delays_ms: Sized,
    accepted: int,
    are_final: Callable[[], bool],
    within_s: float = SETTLING_SECONDS,
    silent_s: float = SILENT_SECONDS,
) -> float:
    """Wait until every accepted request's mark is heard; return the seconds until the last one.

    A mark that was made while Redis could not be reached is never heard. So it ends, too, when none
    came for so long and are_final() says that the ledger has every outcome.
    """
    began = last = time.monotonic()
    heard = len(delays_ms)
    for _ in attempts(within_s, _PAUSE_SECONDS):
        if len(delays_ms) > heard:
            heard, last = len(delays_ms), time.monotonic()
        if heard >= accepted or (time.monotonic() - last >= silent_s and are_final()):
            break
    return last - began


def _are_final(session: Session, coupon_id: int) -> bool:
    counts = count_requests(session.connection, coupon_id)
    return counts is not None and counts.in_flight == 0


@contextmanager
def _coupon(session: Session, size: Size, acted_by: str) -> Iterator[Coupon]:
    """Open while the block runs, and closed afterwards."""
    name = f"Rehearsal: {size.rate:g} claims/s for {size.seconds:g} s"
    coupon = begin_rehearsal(session.connection, name, size.quantity, acted_by)
    about = {"coupon_id": coupon.coupon_id}
    try:
        open_at_gate(session.gate, coupon, about)
        yield coupon
    finally:
        close_rehearsal(session.gate, session.connection, coupon.coupon_id, acted_by)


def _read(session: Session) -> _Reading:
    with translated():
        redis = session.gate.client.info("cpu")
    api, consumers = read_metrics(session.where)
    return _Reading(
        time.monotonic(),
        read_processes(session.where),
        api,
        consumers,
        read_slot(session.connection).wal_lsn,
        float(redis["used_cpu_user"]) + float(redis["used_cpu_sys"]),
        time.process_time(),
    )
