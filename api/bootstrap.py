"""Composition root: settings in, application out. Connections are made when first needed."""

import gc
from collections.abc import Callable, Sequence
from typing import NamedTuple

from api.app import create_app
from api.authentication import Authenticator, load_verifier
from api.claim_results import ClaimResult
from api.claims import ClaimWriter
from api.ledger_connections import ANSWER_TIMEOUT_SECONDS, LedgerConnections
from api.long_polls import LongPollHub
from api.openings import Openings
from api.request_body import BodyLimits, BodyReader
from api.routes import claims, coupons, health, issue_requests, users
from api.rsgi import RsgiApp
from api.settings import ApiSettings
from api.statuses import Statuses
from api.stopping import stop_with_parent
from api.write_batcher import WriteBatcher
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import LedgerPool, ledger_pool
from coupons.logging import configure_logging
from coupons.model import Claim
from coupons.settings import load_settings

Write = Callable[[Sequence[Claim]], Sequence[ClaimResult]]
"""Decides a batch of claims; on return everything accepted is as durable as it is going to be."""


class Api(NamedTuple):
    """The application of one process, and what has to be closed with it."""

    app: RsgiApp
    room: LongPollHub
    pool: LedgerPool

    def close(self) -> None:
        """Let go of whoever waits and of the connections for reads."""
        self.room.close()
        self.pool.close()


def claim_writer(settings: ApiSettings, gate: Gate) -> Write:
    """The product's own: admitted at the gate, then committed in the ledger."""
    connections = LedgerConnections(settings.database_url.get_secret_value(), "coupon-api-write")
    return ClaimWriter(gate, connections, settings.api_unknown_outcome_seconds).write


def build_api(
    settings: ApiSettings, make_writer: Callable[[ApiSettings, Gate], Write] = claim_writer
) -> Api:
    """Wire one process' application. Raises ConfigurationError.

    make_writer: another one makes another system of the same API, to be compared with this one.
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
    )
    statuses = Statuses(gate, pool)
    room = LongPollHub(gate.client, statuses, settings.api_max_waiters)
    authenticator = Authenticator(load_verifier(settings))
    parts = [each.openapi_part() for each in (coupons, claims, issue_requests, users)]
    routes = [
        claims.ClaimRoutes(authenticator, batcher, pool, Openings(gate)).blueprint(),
        issue_requests.IssueRequestRoutes(authenticator, room).blueprint(),
        coupons.CouponRoutes(authenticator, gate, pool).blueprint(),
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
    app = RsgiApp(flask_app, settings.api_threads, room.close, bodies)
    return Api(app, room, pool)


def worker_app(
    make_writer: Callable[[ApiSettings, Gate], Write] = claim_writer,
) -> RsgiApp:
    """What each worker process of the server serves, with the settings of its environment."""
    settings = load_settings(ApiSettings)
    configure_logging(settings.log_level)
    api = build_api(settings, make_writer)
    _spare_the_collector()
    stop_with_parent()
    return api.app


def _spare_the_collector() -> None:
    """Take what start-up made out of the garbage collector's sight, and let it run less often.

    A claim leaves no cycles behind; looking for some cost a twentieth of the time of a claim.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
