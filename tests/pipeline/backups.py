"""Backs up the Postgres of a stack and puts the backup back, as pg_basebackup and a person do."""

import os
import shutil
from pathlib import Path

import psycopg

from stack.disposable import DisposableStack
from stack.endpoints import database_url
from stack.options import existing
from stack.servers.postgres import postgres_home

_LEFT_OUT = shutil.ignore_patterns("postmaster.pid", "postmaster.opts", "pgsql_tmp*")


def back_up(stack: DisposableStack) -> Path:
    """A base backup of the running server, without its slots; where it is."""
    data, copy = _data(stack), _data(stack).with_name("backup")
    ports = existing(stack.folder).ports
    superuser = database_url(stack.folder, ports, "postgres", "postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("SELECT pg_backup_start('of a test', fast => true)")
        shutil.copytree(data, copy, ignore=_LEFT_OUT, copy_function=_copy)
        row = connection.execute("SELECT labelfile FROM pg_backup_stop(false)").fetchone()
        assert row is not None
        (copy / "backup_label").write_text(row[0])
        # The WAL that was written while the files were copied makes them fit each other.
        shutil.copytree(data / "pg_wal", copy / "pg_wal", copy_function=_copy, dirs_exist_ok=True)
    for slot in (copy / "pg_replslot").iterdir():
        shutil.rmtree(slot)
    owner = data.stat()
    for path in [copy, *copy.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    return copy


def put_back(stack: DisposableStack, backup: Path) -> None:
    """The data of a Postgres that does not run is gone; the backup takes its place."""
    shutil.rmtree(_data(stack))
    shutil.move(backup, _data(stack))


def _data(stack: DisposableStack) -> Path:
    home = postgres_home(stack.folder)
    assert home is not None
    return home / "data"


def _copy(source: str, target: str) -> str:
    """The server removes files while they are copied; its WAL makes up for that."""
    try:
        return str(shutil.copy2(source, target))
    except FileNotFoundError:
        return target
