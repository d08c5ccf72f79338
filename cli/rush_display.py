"""What `coupon rush` prints, while the rush runs and afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.advice import command_for, runnable
from coupons.endpoints import Endpoints
from coupons.gate.delays import percentile
from coupons.ids import request_id
from operations.rush.tally import Tally
from stack.endpoints import folder_of

_FIRST = ("admitted", "duplicate")
_TRY_NEXT = """
[bold]Try next[/], on coupon {coupon_id}, which is open and has a total of 10:

  URL={url}
  TOKEN={token}
  curl -si -X POST $URL/coupons/{coupon_id}/issue-requests -H "Authorization: Bearer $TOKEN"
  curl -s "$URL/issue-requests/{request_id}?wait=10" -H "Authorization: Bearer $TOKEN"
  curl -s {connect}/connectors/coupon-cdc/status
  {status}
  {verify}

The stack keeps running. Stop it with `{down}`; its data stays.
"""


def tally_table(tally: Tally) -> Table:
    """The responses and outcomes so far."""
    table = Table(box=None, pad_edge=False)
    table.add_column("response of the API")
    table.add_column("claims", justify="right")
    table.add_column("  status of the admitted")
    table.add_column("users", justify="right")
    names = [*_FIRST, *sorted(set(tally.answers) - set(_FIRST))]
    final = sum(tally.outcomes.values())
    outcomes = {
        "ISSUED": tally.outcomes["ISSUED"],
        "REJECTED": tally.outcomes["REJECTED"],
        "not final yet": max(0, tally.answers["admitted"] - final),
    }
    answers = [(name, str(tally.answers[name])) for name in names]
    became = [(f"  {name}", str(count)) for name, count in outcomes.items()]
    for left, right in zip_longest(answers, became, fillvalue=("", "")):
        table.add_row(*left, *right)
    return table


@contextmanager
def shown_live(console: Console, tally: Tally) -> Iterator[None]:
    """Refresh the table while the block runs, and once at the end."""
    with Live(console=console, get_renderable=lambda: tally_table(tally), refresh_per_second=12):
        yield


def show_delay(console: Console, how_they_came: str, delays_ms: list[float]) -> None:
    """The delay of the pipeline from request to mark."""
    p50, p99 = percentile(delays_ms, 50), percentile(delays_ms, 99)
    if p50 is not None and p99 is not None:
        console.print(
            f"Request to ISSUED, {how_they_came}: p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            soft_wrap=True,
        )


def show_next(console: Console, where: Endpoints, coupon_id: int, user_id: int, token: str) -> None:
    """What to try next, ready to be copied."""
    text = _TRY_NEXT.format(
        coupon_id=coupon_id,
        url=where["COUPON_API_URL"],
        connect=where["COUPON_CONNECT_URL"],
        token=token,
        request_id=request_id(coupon_id, user_id),
        status=runnable(command_for("coupon status", folder_of(where))),
        verify=runnable(command_for("coupon verify", folder_of(where))),
        down=runnable(command_for("coupon down", folder_of(where))),
    )
    console.print(text, soft_wrap=True)
