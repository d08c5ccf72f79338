"""States of servers and processes."""

from contextlib import suppress

import psycopg

from chaos.drill.site import SOON_SECONDS, Site
from chaos.drill.state import State
from coupons.waiting import eventually
from operations.doctor.findings import Section

_RECONCILER_LOCK = 1668249710
_REDIS_CLI = 'redis-cli -u "$COUPON_REDIS_URL"'
_IDLE_SESSIONS = (
    'coupon sql --as superuser "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE'
    " usename = 'coupon_consumer' AND state LIKE 'idle%'\""
)


def _killed(
    section: Section, part: str, alert: str, type: tuple[str, ...] = ("coupon up",)
) -> State:
    return State(
        section,
        (section,),
        f"{part} is",
        f"the process of {part} was killed",
        lambda site: site.faults[f"kill {part}"].cause(),
        (alert,),
        type,
    )


def _make_commits_wait(site: Site) -> None:
    site.set_postgres("synchronous_standby_names", "'nobody'")


def _take_no_rows(site: Site) -> None:
    site.set_postgres("default_transaction_read_only", "on")


def _lock_the_requests(site: Site) -> None:
    table = "LOCK TABLE coupon_issue_request IN SHARE MODE"
    site.open_session("owner", "BEGIN", table)


def _take_all_connections(site: Site) -> None:
    """As a pool without a bound does. The API is left with none."""

    def api_has_none() -> bool:
        ours = "FROM pg_stat_activity WHERE usename = 'coupon_api'"
        site.run_as_superuser(f"SELECT pg_terminate_backend(pid, 1000) {ours}")
        with suppress(psycopg.OperationalError):
            while True:
                site.open_session("consumer")
        return not site.run_as_superuser(f"SELECT pid {ours}")

    eventually(api_has_none, SOON_SECONDS, "the API has no connection")


def _may_evict(site: Site) -> None:
    site.target.gate().client.config_set("maxmemory-policy", "allkeys-lru")
    site.faults["redis flushed"].cause()


def _fill_redis(site: Site) -> None:
    site.target.gate().client.config_set("maxmemory", "1mb")


def _change_passwords(site: Site) -> None:
    for role in ("coupon_ops", "coupon_reconciler"):
        site.run_as_superuser(f"ALTER ROLE {role} PASSWORD 'another'")
    site.run_as_superuser(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'coupon_reconciler'"
    )


def _take_the_lock(site: Site) -> None:
    session = site.open_session("ops")

    def taken() -> bool:
        site.run_as_superuser(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_locks"
            f" WHERE locktype = 'advisory' AND objid = {_RECONCILER_LOCK}"
        )
        row = session.execute("SELECT pg_try_advisory_lock(%s)", [_RECONCILER_LOCK]).fetchone()
        return row == (True,)

    eventually(taken, SOON_SECONDS, "the lock is taken")


SERVERS = (
    _killed(
        Section.POSTGRES_DOWN,
        "postgres",
        "CouponPostgresDown",
        ("coupon up", "coupon verify --wait 60"),
    ),
    State(
        Section.POSTGRES_REFUSES,
        (Section.POSTGRES_REFUSES, Section.API_503),
        "no claim is accepted and nothing is issued",
        "somebody set default_transaction_read_only",
        _take_no_rows,
        ("CouponApiErrors",),
        (
            'coupon sql --as superuser "ALTER SYSTEM RESET default_transaction_read_only"'
            ' "SELECT pg_reload_conf()"',
        ),
    ),
    State(
        Section.STANDBY_DOWN,
        (Section.STANDBY_DOWN,),
        "every commit waits for a synchronous standby",
        "synchronous_standby_names was set to a standby that does not exist",
        _make_commits_wait,
        ("CouponApiErrors",),
        (
            'coupon sql --as superuser "SET synchronous_commit = local"'
            ' "ALTER SYSTEM SET synchronous_standby_names = \'\'" "SELECT pg_reload_conf()"',
        ),
    ),
    State(
        Section.LOCKED,
        (Section.LOCKED,),
        "sessions wait for a lock",
        "a session locked the table of the requests and left its transaction open",
        _lock_the_requests,
        ("CouponClaimsSlow",),
        ('coupon sql --as superuser "SELECT pg_terminate_backend(PID)"',),
    ),
    State(
        Section.NO_CONNECTIONS,
        (Section.NO_CONNECTIONS,),
        "most of the open ones",
        "somebody opened connections until Postgres had none left",
        _take_all_connections,
        ("CouponApiErrors",),
        (_IDLE_SESSIONS,),
    ),
    _killed(Section.REDIS_DOWN, "valkey", "CouponRedisDown"),
    State(
        Section.REDIS_REFUSES,
        (Section.REDIS_REFUSES,),
        "no claim is admitted",
        "maxmemory was set below what Redis uses",
        _fill_redis,
        ("CouponRedisNearlyFull",),
        (f"{_REDIS_CLI} CONFIG SET maxmemory 0",),
    ),
    State(
        Section.REDIS_EVICTS,
        (Section.REDIS_EVICTS,),
        "no claim is admitted",
        "maxmemory-policy was set to allkeys-lru, and Redis was emptied",
        _may_evict,
        ("CouponGateUnavailable",),
        (f"{_REDIS_CLI} CONFIG SET maxmemory-policy noeviction",),
    ),
    _killed(Section.KAFKA_DOWN, "kafka", "CouponKafkaDown"),
    _killed(
        Section.CONNECT_DOWN,
        "connect",
        "CouponConnectDown",
        ("coupon up", "coupon connector status"),
    ),
    _killed(Section.REGISTRY_DOWN, "registry", "CouponSchemaRegistryDown"),
    _killed(Section.PART_DOWN, "api", "CouponApiMissing"),
    _killed(Section.CONSUMER_DOWN, "consumer-1", "CouponConsumerMissing"),
    _killed(Section.RECONCILER_DOWN, "reconciler", "CouponReconcilerNotActive"),
    State(
        Section.FOREIGN_LOCK,
        (Section.FOREIGN_LOCK,),
        "holds its lock: no reconciler can work",
        "a session of the role coupon_ops took the reconciler's lock",
        _take_the_lock,
        ("CouponReconcilerNotActive",),
        (
            'coupon sql --as superuser "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE'
            f" locktype = 'advisory' AND objid = {_RECONCILER_LOCK}\"",
        ),
    ),
    State(
        Section.NOT_PREPARED,
        (Section.NOT_PREPARED,),
        "authentication failed",
        "the passwords of the roles coupon_ops and coupon_reconciler were changed in Postgres",
        _change_passwords,
        ("CouponProcessUnhealthy",),
        ("coupon up",),
    ),
)
