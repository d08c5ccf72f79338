"""Liveness and the API's description, and the checks of its readiness."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Blueprint

from api.app import Views, blueprint_of, in_event_loop
from api.openapi import build_document
from api.openapi_parts import DocumentPart, public_operation
from api.responses import RawResponse, json_response
from coupons.errors import KeysUnavailable, LedgerUnavailable, RedisUnavailable
from coupons.gate import Gate
from coupons.gate.write_check import check_takes_writes as check_gate_serving
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.write_check import check_takes_writes as check_ledger_serving


class HealthRoutes:
    """GET /healthz and /openapi.json; neither needs a token, and neither asks a server.

    parts: those of the other route modules.
    """

    def __init__(self, parts: Sequence[DocumentPart]) -> None:
        self._parts = [*parts, openapi_part()]

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /healthz": self.healthz,
            "GET /openapi.json": self.openapi,
        }
        return blueprint_of("health", views)

    @in_event_loop
    def healthz(self) -> RawResponse:
        """200 as long as the process responds.

        In the event loop: it must not wait for a thread while all threads wait for a server.
        """
        return json_response({"status": "alive"})

    def openapi(self) -> RawResponse:
        """The description of this API."""
        return json_response(self._document)

    @cached_property
    def _document(self) -> dict[str, Any]:
        """Built when it is first asked for: it takes 50 ms, and few workers are asked."""
        return build_document(self._parts)


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    states = {
        "type": "object",
        "required": ["status"],
        "additionalProperties": {"type": "string"},
    }
    alive = public_operation("isAlive", "The process is alive", states)
    document = public_operation("readDescription", "This document", {"type": "object"})
    return DocumentPart({"/healthz": {"get": alive}, "/openapi.json": {"get": document}})


class Readiness:
    """Checks that every server that a claim needs answers and takes writes.

    ask_workers: raises OSError when the API's own workers do not respond. check_keys: raises
    KeysUnavailable when no token can be verified.
    """

    def __init__(
        self,
        gate: Gate,
        pool: LedgerPool,
        ask_workers: Callable[[], object],
        check_keys: Callable[[], object] | None = None,
    ) -> None:
        self._checks: dict[str, Callable[[], object]] = {
            "workers": ask_workers,
            "redis": lambda: _ask_redis(gate),
            "postgres": lambda: _ask_postgres(pool),
            **({} if check_keys is None else {"keys": check_keys}),
        }

    def check(self) -> tuple[int, Mapping[str, str]]:
        """200 when all are ready, else 503; and the state of each."""
        states = {name: _state(check) for name, check in self._checks.items()}
        if all(state == "ready" for state in states.values()):
            return 200, {"status": "ready", **states}
        return 503, {"status": "not ready", **states}


def _state(check: Callable[[], object]) -> str:
    try:
        check()
        return "ready"
    except (RedisUnavailable, OSError, LedgerUnavailable, KeysUnavailable) as error:
        return f"not ready: {error}"


def _ask_redis(gate: Gate) -> None:
    check_gate_serving(gate.client)


def _ask_postgres(pool: LedgerPool) -> None:
    with pooled(pool) as connection:
        check_ledger_serving(connection)
