"""What tracing costs: processor time of a claim in API and consumer, on and off in turns.

Both run in this process, over real servers: a claim from its HTTP request to its response, without
the HTTP server; a request from the decoded change event to its mark. The exporter's thread is
measured with them, the collector is not.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from api.bootstrap import build_api
from api.rsgi import RsgiApp
from api.settings import ApiSettings
from benchmarks.harness.collector import span_collector
from benchmarks.harness.target import Target
from cdc_consumer.issuing import Issuer
from cdc_consumer.records import Record
from cdc_consumer.tracing import BatchTracer
from coupons.change_events import REQUEST_TOPIC
from coupons.gate import Gate, connect_gate
from coupons.model import IssueRequest, Status
from coupons.process.metrics import trace_spans_counter
from coupons.process.settings import ProcessSettings
from coupons.process.tracing import start_tracing

RATIOS = (0.0, 0.01, 1.0)
AT_ONCE = 50
"""Claims that wait for a batch, and requests of a batch of the consumer."""
PER_TURN = 2_000


class TracingCost(NamedTuple):
    """Microseconds of one core a claim, by ratio of the traced requests: one for each turn."""

    process: str
    us: Mapping[float, Sequence[float]]

    def added(self, ratio: float) -> float:
        """What tracing at this ratio adds, as a ratio of the claim's cost without it."""
        off = statistics.median(self.us[0.0])
        return statistics.median(self.us[ratio]) / off - 1


def measure_tracing(
    target: Target, coupon_id: int, key_file: Path, turns: int
) -> list[TracingCost]:
    """Claims of API and consumer on `target`, each ratio once in every turn, after a first one.

    coupon_id: an open coupon that does not sell out. key_file: of the target's tokens.
    """
    users = count(time.time_ns() // 1_000)
    costs: dict[str, dict[float, list[float]]] = {
        name: {ratio: [] for ratio in RATIOS} for name in ("API", "consumer")
    }
    with span_collector() as url:
        for turn in range(turns + 1):
            for ratio in RATIOS[turn % len(RATIOS) :] + RATIOS[: turn % len(RATIOS)]:
                settings = _settings(target, key_file, url, ratio)
                chosen = list(islice(users, PER_TURN))
                claiming = _claiming(settings, target, coupon_id, chosen)
                consuming = _consuming(settings, target, coupon_id, chosen)
                if turn:  # the first one is slower
                    costs["API"][ratio].append(claiming)
                    costs["consumer"][ratio].append(consuming)
    return [TracingCost(name, us) for name, us in costs.items()]


def _settings(target: Target, key_file: Path, collector: str, ratio: float) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(target.database_url("api")),
        redis_url=SecretStr(target.environment["COUPON_REDIS_URL"]),
        jwt_key_file=key_file,
        trace_endpoint=SecretStr(collector),
        trace_sample_ratio=ratio,
    )


def _claiming(settings: ApiSettings, target: Target, coupon_id: int, users: Sequence[int]) -> float:
    """Microseconds a claim, by new users, AT_ONCE at a time."""
    scopes = [_scope(coupon_id, target.token(user, "coupon:issue")) for user in users]

    with closing(build_api(settings)) as api:
        began = time.process_time()
        asyncio.run(_claim_all(api.app, scopes))
        api.end()
        return (time.process_time() - began) * 1e6 / len(users)


async def _claim_all(app: RsgiApp, scopes: Sequence[SimpleNamespace]) -> None:
    waiting = iter(scopes)
    while some := list(islice(waiting, AT_ONCE)):
        protocols = [_Protocol() for _ in some]
        await asyncio.gather(*map(app.__rsgi__, some, protocols))  # type: ignore[arg-type]
        assert all(each.status == 202 for each in protocols)


class _Protocol:
    status = 0

    def response_bytes(self, status: int, _headers: object, _body: bytes) -> None:
        self.status = status


def _scope(coupon_id: int, token: str) -> SimpleNamespace:
    headers = {"authorization": f"Bearer {token}"}
    return SimpleNamespace(
        method="POST",
        path=f"/coupons/{coupon_id}/issue-requests",
        query_string="",
        http_version="1.1",
        scheme="http",
        server="127.0.0.1:80",
        client="127.0.0.1:9",
        headers=SimpleNamespace(items=headers.items, get=headers.get),
    )


def _consuming(
    settings: ProcessSettings, target: Target, coupon_id: int, users: Sequence[int]
) -> float:
    """Microseconds a request: issued, marked, and traced."""
    gate = connect_gate(settings.redis_url.get_secret_value())
    ledger = Issuer(target.database_url("consumer"))
    now_us = time.time_ns() // 1_000
    requests = [
        (
            Record(REQUEST_TOPIC, 0, offset, None, None, now_us // 1_000, None),
            IssueRequest(coupon_id, user, now_us + offset, Status.REQUESTED),
        )
        for offset, user in enumerate(users)
    ]
    counter = trace_spans_counter("benchmark", CollectorRegistry())
    tracer = start_tracing(settings, "coupon-consumer", counter)
    batches = None if tracer is None else BatchTracer(tracer)
    with closing(ledger):
        began = time.process_time()
        for at in range(0, len(requests), AT_ONCE):
            _consume(ledger, gate, requests[at : at + AT_ONCE], batches)
        if tracer is not None:
            tracer.stop()
        return (time.process_time() - began) * 1e6 / len(users)


def _consume(
    ledger: Issuer,
    gate: Gate,
    batch: Sequence[tuple[Record, IssueRequest]],
    tracer: BatchTracer | None,
) -> None:
    issued = ledger.issue([request for _, request in batch])
    committed_ns = time.time_ns()
    gate.settle(outcome.request for outcome in issued.outcomes)
    marked_ns = time.time_ns()
    assert len(issued.outcomes) == len(batch)
    if tracer is not None:
        tracer.handled(batch, issued.outcomes, committed_ns, marked_ns)
