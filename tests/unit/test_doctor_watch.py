"""`coupon doctor --watch` says what changed, and nothing while nothing does."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from queue import Queue
from threading import Event, Thread
from typing import Any

import pytest
from click.testing import CliRunner

from cli.commands.doctor import _report
from cli.main import main
from coupons.endpoints import ENDPOINTS
from operations.doctor.changes import changes
from operations.doctor.checks import Check, Run, run_checks
from operations.doctor.findings import Finding, Section, failing, ok, unknown, warning
from operations.doctor.system import System
from tests.support.answers import Answers
from tests.unit.test_doctor import places

NOWHERE = "127.0.0.1:1"
DEADLINE_S = 60.0


def _lag(records: int) -> Finding:
    return warning("progress", f"{records:,} events wait", "coupon status", Section.LAG)


def _down(part: str, pid: int = 7) -> Finding:
    return failing("parts", f"{part} is down (process {pid})", "coupon up", Section.PART_DOWN)


def _broken(coupon_id: int) -> Finding:
    says = f"coupon {coupon_id} cannot be read"
    return failing("gate", says, "coupon gate status", Section.BROKEN_COUPON)


def _silent(reason: str) -> Finding:
    says = f"Kafka does not answer at host:9092: {reason}"
    return unknown("kafka", says, "coupon up", Section.KAFKA_DOWN)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([_lag(4_000)], [_lag(12)]),
        ([_down("api", 12)], [_down("api", 13)]),
        ([ok("kafka", "1 broker")], [ok("kafka", "3 brokers")]),
        ([ok("kafka", "1 broker")], []),
        ([_silent("transport failure")], [_silent("timed out")]),
        ([_down("api"), _lag(1)], [_lag(2), _down("api")]),
    ],
)
def test_other_figures_and_another_order_are_no_change(
    before: list[Finding], now: list[Finding]
) -> None:
    assert changes(before, now) == ([], [])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (_down("consumer-1"), _down("consumer-2")),
        (_broken(7), _broken(8)),
        (_lag(9), failing("progress", "9 events wait", "coupon status", Section.LAG)),
        (
            failing("api", "no answer at http://127.0.0.1:1", "coupon up", Section.PART_DOWN),
            failing("api", "no answer at http://127.0.0.1:2", "coupon up", Section.PART_DOWN),
        ),
    ],
)
def test_another_thing_and_another_level_are_a_change(before: Finding, now: Finding) -> None:
    assert changes([before], [now]) == ([now], [before])


def test_of_two_that_read_the_same_one_may_go_away() -> None:
    assert changes([_lag(1), _lag(2)], [_lag(3)]).went_away == [_lag(2)]


def test_a_check_that_hangs_is_not_started_again_and_not_left_out() -> None:
    free = Event()
    started: Queue[str] = Queue()

    def hang(_: System) -> Iterator[Finding]:
        started.put("one more")
        free.wait(DEADLINE_S)
        yield ok("slow", "it answers")

    hanging: dict[str, Run] = {}
    checks = [Check("slow", hang, Section.KAFKA_DOWN)]
    rounds = [run_checks(places(1), 0.1, checks, hanging) for _ in range(3)]
    says = "it does not answer within 0 s"
    assert (
        rounds
        == [[failing("slow", says, "see whether Kafka works where it runs", Section.KAFKA_DOWN)]]
        * 3
    )
    assert started.qsize() == 1
    free.set()
    hanging["slow"].thread.join(DEADLINE_S)
    assert run_checks(places(1), DEADLINE_S, checks, hanging) == [ok("slow", "it answers")]


class _Watching:
    """A running `coupon doctor --watch`, and the lines that it has printed."""

    def __init__(self, environment: dict[str, str], *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "doctor", "--watch", "1", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def next(self) -> str:
        return self._lines.get(timeout=DEADLINE_S)

    def end(self, how: signal.Signals) -> int:
        """The exit code."""
        self.process.send_signal(how)
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def api() -> Iterator[Answers]:
    answers = Answers(200, '{"status": "ok"}')
    yield answers
    answers.stop()


@pytest.fixture
def environment(api: Answers, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A system of which only the API is up."""
    for name in (*ENDPOINTS, "COUPON_STATE_DIR", "COUPON_PASSWORDS_DIR", "COUPON_CONSUMER_URLS"):
        monkeypatch.delenv(name, raising=False)
    return {
        **os.environ,
        "COUPON_DATABASE_URL": f"postgresql://ops:x@{NOWHERE}/coupon",
        "COUPON_REDIS_URL": f"redis://{NOWHERE}/0",
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "COUPON_SCHEMA_REGISTRY_URL": f"http://{NOWHERE}",
        "COUPON_CONNECT_URL": f"http://{NOWHERE}",
        "COUPON_API_MANAGEMENT_URL": api.url,
    }


def test_changes_are_printed_as_they_are_seen_until_it_is_ended(
    environment: dict[str, str], api: Answers
) -> None:
    watching = _Watching(environment, "--json")
    try:
        first: dict[str, Any] = json.loads(watching.next())
        assert {"postgres", "redis", "kafka"} <= {each["check"] for each in first["appeared"]}
        assert (first["healthy"], first["went_away"]) == (False, [])
        api.status = 503
        second = json.loads(watching.next())
        assert [each["check"] for each in second["appeared"]] == ["api"]
        assert second["at"] > first["at"]
        api.status = 200
        third = json.loads(watching.next())
        assert third["went_away"] == second["appeared"]
        assert third["appeared"] == []
    finally:
        code = watching.end(signal.SIGTERM)
    assert code == 1


def test_a_person_reads_the_time_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    explained = _lag(4)._replace(because=Section.PART_DOWN)
    _report([ok("kafka", "3 brokers")], None, as_json=False)
    assert capsys.readouterr().out == "ok        kafka          3 brokers\n\nHealthy.\n"
    _report([_down("api"), explained], [ok("kafka", "3 brokers")], as_json=False)
    lines = [re.sub(r"^..:..:..", "12:00:00", each) for each in capsys.readouterr().out.split("\n")]
    assert lines == [
        "12:00:00  appeared  failing  parts: api is down (process 7)",
        f"{'':25}type: coupon up",
        f"{'':25}read: docs/how-to/runbook.md, A part is down",
        "12:00:00  appeared  warning  progress: 4 events wait (see: A part is down)",
        "12:00:00  Something is failing: begin with the first line. 1 more follow from it.",
        "",
    ]
    _report([], [_down("api")], as_json=False)
    assert "  went away failing  parts: api is down (process 7)\n" in capsys.readouterr().out
    _report([], [], as_json=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon", "3601"])
def test_an_interval_that_makes_no_sense_is_refused(seconds: str) -> None:
    assert CliRunner().invoke(main, ["doctor", "--watch", seconds]).exit_code == 2


def test_unknown_findings_are_reported_too() -> None:
    lost = unknown("gate", "Redis does not answer", "coupon up", Section.REDIS_DOWN)
    assert changes([], [lost]).appeared == [lost]
