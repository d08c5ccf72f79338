"""Faults inside Redis and Postgres."""

import shutil
from contextlib import suppress
from pathlib import Path

import redis

from chaos.faults.fault import Fault
from chaos.target import Target
from coupons.waiting import eventually


def redis_faults(target: Target) -> list[Fault]:
    """Redis loses its data or its scripts, or comes back with an older copy of its data."""

    def flush() -> None:
        _client(target).flushall()

    def flush_scripts() -> None:
        _client(target).script_flush()

    return [
        Fault("redis flushed", "an operator types FLUSHALL", flush, lasting=False),
        Fault(
            "scripts flushed",
            "Redis loses its scripts (SCRIPT FLUSH)",
            flush_scripts,
            lasting=False,
        ),
        Fault(
            "redis restored",
            "Redis is killed, and started again with an older copy of its data",
            lambda: _put_older_copy_back(target),
            lambda: target.start("valkey"),
        ),
    ]


def postgres_faults(target: Target) -> list[Fault]:
    """All connections to Postgres end."""

    def terminate() -> None:
        with target.superuser() as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type <> 'background worker'"
                " AND usename IS NOT NULL"
            )

    sentence = "every connection to Postgres is terminated, the slot's connection included"
    return [Fault("backends terminated", sentence, terminate, lasting=False)]


def _client(target: Target) -> redis.Redis:
    return target.gate().client


def _put_older_copy_back(target: Target) -> None:
    """Copy the data, wait until Redis has newer data, kill it, and put the copy back."""

    def scripts_run() -> int:
        try:
            statistics = _client(target).info("commandstats")
        except redis.RedisError as error:  # it is busy
            raise OSError(str(error)) from error
        return int(statistics["cmdstat_evalsha"]["calls"])

    folder = target.folder.path / "valkey"
    older = target.folder.path / "valkey-older"
    _copy_while_written(folder, older)
    at_copy = scripts_run()
    eventually(lambda: scripts_run() > at_copy + 20, 60, "it is ahead of its copy")
    target.kill("valkey")
    shutil.rmtree(folder)
    older.rename(folder)


def _copy_while_written(source: Path, destination: Path) -> None:
    """Copy the append-only files; retry when one of them is replaced meanwhile."""
    for _ in range(10):
        shutil.rmtree(destination, ignore_errors=True)
        with suppress(shutil.Error, FileNotFoundError):
            shutil.copytree(source, destination)
            return
    raise AssertionError(f"{source} could not be copied in 10 attempts")
