"""For those who run the API: health, readiness, metrics, and what it offers."""

import os
from collections.abc import Callable, Iterable, Iterator

from flask import Blueprint
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError

from api.answers import Answer, json_answer
from api.openapi import describe
from api.problems import retry_after
from coupons.errors import LedgerUnavailable
from coupons.gate import Gate
from coupons.ledger.connection import LedgerPool, pooled


class HealthRoutes:
    """GET /healthz, /readyz, /metrics and /openapi.json; no token is needed."""

    def __init__(self, gate: Gate, pool: LedgerPool) -> None:
        self._checks = {"redis": lambda: _ask_redis(gate), "postgres": lambda: _ask_postgres(pool)}

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("health", __name__)
        routes.get("/healthz")(self.healthz)
        routes.get("/readyz")(self.readyz)
        routes.get("/metrics")(self.metrics)
        routes.get("/openapi.json")(self.openapi)
        return routes

    def healthz(self) -> Answer:
        """200 while the process answers at all."""
        return json_answer({"status": "alive"})

    def readyz(self) -> Answer:
        """200 when everything that a claim needs answers; else 503 and which does not."""
        states = {name: _state(check) for name, check in self._checks.items()}
        if all(state == "ready" for state in states.values()):
            return json_answer({"status": "ready", **states})
        headers = {"Retry-After": retry_after()}
        return json_answer({"status": "not ready", **states}, 503, headers)

    def metrics(self) -> Answer:
        """All workers' metrics together, in the text format of Prometheus."""
        return Answer(generate_latest(_OwnMetrics()), content_type=CONTENT_TYPE_LATEST)

    def openapi(self) -> Answer:
        """The description of this API."""
        return json_answer(describe())


class _OwnMetrics(CollectorRegistry):
    """The API's metrics, of all workers where there are several.

    Those of the other processes are declared in the same file, and would be shown here as zeros.
    """

    def collect(self) -> Iterator[Metric]:
        everything: Iterable[Metric] = REGISTRY.collect()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            everything = MultiProcessCollector(self).collect()  # type: ignore[no-untyped-call]
        return (metric for metric in everything if metric.name.startswith("coupon_api_"))


def _state(check: Callable[[], object]) -> str:
    try:
        check()
        return "ready"
    except (RedisError, OSError, LedgerUnavailable) as error:
        return f"not ready: {error}"


def _ask_redis(gate: Gate) -> None:
    gate.client.ping()


def _ask_postgres(pool: LedgerPool) -> None:
    with pooled(pool):
        pass  # the pool asks the server before it lends a connection
