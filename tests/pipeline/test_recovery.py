"""What can befall the connector, its slot and its offsets: each is loud, and has a way back."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from connectors.connect import Connect
from connectors.connector_state import existing_state, read_state
from connectors.lifecycle import CONNECTOR_NAME, resume_connector, stop_connector
from connectors.offsets import forget_offsets, read_offset
from connectors.slot import drop_slot, make_slot, read_slot
from coupons.ledger.connection import Connection, connect_ledger
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.endpoints import database_url
from stack.options import existing
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline

LOUD_WITHIN_SECONDS = 120.0


class Stream:
    """The stack's own connector with its slot, and what `coupon` says of it."""

    def __init__(self, stack: DisposableStack, cdc: Connection) -> None:
        self.stack = stack
        self.cdc = cdc
        self.connect = Connect(stack.environment["COUPON_CONNECT_URL"])

    def stop(self) -> None:
        stop_connector(self.connect, CONNECTOR_NAME)

    def resume(self) -> None:
        resume_connector(self.connect, CONNECTOR_NAME)

    def lose_offsets(self) -> None:
        forget_offsets(self.connect, CONNECTOR_NAME)

    def is_read(self) -> bool:
        """A slot is active before it has a place to begin at: what is written then is before it."""
        slot = read_slot(self.cdc)
        return bool(slot.active) and slot.confirmed_lsn is not None

    def failure(self) -> str | None:
        return existing_state(self.connect, CONNECTOR_NAME).failure

    def offset_is_kept(self) -> bool:
        return read_offset(self.connect, CONNECTOR_NAME) is not None

    def doctor(self) -> dict[str, str]:
        """What each check that is not well says."""
        _, found = self.coupon("doctor")
        return {each["check"]: each["says"] for each in found["findings"] if each["level"] != "ok"}

    def recover(self, *options: str) -> Any:
        code, done = self.coupon("connector", "recover", "--wait", "90", *options)
        assert code == 0, (done, self.stack.log_tails())
        return done

    def coupon(self, *arguments: str) -> tuple[int, Any]:
        args = [sys.executable, "-m", "cli", *arguments, "--state", str(self.stack.folder.path)]
        done = subprocess.run([*args, "--json"], capture_output=True, text=True, timeout=240)
        assert done.returncode in (0, 1, 3), done.stderr
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def stack(spare_stack: DisposableStack) -> DisposableStack:
    """Not the shared one: requests that other tests leave for ever are not in order here."""
    return spare_stack


@pytest.fixture
def stream(stack: DisposableStack) -> Iterator[Stream]:
    """In order, with offsets; and in order again, whatever the test did."""
    with connect_ledger(stack.database_url("cdc"), "test", 90) as cdc:
        stream = Stream(stack, cdc)
        eventually(stream.offset_is_kept, 60, "offsets are kept")
        yield stream
        stream.coupon("connector", "recover", "--wait", "90")
        eventually(lambda: not stream.doctor().keys() - {"requests"}, 60, "in order again")


@pytest.fixture
def superuser(stack: DisposableStack) -> Iterator[psycopg.Connection]:
    url = database_url(stack.folder, existing(stack.folder).ports, "postgres", "coupon")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def test_a_healthy_system_gets_a_clean_bill(stream: Stream) -> None:
    def is_clean() -> bool:
        code, found = stream.coupon("doctor")
        ill = [each for each in found["findings"] if each["level"] != "ok"]
        assert (code, ill) == (0, []), ill
        return True

    eventually(is_clean, 60)


def test_a_paused_connector_is_named_and_goes_on_where_it_was(
    stream: Stream, pipeline: Pipeline
) -> None:
    stream.connect.call("PUT", f"/connectors/{CONNECTOR_NAME}/pause")
    eventually(lambda: "paused" in stream.doctor().get("connector", ""), LOUD_WITHIN_SECONDS)
    pipeline.request(range(1, 101))
    done = stream.recover()
    assert (done["connector"], done["republished"], done["not_final"]) == ("RUNNING", 0, 0)
    assert pipeline.counts().issued == 100


def test_a_missing_connector_is_named_and_made_anew(stream: Stream, pipeline: Pipeline) -> None:
    stream.connect.call("DELETE", f"/connectors/{CONNECTOR_NAME}")
    eventually(lambda: read_state(stream.connect, CONNECTOR_NAME) is None, 30)
    pipeline.request(range(1, 101))
    assert "there is no connector" in stream.doctor()["connector"]
    done = stream.recover()
    assert (done["connector"], done["not_final"]) == ("RUNNING", 0)
    assert pipeline.counts().issued == 100


def test_a_failed_task_is_named_with_its_cause_and_mended(
    stream: Stream, pipeline: Pipeline
) -> None:
    path = f"/connectors/{CONNECTOR_NAME}/config"
    config = stream.connect.call("GET", path)
    assert config is not None
    stream.connect.call("PUT", path, {**config, "publication.name": "not_there"})
    pipeline.request(range(1, 101))
    told = "FAILED: org.apache.kafka.connect.errors.ConnectException: Publication autocreation"
    eventually(lambda: told in stream.doctor().get("connector", ""), LOUD_WITHIN_SECONDS)
    done = stream.recover()
    assert (done["connector"], done["not_final"]) == ("RUNNING", 0)
    assert pipeline.counts().issued == 100


def test_lost_offsets_leave_no_gap_because_the_slot_knows_where_to_begin(
    stream: Stream, pipeline: Pipeline
) -> None:
    stream.stop()
    pipeline.request(range(1, 101))
    stream.lose_offsets()
    assert "has no offsets" in stream.doctor()["offsets"]
    stream.resume()
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 100
    eventually(lambda: "offsets" not in stream.doctor(), 60, "they are kept again")


@pytest.mark.parametrize("made_anew", [False, True], ids=["and stays lost", "and is made anew"])
def test_a_lost_slot_is_named_and_its_requests_are_streamed_again(
    stream: Stream, pipeline: Pipeline, made_anew: bool
) -> None:
    stream.stop()
    pipeline.request(range(1, 101))
    drop_slot(stream.cdc)
    pipeline.request(range(101, 201))
    if made_anew:
        make_slot(stream.cdc)
    assert ("offsets" if made_anew else "slot") in stream.doctor()
    stream.resume()
    eventually(stream.failure, LOUD_WITHIN_SECONDS, "the connector fails")
    assert pipeline.counts().issued == 0
    # It is restarted again and again, and so is not FAILED at each moment.
    eventually(lambda: "FAILED" in stream.doctor().get("connector", ""), LOUD_WITHIN_SECONDS)
    done = stream.recover()
    assert (done["connector"], done["not_final"]) == ("RUNNING", 0)
    assert done["republished"] >= 200
    assert pipeline.counts().issued == 200
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS, "the last of them are marked too")


def test_slot_and_offsets_lost_together_are_named(stream: Stream, pipeline: Pipeline) -> None:
    """Debezium then makes itself a slot, and goes on after the gap as if nothing had been."""
    stream.stop()
    pipeline.request(range(1, 101))
    drop_slot(stream.cdc)
    stream.lose_offsets()
    stream.resume()
    eventually(stream.is_read, LOUD_WITHIN_SECONDS, "it made a slot, and reads it")
    pipeline.request(range(101, 201))
    eventually(lambda: pipeline.counts().issued == 100, FINAL_WITHIN_SECONDS)
    assert "created the slot" in stream.doctor()["slot"]
    done = stream.recover()
    assert done["republished"] >= 100
    assert pipeline.counts().issued == 200
    assert not read_slot(stream.cdc).made_by_connector


def test_a_slot_that_outgrew_its_wal_is_named_and_streamed_again(
    stream: Stream, pipeline: Pipeline, superuser: psycopg.Connection
) -> None:
    """A slot that outgrew its wal is named and its requests are streamed again."""
    stream.stop()
    pipeline.request(range(1, 101))
    with _small_wal(superuser):
        eventually(_write_wal_until_lost(stream, superuser), LOUD_WITHIN_SECONDS)
        assert "wal_removed" in stream.doctor()["slot"]
    stream.resume()
    pipeline.request(range(101, 201))
    # Debezium takes what Postgres says for something that passes, and tries again and again.
    eventually(lambda: "heartbeat" in stream.doctor(), 120)
    assert "wal_removed" in stream.doctor()["slot"]
    assert pipeline.counts().issued == 0
    done = stream.recover()
    assert (done["connector"], done["not_final"]) == ("RUNNING", 0)
    assert pipeline.counts().issued == 200


def test_recovering_what_is_in_order_changes_nothing(stream: Stream, pipeline: Pipeline) -> None:
    pipeline.request(range(1, 101))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    slot = read_slot(stream.cdc)
    done = stream.recover("--emit")
    assert done["connector"] == "RUNNING"
    assert pipeline.counts().issued == 100
    assert (read_slot(stream.cdc).confirmed_lsn or 0) >= (slot.confirmed_lsn or 0)


@contextmanager
def _small_wal(superuser: psycopg.Connection) -> Iterator[None]:
    """max_slot_wal_keep_size of 16 MB while the block runs."""
    superuser.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
    superuser.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        superuser.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        superuser.execute("SELECT pg_reload_conf()")


def _write_wal_until_lost(stream: Stream, superuser: psycopg.Connection) -> Callable[[], bool]:
    def lost() -> bool:
        superuser.execute(
            "SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))"
            " FROM generate_series(1, 20)"
        )
        superuser.execute("SELECT pg_switch_wal()")
        superuser.execute("CHECKPOINT")
        return read_slot(stream.cdc).is_lost

    return lost
