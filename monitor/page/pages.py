"""Puts the page of one monitor together."""

from collections.abc import Callable

from flask import Flask

from coupons.endpoints import (
    CONNECT_URL,
    DATABASE_URL,
    KAFKA,
    MANAGEMENT_URL,
    REDIS_URL,
    REGISTRY_URL,
    Endpoints,
)
from coupons.process.settings import split_list
from monitor.page.acting import Acting
from monitor.page.app import create_app
from monitor.page.audit_views import AuditViews
from monitor.page.coupon_reading import CouponReader
from monitor.page.coupon_views import CouponViews
from monitor.page.dead_letter_views import DeadLetterViews
from monitor.page.diagnosis import Doctor
from monitor.page.overview_views import OverviewViews
from monitor.page.page_ledger import PageLedger
from monitor.page.rebuild_views import RebuildViews
from monitor.page.rebuilding import Rebuilding
from monitor.page.recovery_views import RecoveryViews
from monitor.page.request_views import RequestViews
from monitor.page.sign_in import load_sign_in
from monitor.page.sign_in_views import SignInViews
from monitor.page.stream_views import StreamViews
from monitor.settings import MonitorSettings
from monitor.state import State
from operations.doctor.system import endpoints_of_stack


def build_page(settings: MonitorSettings, state: Callable[[], State]) -> Flask:
    """The page. state: what is known now. Raises ConfigurationError."""
    where = endpoints_of(settings)
    acting = Acting(settings.monitor_operator_database_url is not None)
    rebuilding = Rebuilding(where)
    ledger = PageLedger(where)
    reader = CouponReader(state, ledger, where[REDIS_URL])
    stack = settings.monitor_state_dir
    views = (
        SignInViews(load_sign_in(settings)),
        OverviewViews(state, Doctor(endpoints_of_stack(stack) if stack else where)),
        RequestViews(state, where),
        CouponViews(state, reader, acting),
        DeadLetterViews(state, where, acting),
        StreamViews(state, where, ledger, acting, rebuilding),
        RebuildViews(state, reader, acting, rebuilding),
        RecoveryViews(state, where, settings.consumer_group, acting),
        AuditViews(ledger),
    )
    return create_app(settings, [each.blueprint() for each in views])


def endpoints_of(settings: MonitorSettings) -> Endpoints:
    """What the page's questions are asked of; Postgres as an operator, where that is allowed."""
    database = settings.monitor_operator_database_url or settings.database_url
    registry, connect = settings.schema_registry_url, settings.connect_url
    apis = split_list(settings.api_management_url.get_secret_value())
    known = {
        DATABASE_URL: database.get_secret_value(),
        REDIS_URL: settings.redis_url.get_secret_value(),
        KAFKA: settings.kafka_bootstrap_servers,
        REGISTRY_URL: registry.get_secret_value() if registry else "",
        CONNECT_URL: connect.get_secret_value() if connect else "",
        MANAGEMENT_URL: apis[0] if apis else "",
    }
    return Endpoints(known, "monitor")
