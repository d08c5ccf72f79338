"""The real databases: after kill -9 they are reported down, and come back with their data."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor, wait

import psutil
import psycopg
import pytest
import redis

from coupons.waiting import eventually
from stack.cache import ensure_bundles
from stack.folder import StateFolder
from stack.lifecycle import bring_up, take_down, wipe
from stack.parts import Part
from stack.ports import free_ports
from stack.report import report
from stack.servers.postgres import postgres_home, postgres_part
from stack.servers.valkey import valkey_part


def _quiet(_name: str, _stage: str, _seconds: float) -> None:
    pass


def _kill_and_bring_back(folder: StateFolder, part: Part) -> None:
    run = folder.part(part.name).last_run()
    assert run is not None
    os.kill(run.pid, signal.SIGKILL)
    eventually(folder.part(part.name).exit_file.exists, what="the exit is recorded")
    [told] = report(folder, [part])
    assert (told.state, told.last_exit) == ("down", "signal 9")
    assert bring_up(folder, [part], [], _quiet) == [part.name]
    assert report(folder, [part])[0].state == "up"


@pytest.fixture
def postgres(folder: StateFolder) -> Part:
    return postgres_part(
        folder, ensure_bundles(lambda _done, _total: None)["postgres"], free_ports(["p"])["p"]
    )


def _connect(folder: StateFolder, part: Part, user: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1",
        port=part.ports["postgres"],
        user=user,
        password=folder.secret(user),
        dbname=database,
        autocommit=True,
    )


def test_postgres_comes_back_after_kill_9_with_all_that_was_committed(
    folder: StateFolder, postgres: Part
) -> None:
    bring_up(folder, [postgres], [], _quiet)
    with _connect(folder, postgres, "postgres", "postgres") as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        # The backend of an open connection outlives its postmaster for a moment.
        _kill_and_bring_back(folder, postgres)
    with _connect(folder, postgres, "postgres", "postgres") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_postgres_starts_only_when_all_killed_backends_are_gone(
    folder: StateFolder, postgres: Part
) -> None:
    """Postgres starts anew only when the last backend of a killed one is gone."""
    bring_up(folder, [postgres], [], _quiet)
    run = folder.part("postgres").last_run()
    assert run is not None
    backend = psutil.Process(run.pid).children()[0]
    backend.suspend()
    os.kill(run.pid, signal.SIGKILL)
    eventually(folder.part("postgres").exit_file.exists, what="the exit is recorded")

    with ThreadPoolExecutor() as pool:
        start = pool.submit(bring_up, folder, [postgres], [], _quiet)
        early, _ = wait([start], timeout=1.0)
        backend.resume()
        assert not early
        assert start.result() == ["postgres"]


def test_postgres_is_set_up_for_the_pipeline_and_asks_for_passwords(
    folder: StateFolder, postgres: Part
) -> None:
    bring_up(folder, [postgres], [], _quiet)
    with _connect(folder, postgres, "postgres", "postgres") as connection:

        def show(name: str) -> str:
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert row is not None
            return str(row[0])

        assert show("wal_level") == "logical"
        assert show("max_slot_wal_keep_size") == "2GB"
        assert show("data_checksums") == "on"
        assert show("TimeZone") == "UTC"
        assert show("listen_addresses") == "127.0.0.1"
        assert show("server_encoding") == "UTF8"
    with _connect(folder, postgres, "coupon_registry", "registry") as connection:
        connection.execute("CREATE TABLE mine ()")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=postgres.ports["postgres"],
            user="postgres",
            password="wrong",
            dbname="postgres",
        )


def test_postgres_never_runs_as_root(folder: StateFolder, postgres: Part) -> None:
    bring_up(folder, [postgres], [], _quiet)
    run = folder.part("postgres").last_run()
    process = run.process() if run else None
    assert process is not None
    assert process.uids().real != 0
    home = postgres_home(folder)
    assert home is not None
    assert home.stat().st_uid == process.uids().real


def test_postgres_leaves_no_backend_behind(folder: StateFolder, postgres: Part) -> None:
    bring_up(folder, [postgres], [], _quiet)
    run = folder.part("postgres").last_run()
    process = run.process() if run else None
    assert process is not None
    backends = process.children(recursive=True)
    with _connect(folder, postgres, "postgres", "postgres"):
        take_down(folder, ["postgres"], lambda _name, gracefully: None)
    eventually(lambda: not any(each.is_running() for each in backends), what="no backend is left")


def test_valkey_comes_back_after_kill_9_with_all_that_was_synced(folder: StateFolder) -> None:
    part = valkey_part(folder, free_ports(["v"])["v"])
    bring_up(folder, [part], [], _quiet)
    client = redis.Redis(port=part.ports["valkey"], decode_responses=True)
    client.set("kept", "yes")
    _wait_for_sync(client)

    _kill_and_bring_back(folder, part)

    assert client.get("kept") == "yes"


def _wait_for_sync(client: redis.Redis) -> None:
    def synced() -> bool:
        # It answers how many logs hold the last write on disk, first this server's own.
        return bool(client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1)  # type: ignore[no-untyped-call]

    eventually(synced, what="the append-only file is synced")


def test_the_servers_listen_on_this_machine_only(folder: StateFolder, postgres: Part) -> None:
    valkey = valkey_part(folder, free_ports(["v"])["v"])
    bring_up(folder, [valkey, postgres], [], _quiet)
    for part in (valkey, postgres):
        run = folder.part(part.name).last_run()
        process = run.process() if run else None
        assert process is not None
        listening = [each.laddr.ip for each in process.net_connections() if each.status == "LISTEN"]
        assert listening == ["127.0.0.1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as another user")
def test_a_state_folder_that_postgres_may_not_enter_is_no_hindrance(
    folder: StateFolder, postgres: Part
) -> None:
    folder.path.parent.chmod(0o700)
    bring_up(folder, [postgres], [], _quiet)
    assert report(folder, [postgres])[0].state == "up"

    home = postgres_home(folder)
    take_down(folder, ["postgres"], lambda _name, _gracefully: None)
    wipe(folder)
    assert home is not None
    assert not home.exists()
