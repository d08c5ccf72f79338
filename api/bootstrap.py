"""Composition root: builds the application from the settings. Connections are made when needed."""

import gc
from collections.abc import Callable, Sequence
from typing import NamedTuple

from api.app import create_app
from api.authentication import Authenticator
from api.claim_results import ClaimResult
from api.claim_writer import ClaimWriter, measured
from api.ledger_connections import ANSWER_TIMEOUT_SECONDS, LedgerConnections
from api.long_polls import LongPollHub
from api.metrics import API_TRACE_SPANS
from api.opening_times import OpeningTimes
from api.request_body import BodyLimits, BodyReader
from api.routes import claims, coupons, health, issue_requests, issued_coupons, users
from api.rsgi import RsgiApp
from api.settings import ApiSettings
from api.statuses import Statuses
from api.stopping import stop_with_parent
from api.tracing import ClaimTracer, noted
from api.write_batcher import WriteBatcher
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import LedgerPool, ledger_pool
from coupons.model import Claim
from coupons.process.bearer import load_verifier
from coupons.process.logging import configure_logging
from coupons.process.settings import load_settings
from coupons.process.tracing import start_tracing

Write = Callable[[Sequence[Claim]], Sequence[ClaimResult]]
"""Decides a batch of claims. When it returns, the accepted ones are stored for good."""


class Api(NamedTuple):
    """The application of one process, and what has to be closed with it."""

    app: RsgiApp
    long_polls: LongPollHub
    pool: LedgerPool
    end: Callable[[], None]

    def close(self) -> None:
        """End the long polls, close the connections for reads, and export the last spans."""
        self.long_polls.close()
        self.pool.close()
        self.end()


def claim_writer(settings: ApiSettings, gate: Gate) -> Write:
    """The product's own writer: admits at the gate, then commits in the ledger."""
    connections = LedgerConnections(settings.database_url.get_secret_value(), "coupon-api-write")
    measure = noted if settings.trace_sample_ratio else measured
    return ClaimWriter(gate, connections, settings.api_unknown_outcome_seconds, measure).write


def build_api(
    settings: ApiSettings, make_writer: Callable[[ApiSettings, Gate], Write] = claim_writer
) -> Api:
    """Build the application of one worker process. Raises ConfigurationError.

    make_writer: the benchmarks pass their own, to compare other systems behind the same API.
    """
    url = settings.database_url.get_secret_value()
    gate = connect_gate(settings.redis_url.get_secret_value())
    pool = ledger_pool(
        url, "coupon-api-read", settings.api_read_connections, ANSWER_TIMEOUT_SECONDS
    )
    batcher: WriteBatcher[Claim, ClaimResult] = WriteBatcher(
        make_writer(settings, gate),
        settings.api_batch_size,
        settings.api_batches_in_flight,
        settings.api_claim_deadline_seconds,
        settings.api_full_after_seconds,
    )
    tracer = start_tracing(settings, "coupon-api", API_TRACE_SPANS)
    submit = batcher.submit if tracer is None else ClaimTracer(tracer, batcher.submit).submit
    statuses = Statuses(gate, pool)
    long_polls = LongPollHub(gate.client, statuses, settings.api_max_waiters)
    authenticator = Authenticator(load_verifier(settings, settings.jwt_key_file))
    parts = [
        each.openapi_part() for each in (coupons, claims, issue_requests, issued_coupons, users)
    ]
    claim_routes = claims.ClaimRoutes(
        authenticator, submit, lambda: batcher.is_full, pool, OpeningTimes(gate)
    )
    routes = [
        claim_routes.blueprint(),
        issue_requests.IssueRequestRoutes(authenticator, long_polls).blueprint(),
        coupons.CouponRoutes(authenticator, gate, pool).blueprint(),
        issued_coupons.IssuedCouponRoutes(authenticator, pool).blueprint(),
        users.UserRoutes(authenticator, pool).blueprint(),
        health.HealthRoutes(parts).blueprint(),
    ]
    flask_app = create_app(routes, settings.api_max_body_bytes)
    bodies = BodyReader(
        BodyLimits(
            settings.api_max_body_bytes,
            settings.api_body_seconds,
            max(1, settings.api_threads // 4),
        )
    )
    end = _nothing if tracer is None else tracer.stop
    claim = claim_routes.claim_by
    app = RsgiApp(flask_app, settings.api_threads, long_polls.close, bodies, end, claim)
    return Api(app, long_polls, pool, end)


def _nothing() -> None:
    """There are no spans to export."""


def worker_app(
    make_writer: Callable[[ApiSettings, Gate], Write] = claim_writer,
) -> RsgiApp:
    """The application of a worker process, with the settings of its environment."""
    settings = load_settings(ApiSettings)
    configure_logging(settings.log_level, settings.log_requests)
    api = build_api(settings, make_writer)
    _tune_garbage_collection()
    stop_with_parent()
    return api.app


def _tune_garbage_collection() -> None:
    """Exempt the objects of start-up from garbage collection, and let it run less often.

    A claim leaves no cycles behind; searching for them took a twentieth of the time of a claim.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
