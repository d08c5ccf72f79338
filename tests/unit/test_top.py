"""`coupon top`: right at every size, and what is not known says since when."""

import copy
import json
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.top_figures import clock
from cli.top_frame import Frame
from coupons.endpoints import ENDPOINTS
from operations.top.reading import Document, all_unknown
from operations.top.stock_rates import StockRates
from tests.support.answers import Answers
from tests.support.terminal import on_a_terminal

RECORDED: Document = json.loads(
    (Path(__file__).parent / "data" / "monitor_state.json").read_text("utf-8")
)
"""Of a rush with four live coupons."""
RATES = {"7": 120.5, "8": 3.0}
NOWHERE = "http://127.0.0.1:1"
UP = "All 8 servers and processes are up."
ALTERNATE_SCREEN, MAIN_SCREEN, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "COUPON_STATE_DIR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def monitor() -> Iterator[Answers]:
    served = Answers(200, json.dumps({**RECORDED, "coupons": []}))
    yield served
    served.stop()


def _frame(state: Document, failure: str | None = None) -> Frame:
    return Frame(state, RATES, 2.0, "coupon doctor", failure)


def _shown(frame: Frame, width: int = 80, height: int | None = None) -> str:
    return "\n".join(line.plain for line in frame.lines(width, height))


def _changed(**changes: Any) -> Document:
    return {**copy.deepcopy(RECORDED), **changes}


def _unknown(source: str, moment: str, *lost: str) -> Document:
    unread = {"known": False, "unknown_since": moment, "why": "no answer within 1.5 s"}
    state = _changed(**dict.fromkeys(lost))
    state["sources"][source] = unread
    return state


def _top(url: str, *options: str) -> Result:
    return CliRunner(env={"COUPON_MONITOR_URL": url}).invoke(main, ["top", *options])


@pytest.mark.parametrize("size", [(80, 24), (40, 24), (20, 5), (1, 1), (132, 43), (300, 60)])
@pytest.mark.parametrize("failure", [None, "the monitor does not answer: " + "x" * 300])
def test_no_line_is_wider_than_the_screen_and_none_is_below_it(
    size: tuple[int, int], failure: str | None
) -> None:
    width, height = size
    lines = _frame(RECORDED, failure).lines(width, height)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    assert not any("\n" in line.plain for line in lines)


def test_while_the_connector_is_paused_nothing_is_said_to_be_caught_up() -> None:
    state = _changed(connector={"state": "PAUSED", "running": False, "tasks": []})
    state["pipeline"] |= {"lag": 0, "catch_up_seconds": 0.0}
    shown = _shown(_frame(state))
    assert "caught up       no: connector stopped" in shown
    assert "The connector does not run: PAUSED. Type: coupon doctor" in shown
    assert UP not in shown


def test_at_80x24_everything_but_a_long_name_and_further_coupons_is_complete() -> None:
    shown = _shown(_frame(RECORDED), 80, 24)
    assert len(shown.splitlines()) == 24
    assert shown.splitlines()[-1] == "… 4 more coupons"
    for figure in (
        *("1,890.2 events/s", "1,250.0 events/s", "4,000 records, 3.2 s", "no: it does not shrink"),
        *("61,320", "4,120", "3.4 s", "1.4 s", "3 loaded, 1 paused", "50.0 of 256 MiB"),
        *("RUNNING", "24.0 of 2,048 MiB", "not reached", "12.0 GiB, stack", UP),
        *("postgres up", "redis up", "kafka up", "connect up", "consumer up", "reconciler up"),
        *("91,600", "120.5", "13 min"),
    ):
        assert figure in shown
    without_names = [line for line in shown.splitlines() if " open " not in line]
    assert [line for line in without_names if "…" in line] == ["… 4 more coupons"]


@pytest.mark.parametrize(("height", "more"), [(None, 992), (28, 992), (27, 993), (24, 996)])
def test_the_live_coupons_that_the_monitor_does_not_list_are_counted(
    height: int | None, more: int
) -> None:
    shown = _shown(_frame(_changed(coupons_live=1_000)), 80, height).splitlines()
    [head] = [at for at, line in enumerate(shown) if line.startswith("COUPON ")]
    assert len(shown[head + 1 : -1]) == 1_000 - more
    assert shown[-1] == f"… {more} more coupons"
    assert height in (None, len(shown))


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    assert "Concert of the year, fro… " in _shown(_frame(RECORDED), 80)
    assert _shown(_frame(RECORDED), 40, 10).endswith(" more lines")
    assert "Concert of the year, front rows, with a name that is long " in _shown(
        _frame(RECORDED), 132
    )


def test_only_labels_are_dim() -> None:
    [line] = [each for each in _frame(RECORDED).lines(40) if each.plain.startswith(" captured")]
    assert line.style == ""
    assert [(line.plain[span.start : span.end].strip(), span.style) for span in line.spans] == [
        ("captured", "dim")
    ]


def test_a_name_cannot_write_to_the_terminal() -> None:
    state = _changed()
    state["coupons"][0]["name"] = "\x1b[2Jgone\n[bold]\x07"
    shown = _shown(_frame(state))
    assert "\x1b" not in shown
    assert "?[2Jgone?[bold]?" in shown


def test_figures_of_a_source_that_is_down_say_since_when() -> None:
    moment = "2026-11-26T03:40:05+00:00"
    shown = _shown(_frame(_unknown("redis", moment, "gate")), 80, 24)
    since = f"unknown since {clock(moment)}"
    assert shown.count(since) == 5  # oldest request, heartbeat age, coupons, memory, drift
    assert "1 of 8 not up: redis" in shown
    assert "Type: coupon doctor" in " ".join(shown.split())
    assert "redis no answer" in shown
    assert "4,000 records" in shown


def test_while_the_monitor_is_down_nothing_is_shown_as_known() -> None:
    since = datetime(2026, 11, 26, 3, 40, 5, tzinfo=UTC)
    shown = _shown(_frame(all_unknown(RECORDED, since), "it does not answer"), 80, 24)
    assert "it does not answer. Trying again." in shown
    assert shown.count(f"unknown since {clock(since)}") == 21
    assert shown.count(" unknown ") >= 8
    assert not any(
        figure in shown for figure in ("1,890", "4,000", "RUNNING", "redis up", "91,600")
    )


def test_a_lag_that_shrinks_says_when_it_is_caught_up() -> None:
    pipeline = {**RECORDED["pipeline"], "catch_up_seconds": 42.0}
    assert "caught up       in 42 s" in _shown(_frame(_changed(pipeline=pipeline)))
    none = {**RECORDED["pipeline"], "lag": 0, "catch_up_seconds": 0.0}
    assert "caught up       now" in _shown(_frame(_changed(pipeline=none)))


def test_of_several_consumers_each_is_named_and_what_is_not_up_stands_first() -> None:
    state = _changed()
    consumer = next(each for each in state["processes"] if each["part"] == "consumer")
    other = {**consumer, "address": "host:2", "healthy": False, "says": "kafka: no answer"}
    state["processes"].append(other)
    lines = _shown(_frame(state), 132).splitlines()
    at = lines.index("SERVERS AND PROCESSES")
    assert lines[at + 1].startswith(" consumer host:2 unhealthy")
    assert "1 of 9 not up: consumer host:2: kafka: no answer" in lines[0] + lines[1]


def test_the_rate_of_a_coupon_is_what_was_taken_between_two_readings() -> None:
    rates, state = StockRates(), _changed()
    assert rates.note(state) == {}
    later = _changed()
    later["sources"]["redis"]["read_at"] = "2026-11-26T03:46:24.100000+00:00"
    later["coupons"][0]["left"] -= 100
    later["coupons"][1]["stock"] += 500
    later["coupons"][1]["left"] += 500
    taken = rates.note(later)
    assert (taken["7"], taken["8"]) == (25.0, 0.0)
    assert rates.note(_unknown("redis", "2026-11-26T03:46:25+00:00", "gate")) == {}
    assert rates.note(later) == {}


def test_a_pipe_gets_one_plain_frame(monitor: Answers) -> None:
    for options in ([], ["--once"]):
        done = _top(monitor.url, *options)
        assert done.exit_code == 0, done.output
        assert UP in done.output
        assert "\x1b" not in done.output
        assert max(map(len, done.output.splitlines())) <= 80


def test_json_is_the_document_with_the_rates_of_coupons(monitor: Answers) -> None:
    monitor.body = json.dumps(RECORDED)
    done = _top(monitor.url, "--json", "--interval", "0.5")
    document = json.loads(done.stdout)
    assert document["pipeline"] == RECORDED["pipeline"]
    assert {each["taken_per_second"] for each in document["coupons"]} == {None}


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"taken_at": 1}'])
def test_what_is_not_the_monitors_state_is_named(monitor: Answers, body: str) -> None:
    monitor.body = body
    done = _top(monitor.url, "--once")
    assert done.exit_code == 3
    assert f"{monitor.url}/state.json is not the state of a monitor" in done.output


def test_one_frame_of_a_monitor_that_is_down_is_exit_code_3() -> None:
    done = _top(NOWHERE, "--once")
    assert done.exit_code == 3
    assert "the monitor does not answer at http://127.0.0.1:1 (no connection)" in done.output
    assert "`coupon up` starts it" in done.output


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_follows_the_monitor_down_and_up_and_restores_the_terminal(
    monitor: Answers, how: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "cli", "top", "--interval", "0.5"]
    with on_a_terminal(command, (80, 24), {"COUPON_MONITOR_URL": monitor.url}) as terminal:
        terminal.until_it_shows(UP)
        assert ALTERNATE_SCREEN in terminal.screen
        monitor.status = 500
        terminal.until_it_shows("Trying again.")
        terminal.until_it_shows("unknown since")
        monitor.status, monitor.body = 200, json.dumps({**RECORDED, "processes": []})
        terminal.until_it_shows("All 4 servers and processes are up.")
        assert terminal.end(how) == code
    assert terminal.screen.endswith((MAIN_SCREEN + SHOW_CURSOR, SHOW_CURSOR + MAIN_SCREEN))
    assert "Traceback" not in terminal.screen
