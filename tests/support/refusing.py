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
    """A snapshot's child that is killed counts as one that could not write."""
    client.config_set("rdb-key-save-delay", "60000000")  # a minute: it is there to be killed
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
    """The whole server has this setting while the block runs, and not any more after it."""
    before = _setting(superuser_url, name)
    try:
        _alter_system(superuser_url, sql.SQL("SET {} = {}"), name, value)
        _await_setting(superuser_url, name, value)
        yield
    finally:
        _alter_system(superuser_url, sql.SQL("RESET {}"), name)
        _await_setting(superuser_url, name, before)


def _alter_system(superuser_url: str, change: sql.SQL, name: str, *values: str) -> None:
    with _superuser(superuser_url) as superuser:
        changed = change.format(sql.Identifier(name), *map(sql.Literal, values))
        superuser.execute(sql.SQL("ALTER SYSTEM ") + changed)
        superuser.execute("SELECT pg_reload_conf()")


def _await_setting(superuser_url: str, name: str, value: str) -> None:
    """Returns when every session has it at its next statement, and every commit.

    A session that begins after the reload has it, and by then all others were told. Commits wait
    for a standby once the checkpointer has read its name, which it does before it checkpoints.
    """
    in_effect = f"{name} is in effect"
    eventually(lambda: _setting(superuser_url, name) == value, 30, in_effect)
    with _superuser(superuser_url) as superuser:
        superuser.execute("CHECKPOINT")


def _setting(superuser_url: str, name: str) -> str:
    """What a new session has."""
    with _superuser(superuser_url) as superuser:
        row = superuser.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def _superuser(superuser_url: str) -> psycopg.Connection[Any]:
    # A superuser of a server without its standby must not wait for it.
    options = "-c synchronous_commit=local"
    return psycopg.connect(superuser_url, autocommit=True, options=options)
