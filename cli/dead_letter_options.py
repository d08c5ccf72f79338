"""Options of the `coupon dead-letters` commands."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import click

from cli.operators import login_name
from cli.options import COUPON_ID
from coupons.moments import parse_rfc3339
from operations.dead_letters.selection import Selection
from operations.dead_letters.status import MAX_REPLAYS, UNRESOLVED, State

Decorated = Callable[..., Any]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ALL = "all"


def _moment(_ctx: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    """RFC 3339, or an age: 30m, 2h, 7d."""
    if value is None:
        return None
    if found := re.fullmatch(r"([0-9]{1,6})([smhd])", value):
        return datetime.now(UTC) - timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    try:
        return parse_rfc3339(value)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "give a time such as 2026-11-22T18:00:00Z, or an age such as 2h", param=option
        ) from None


def _per_second(_ctx: click.Context, option: click.Parameter, value: str) -> float:
    """50/s, 100/m; a number alone is a second's."""
    found = re.fullmatch(r"([0-9]{1,6})(?:/([smh]))?", value)
    if not found or not int(found[1]):
        raise click.BadParameter("give a number and a unit, such as 50/s or 100/m", param=option)
    return int(found[1]) / _SECONDS[found[2] or "s"]


rate_option = click.option(
    "--rate",
    metavar="N/s",
    callback=_per_second,
    default="100/s",
    show_default=True,
    help="Most records a second.",
)


by_option = click.option(
    "--by",
    "acted_by",
    metavar="NAME",
    envvar="COUPON_OPERATOR",
    default=login_name,
    help="Your name for the audit trail [default: the user who is logged in].",
)
all_option = click.option(
    "--all", "everything", is_flag=True, help="All that the command may act on."
)
dry_option = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
positions_argument = click.argument("positions", nargs=-1, metavar="[LETTER]...")
replays_option = click.option(
    "--max-replays",
    type=click.IntRange(0),
    default=MAX_REPLAYS,
    show_default=True,
    help="Replays after which a dead letter that failed again is parked.",
)

_SELECTION = (
    click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only those of this coupon."),
    click.option("--error-class", metavar="NAME", help="Only this error, such as CheckViolation."),
    click.option(
        "--since",
        metavar="TIME",
        callback=_moment,
        help="Dead-lettered since then: a time, or an age such as 2h.",
    ),
    click.option("--until", metavar="TIME", callback=_moment, help="Dead-lettered before then."),
    click.option(
        "--in-state",
        "states",
        type=click.Choice([*map(str, State), _ALL]),
        multiple=True,
        help="Only those in this state; may be given several times.",
    ),
    click.option("--limit", type=click.IntRange(1), help="At most so many, the oldest first."),
)


def selection_options(command: Decorated) -> Decorated:
    """Add the filter options to a command, by the names that `selection_of` takes."""
    return reduce(lambda decorated, option: option(decorated), reversed(_SELECTION), command)


def selection_of(filters: Mapping[str, Any], states: Collection[State] = UNRESOLVED) -> Selection:
    """The selection of the options. states: the default when the options name none."""
    asked = filters["states"]
    wanted = tuple(State(each) for each in asked if each != _ALL)
    chosen = () if _ALL in asked else wanted or tuple(states)
    # Who names states also wants the dead letters whose replay failed again.
    return Selection(**{**filters, "states": chosen}, came_back=bool(asked))


def require_choice(positions: Collection[str], everything: bool, selection: Selection) -> Selection:
    """The selection. Raises UsageError when neither dead letters, a filter nor --all is given."""
    by_filters = selection._replace(states=(), limit=None, came_back=True) != Selection()
    if not positions and not everything and not by_filters:
        raise click.UsageError(
            "name dead letters (such as 0:17), select some (--coupon, --error-class, --since), or"
            " use --all"
        )
    return selection
