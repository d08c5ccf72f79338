"""`coupon top`."""

import json
import signal
import sys
import time
from datetime import UTC, datetime
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.live import Live

from cli.advice import command_for, with_commands_for
from cli.options import SecondsRange, endpoints_option, json_option
from cli.top_frame import Frame
from coupons.endpoints import Endpoints
from coupons.errors import MonitorUnavailable, PartNotRunningError
from operations.top.reading import Document, all_unknown, read_state
from operations.top.stock_rates import StockRates
from stack.endpoints import folder_of

_TERMINATED = 128 + signal.SIGTERM
_REDRAWS_PER_SECOND = 2


@click.command("top", short_help="Show a rush live: rates, lag, delays, states.")
@endpoints_option("ops")
@click.option(
    "--interval",
    "interval_s",
    type=SecondsRange(0.5, 60),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="From one reading to the next.",
)
@click.option("--once", is_flag=True, help="Print one frame and end.")
@json_option
def command(where: Endpoints, interval_s: float, once: bool, as_json: bool) -> None:
    """Show what the monitor says, and read it again until Ctrl-C.

    Rates of the stream, lag and the time to catch up, delays, the gate, connector and slot, dead
    letters, every server and process, and the live coupons: what is left, what is taken a second
    and when that sells out. A figure that is not known says since when. While the monitor does not
    answer, all of them are unknown, and the command goes on trying.

    With --once, --json, or where the output is no terminal, it prints one frame. If a coupon is
    live, it then reads twice, one interval apart, so that the rates are known. --json prints the
    monitor's document, with `taken_per_second` for each coupon.

    \b
    Exit code 0: one frame was printed, or the command was ended with Ctrl-C
              3: one frame was asked for, and the monitor does not answer

    \b
      coupon top
      coupon top --once
      coupon top --json | jq .pipeline.lag
    """
    console = Console(highlight=False)
    rates = StockRates()
    if once or as_json or not console.is_terminal or console.is_dumb_terminal:
        state, taken = _read_once(where, rates, interval_s)
        if as_json:
            click.echo(json.dumps(_with_rates(state, taken)))
            return
        frame = Frame(state, taken, interval_s, _doctor(where))
        for line in frame.lines(console.width):
            click.echo(line.plain.rstrip())
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        _watch(console, where, rates, interval_s)
    except KeyboardInterrupt:
        return


def _read_once(
    where: Endpoints, rates: StockRates, interval_s: float
) -> tuple[Document, dict[str, float]]:
    state = read_state(where)
    taken = rates.note(state)
    if state["coupons"]:
        time.sleep(interval_s)
        state = read_state(where)
        taken = rates.note(state)
    return state, taken


def _watch(console: Console, where: Endpoints, rates: StockRates, interval_s: float) -> None:
    """Until it is interrupted. The terminal is as before when this returns or raises."""
    last: Document | None = None
    answered_at = datetime.now(UTC)
    folder, doctor = folder_of(where), _doctor(where)
    unknown = all_unknown(None, answered_at)
    shown = Frame(unknown, {}, interval_s, doctor, "not read yet")
    with Live(
        console=console,
        screen=True,
        get_renderable=lambda: shown,
        refresh_per_second=_REDRAWS_PER_SECOND,
    ) as live:
        while True:
            try:
                last = read_state(where)
                answered_at = datetime.now(UTC)
                shown = Frame(last, rates.note(last), interval_s, doctor)
            except (MonitorUnavailable, PartNotRunningError) as error:
                says = with_commands_for(str(error), folder)
                unknown = all_unknown(last, answered_at)
                shown = Frame(unknown, rates.note(unknown), interval_s, doctor, says)
            live.refresh()
            time.sleep(interval_s)


def _doctor(where: Endpoints) -> str:
    return command_for("coupon doctor", folder_of(where))


def _with_rates(state: Document, taken: dict[str, float]) -> Document:
    coupons = [
        {**each, "taken_per_second": taken.get(each["coupon_id"])} for each in state["coupons"]
    ]
    return {**state, "coupons": coupons}


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Not the default, which leaves the terminal as it is."""
    sys.exit(_TERMINATED)
