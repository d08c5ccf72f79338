"""Real servers that answer and refuse: made to, and put right again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import psycopg
import redis
from psycopg import sql

from coupons.gate.refusals import GateRefusal
from coupons.waiting import eventually
from stack.ports import free_ports

HOW_REDIS_REFUSES = {
    GateRefusal.OUT_OF_MEMORY: {"maxmemory": "1"},
    GateRefusal.TOO_FEW_REPLICAS: {"min-replicas-to-write": "1"},
    GateRefusal.READ_ONLY: {},
    GateRefusal.CANNOT_SAVE: {"stop-writes-on-bgsave-error": "yes"},
    GateRefusal.MAY_EVICT: {"maxmemory-policy": "allkeys-lru"},
}
"""Each refusal that a running Redis can be made to, and the settings that make it."""


@contextmanager
def redis_that(refusal: GateRefusal, url: str) -> Iterator[None]:
    """The Redis of this URL refuses like this while the block runs."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        settings = HOW_REDIS_REFUSES[refusal]
        before = {name: client.config_get(name)[name] for name in settings}
        try:
            if refusal is GateRefusal.READ_ONLY:
                client.replicaof("127.0.0.1", free_ports(["away"])["away"])
            if refusal is GateRefusal.CANNOT_SAVE:
                _fail_to_save(client)
            for name, value in settings.items():
                client.config_set(name, value)
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)
            client.replicaof("NO", "ONE")
            client.config_set("save", "")


def _fail_to_save(client: redis.Redis) -> None:
    """A snapshot's child that is killed counts as one that could not write.

    It takes a minute for each key, so that it is there when it is looked for.
    """
    client.config_set("rdb-key-save-delay", "60000000")
    client.set("of-a-test", "1", ex=60)
    client.config_set("save", "3600 1")
    client.bgsave()
    for child in psutil.Process(client.info("server")["process_id"]).children():
        child.kill()

    def has_failed() -> bool:
        saving = client.info("persistence")
        return not saving["rdb_bgsave_in_progress"] and saving["rdb_last_bgsave_status"] == "err"

    eventually(has_failed)
    client.config_set("rdb-key-save-delay", "0")


@contextmanager
def postgres_setting(superuser_url: str, name: str, value: str) -> Iterator[None]:
    """The whole server has this setting while the block runs, and has it no more afterwards."""
    with _superuser(superuser_url) as superuser:
        before = _setting(superuser, name)
    try:
        _alter_system(superuser_url, sql.SQL("SET {} = {}"), name, value, becomes=value)
        yield
    finally:
        _alter_system(superuser_url, sql.SQL("RESET {}"), name, becomes=before)


def _alter_system(
    superuser_url: str, change: sql.SQL, name: str, *values: str, becomes: str
) -> None:
    with _superuser(superuser_url) as superuser:
        changed = change.format(sql.Identifier(name), *map(sql.Literal, values))
        superuser.execute(sql.SQL("ALTER SYSTEM ") + changed)
        superuser.execute("SELECT pg_reload_conf()")
        # The server tells its sessions some time later: one of the next test may still have it.
        eventually(
            lambda: _setting(superuser, name) == becomes, what=f"{name} is {becomes!r} in effect"
        )


def _setting(superuser: psycopg.Connection[Any], name: str) -> str:
    row = superuser.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def _superuser(url: str) -> psycopg.Connection[Any]:
    # A superuser of a server without its standby must not wait for it.
    return psycopg.connect(url, autocommit=True, options="-c synchronous_commit=local")
