"""A rehearsal through the running stack: a report, and after the purge nothing is left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from coupons.ids import FIRST_ERASED_ID, FIRST_REHEARSAL_ID
from coupons.ledger.silent_sessions import VARIABLE
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline
from tests.support.terminal import take_interrupts

RATE, SECONDS = 40, 5
TABLES = (
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
)


class Command:
    """Types `coupon rehearse` on the stack, and others, for a document."""

    def __init__(self, stack: DisposableStack) -> None:
        self._stack = stack

    def line(self, *words: str) -> list[str]:
        state = ["--state", str(self._stack.folder.path), "--json"]
        return [sys.executable, "-m", "cli", *words, *state]

    def done(self, *words: str, **settings: str) -> Any:
        environment = {**os.environ, **settings}
        ended = subprocess.run(
            self.line(*words), capture_output=True, text=True, timeout=200, env=environment
        )
        assert ended.returncode == 0, (words, ended.stdout, ended.stderr)
        return json.loads(ended.stdout)


@pytest.fixture
def command(stack: DisposableStack) -> Command:
    return Command(stack)


def tables_that_name(stack: DisposableStack, coupon_id: int) -> dict[str, int]:
    """By table, rows with the coupon's id, or of no coupon with the id of a synthetic user."""
    found = {}
    with psycopg.connect(stack.database_url("owner")) as owner:
        for (table,) in owner.execute(TABLES).fetchall():
            statement = (
                f"SELECT count(*) FROM {table} t, jsonb_each_text(to_jsonb(t)) AS f (its, value)"
                " WHERE f.its = 'coupon_id' AND f.value = %s"
                " OR NOT to_jsonb(t) ? 'coupon_id' AND f.its ~ 'user_id'"
                " AND f.value::numeric BETWEEN %s AND %s"
            )
            values = [str(coupon_id), FIRST_REHEARSAL_ID, FIRST_ERASED_ID - 1]
            row = owner.execute(statement.encode(), values).fetchone()
            assert row is not None
            found[table] = row[0]
    return {table: rows for table, rows in found.items() if rows}


def keys_that_name(pipeline: Pipeline, coupon_id: int) -> list[str]:
    """Of all keys that Redis has."""
    keys = map(str, pipeline.gate.client.scan_iter("*"))
    return [key for key in keys if f"{{{coupon_id}}}" in key]


def events_of(command: Command, wanted: int) -> Sequence[str]:
    """The coupons of all events that there are, once there is one of this coupon."""
    found: list[str] = []

    def there() -> bool:
        found[:] = [each["data"]["coupon_id"] for each in command.done("events", "read")["events"]]
        return str(wanted) in found

    eventually(there, FINAL_WITHIN_SECONDS, "the event of the coupon beside it")
    return found


def test_a_rehearsal_is_reported_and_purged_and_touches_nothing_else(
    stack: DisposableStack, pipeline: Pipeline, command: Command, tmp_path: Path
) -> None:
    """Events for other services are on; a coupon beside it is claimed before, and stays whole."""
    people = People(stack)
    beside = pipeline.coupon.coupon_id
    page = tmp_path / "rehearsal.md"
    command.done("events", "start")
    try:
        assert people.claim(beside, 1).status_code == 202
        size = ["--rate", f"{RATE}/s", "--for", f"{SECONDS}s", "--report", str(page)]

        # While the claims run, its session is silent for longer than that.
        report = command.done("rehearse", "run", *size, "--by", "a test", **{VARIABLE: "2"})

        coupon_id = report["coupon_id"]
        claims = RATE * SECONDS
        assert report["answers"] == {"202": claims}
        assert report["ledger"]["issued"] == report["ledger"]["accepted"] == claims
        assert report["issued_ms"]["p99"] >= report["issued_ms"]["p50"] > 0
        assert {"api", "connect", "consumer-1", "kafka", "postgres", "valkey"} <= {
            each["part"] for each in report["busy"]
        }
        assert report["batch_claims"] >= 1 <= report["batch_events"]
        assert report["wal_bytes"] > claims * 100
        assert f"# Rehearsal {coupon_id}" in page.read_text()
        verified = command.done("verify", "--wait", "60")
        assert coupon_id in [each["coupon_id"] for each in verified["coupons"]]
        assert people.claim(coupon_id, 2).json()["reason"] in ("closed", "not_eligible")

        assert people.claim(beside, 3).status_code == 202
        assert str(coupon_id) not in events_of(command, beside)

        foreseen = command.done("rehearse", "purge", str(coupon_id), "--dry-run")
        assert foreseen["rows"]["issued_coupon"] == claims
        assert set(tables_that_name(stack, coupon_id)) >= {"coupon", "issued_coupon", "rehearsal"}
        proof = command.done("rehearse", "purge", str(coupon_id), "--yes")
    finally:
        command.done("events", "stop", "--yes")

    assert proof["nothing_left"]
    assert proof["removed"]["issued_coupon"] == claims
    assert proof["log_forgets_at"] > proof["purged_at"]
    assert tables_that_name(stack, coupon_id) == {"rehearsal": 1}
    assert keys_that_name(pipeline, coupon_id) == []
    assert command.done("rehearse", "purge", str(coupon_id), "--yes")["removed"] == proof["removed"]
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 2
    verified = command.done("verify", "--wait", "60")
    assert coupon_id not in [each["coupon_id"] for each in verified["coupons"]]


def test_a_rehearsal_that_is_stopped_says_how_to_purge_it(
    stack: DisposableStack, pipeline: Pipeline, command: Command
) -> None:
    """With Ctrl-C: its coupon is closed, and the purge removes what was done until then."""
    line = command.line("rehearse", "run", "--rate", "20/s", "--for", "60s")
    running = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,
    )
    assert running.stderr is not None
    began = running.stderr.readline()
    assert began.startswith("rehearsal ")
    coupon_id = began.split()[1].rstrip(":")
    asked = "SELECT count(*) FROM coupon_issue_request WHERE coupon_id = %s"

    def claimed() -> bool:
        row = pipeline.ledger.execute(asked, [int(coupon_id)]).fetchone()
        return row is not None and row[0] > 0

    eventually(claimed, FINAL_WITHIN_SECONDS)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)

    assert running.returncode == 130
    assert f"coupon rehearse purge {coupon_id}" in json.loads(said)["error"]["message"]
    state = pipeline.ledger.execute(
        "SELECT state FROM coupon WHERE coupon_id = %s", [int(coupon_id)]
    )
    assert state.fetchone() == ("closed",)

    def purged() -> bool:
        return bool(command.done("rehearse", "purge", coupon_id, "--yes")["nothing_left"])

    eventually(purged, FINAL_WITHIN_SECONDS)
