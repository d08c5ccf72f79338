"""Composition root: builds the application from the settings. Connections are made when needed."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from typing import NamedTuple

from api.app import create_app
from api.arrivals import ArrivalResult, Arrivals, WantedPosition
from api.authentication import Authenticator
from api.change_writer import ChangeResult, ChangeWriter
from api.claim_results import ClaimResult
from api.claim_writer import ClaimWriter, measured
from api.cross_origin import CrossOrigin
from api.estimates import Estimates
from api.event_streams import EventStreams
from api.final_rates import FinalRates
from api.ledger_connections import ANSWER_TIMEOUT_SECONDS, LedgerConnections
from api.limiter import limiter_of
from api.long_polls import LongPollHub
from api.metrics import API_TRACE_SPANS
from api.opening_times import OpeningTimes
from api.rare_lookups import RareLookups
from api.request_body import BodyLimits, BodyReader
from api.routes import (
    audiences,
    claims,
    codes,
    coupon_lists,
    coupons,
    drafts,
    erasures,
    event_streams,
    free_codes,
    given_codes,
    health,
    issue_requests,
    issued_changes,
    issued_coupons,
    new_coupons,
    receipts,
    room_settings,
    standby,
    standby_lists,
    timelines,
    users,
    waiting_rooms,
)
from api.rsgi import RsgiApp
from api.settings import ApiSettings
from api.statuses import Statuses
from api.tracing import ClaimTracer, noted
from api.write_batcher import WriteBatcher
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, LedgerPool, connect_ledger, ledger_pool
from coupons.ledger.owned_coupons import WantedChange
from coupons.model import Claim
from coupons.process.bearer import TokenVerifier
from coupons.process.settings import split_list
from coupons.process.token_keys import load_verifier
from coupons.process.tracing import start_tracing
from coupons.receipts import load_signing_keys

CHANGES_IN_FLIGHT = 2
"""Batches of changes per worker: the next one is made while one waits for its commit."""
ARRIVALS_IN_FLIGHT = 1
"""Batches of arrivals in waiting rooms per worker."""
UPLOADS_AT_ONCE = 2
"""Per worker. Each has a thread and a connection to Postgres of its own."""
SLOW_ANSWER_SECONDS = 20.0
DESCRIBED = (
    *(new_coupons, coupon_lists, coupons, drafts, audiences, room_settings, waiting_rooms),
    *(claims, issue_requests, timelines),
    *(standby, standby_lists),
    *(issued_coupons, issued_changes, receipts),
    *(codes, free_codes, given_codes),
    *(users, event_streams, erasures),
)
"""The modules of routes, in the order of the API's description; after them comes health."""

Write = Callable[[Sequence[Claim]], Sequence[ClaimResult]]
"""Decides a batch of claims. When it returns, the accepted ones are stored for good."""


class Api(NamedTuple):
    """The application of one process, and what has to be closed with it."""

    app: RsgiApp
    long_polls: LongPollHub
    pool: LedgerPool
    verifier: TokenVerifier
    end: Callable[[], None]

    def close(self) -> None:
        """End what runs beside the application, and export the last spans."""
        self.long_polls.close()
        self.pool.close()
        self.verifier.close()
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
    changes: WriteBatcher[WantedChange, ChangeResult] = WriteBatcher(
        ChangeWriter(LedgerConnections(url, "coupon-api-change")).write,
        settings.api_batch_size,
        CHANGES_IN_FLIGHT,
        settings.api_claim_deadline_seconds,
        settings.api_full_after_seconds,
    )
    tracer = start_tracing(settings, "coupon-api", API_TRACE_SPANS)
    arrivals: WriteBatcher[WantedPosition, ArrivalResult] = WriteBatcher(
        Arrivals(gate, pool).take,
        settings.api_batch_size,
        ARRIVALS_IN_FLIGHT,
        settings.api_claim_deadline_seconds,
        settings.api_full_after_seconds,
    )
    submit = batcher.submit if tracer is None else ClaimTracer(tracer, batcher.submit).submit
    statuses = Statuses(gate, pool)
    long_polls = LongPollHub(gate.client, statuses, settings.api_max_waiters)
    verifier = load_verifier(settings)
    authenticator = Authenticator(verifier)
    estimates = Estimates(gate, FinalRates())
    receipt_key_file = settings.receipt_key_file
    parts = [each.openapi_part() for each in DESCRIBED]
    lookups = RareLookups(pool)
    room_routes = waiting_rooms.WaitingRoomRoutes(
        authenticator, arrivals.submit, lambda: arrivals.is_full, lookups
    )
    claim_routes = claims.ClaimRoutes(
        authenticator,
        submit,
        lambda: batcher.is_full,
        lookups,
        OpeningTimes(gate),
        room_routes.not_your_turn,
        limiter_of(settings, gate),
    )
    routes = [
        claim_routes.blueprint(),
        room_routes.blueprint(),
        room_settings.RoomSettingsRoutes(authenticator, gate, pool).blueprint(),
        issue_requests.IssueRequestRoutes(authenticator, long_polls, estimates, pool).blueprint(),
        timelines.TimelineRoutes(authenticator, gate, pool).blueprint(),
        new_coupons.NewCouponRoutes(authenticator, gate, pool).blueprint(),
        coupon_lists.CouponListRoutes(authenticator, gate, pool).blueprint(),
        coupons.CouponRoutes(authenticator, gate, pool).blueprint(),
        issued_coupons.IssuedCouponRoutes(authenticator, pool).blueprint(),
        issued_changes.IssuedChangeRoutes(
            authenticator, pool, changes.submit, lambda: changes.is_full
        ).blueprint(),
        users.UserRoutes(authenticator, pool).blueprint(),
        event_streams.EventStreamRoutes(
            authenticator, EventStreams(long_polls, pool, settings.api_max_streams)
        ).blueprint(),
        receipts.ReceiptRoutes(
            authenticator,
            pool,
            None if receipt_key_file is None else load_signing_keys(receipt_key_file),
            settings.receipt_issuer,
            settings.receipt_seconds,
        ).blueprint(),
        codes.CodesRoutes(
            authenticator, pool, lambda: _slow_connection(url, "coupon-api-upload")
        ).blueprint(),
        drafts.DraftRoutes(
            authenticator, lambda: _slow_connection(url, "coupon-api-discard")
        ).blueprint(),
        free_codes.FreeCodeRoutes(
            authenticator, lambda: _slow_connection(url, "coupon-api-removal")
        ).blueprint(),
        audiences.AudienceRoutes(
            authenticator, gate, pool, lambda: _slow_connection(url, "coupon-api-audience")
        ).blueprint(),
        given_codes.GivenCodeRoutes(authenticator, pool).blueprint(),
        erasures.ErasureRoutes(
            authenticator,
            gate,
            pool,
            lambda: _slow_connection(url, "coupon-api-erasure"),
            timedelta(days=settings.api_log_keeps_days),
        ).blueprint(),
        standby.StandbyRoutes(authenticator, gate, pool).blueprint(),
        standby_lists.StandbyListRoutes(authenticator, gate, pool).blueprint(),
        health.HealthRoutes(parts).blueprint(),
    ]
    flask_app = create_app(routes, settings.api_max_body_bytes)
    bodies = BodyReader(
        BodyLimits(settings.api_max_body_bytes, settings.api_body_seconds),
        BodyLimits(settings.api_upload_bytes, settings.api_upload_seconds),
        UPLOADS_AT_ONCE,
    )
    end = _nothing if tracer is None else tracer.stop
    claim = claim_routes.claim_by
    origins = split_list(settings.api_origins)
    cross_origin = CrossOrigin(origins) if origins else None
    app = RsgiApp(
        flask_app, settings.api_threads, long_polls.close, bodies, end, claim, cross_origin
    )
    return Api(app, long_polls, pool, verifier, end)


def _slow_connection(url: str, name: str) -> AbstractContextManager[Connection]:
    """A connection for one upload or erasure: its statements take longer than a read."""
    return closing(connect_ledger(url, name, SLOW_ANSWER_SECONDS))


def _nothing() -> None:
    """There are no spans to export."""
