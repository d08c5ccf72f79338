"""For those who run the API: health, readiness, metrics, and what it offers."""

from collections.abc import Callable

from flask import Blueprint
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError

from api.answers import Answer, json_answer
from api.openapi import describe
from api.problems import retry_after
from coupons.errors import LedgerUnavailable
from coupons.gate import Gate
from coupons.ledger.connection import LedgerPool, pooled
from coupons.metrics import API, exposition


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
        return Answer(exposition(API), content_type=CONTENT_TYPE_LATEST)

    def openapi(self) -> Answer:
        """The description of this API."""
        return json_answer(describe())


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
