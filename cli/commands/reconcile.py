"""`coupon reconcile`."""

import json
from collections.abc import Iterator

import click
from rich.console import Console

from cli.options import COUPON_ID, endpoints_option, json_option
from cli.session import Session, open_session
from coupons.endpoints import Endpoints
from coupons.failure_scope import is_of_one_coupon
from operations.repair.actions import Repair, RepairAction
from operations.repair.compare_and_repair import compare_and_repair

_LINES = 50
_WORDS = {
    RepairAction.REBUILT: ("would be rebuilt", "rebuilt"),
    RepairAction.REDEFINED: ("would be defined anew", "defined anew"),
    RepairAction.MARKED: ("would be marked", "marked"),
    RepairAction.ROLLED_FORWARD: ("would be written", "written on the user's behalf"),
    RepairAction.ROW_RESTORED: ("its row would be written again", "its row was written again"),
    RepairAction.FOR_REBUILD: ("needs a rebuild", "mended by the rebuild"),
    RepairAction.LEFT: ("would be left: on its way", "left: on its way, or somebody else is at it"),
    RepairAction.FAILED: ("cannot be compared", "could not be repaired"),
}


@click.command("reconcile", short_help="Compare Redis with Postgres, and repair Redis.")
@endpoints_option("reconciler")
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
@click.option("--dry-run", is_flag=True, help="Tell what differs and change nothing.")
@click.option(
    "--pending-after",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Age from which a claim without a row is written on its user's behalf.",
)
@json_option
def command(
    where: Endpoints,
    coupon_id: int | None,
    dry_run: bool,
    pending_after: float,
    as_json: bool,
) -> None:
    """Compare every request of every coupon in both directions, once, and repair the gate.

    The running reconciler does the same by itself: every second what can be seen from counts, and
    this when counts drift and now and then. Safe beside it: marks and rows may be written twice
    without harm, and two rebuilds of one coupon exclude each other.

    \b
    Exit code 0: nothing differs, or all that did was repaired
              1: --dry-run found differences, some of them are left, or a coupon could not be
                 compared (a row that cannot be read, a lock that somebody holds): it is named
              3: Redis or Postgres does not answer

    \b
      coupon reconcile --dry-run
      coupon reconcile --coupon 7
    """
    with open_session(where) as here:
        repairs = _repairs(here, coupon_id, dry_run, pending_after)
        if as_json:
            done = [_as_json(each) for each in repairs]
            click.echo(json.dumps({"dry_run": dry_run, "repairs": done}))
            left = any(each["did"] in (RepairAction.LEFT, RepairAction.FAILED) for each in done)
            found = bool(done)
        else:
            found, left = _show(repairs, dry_run)
    if left or (dry_run and found):
        raise click.exceptions.Exit(1)


def _repairs(
    here: Session, coupon_id: int | None, dry_run: bool, pending_after: float
) -> Iterator[Repair]:
    coupons, unreadable = here.coupons(coupon_id)
    for failed in unreadable:
        yield Repair(RepairAction.FAILED, failed.why, failed.coupon_id, 0)
    for coupon in coupons:
        try:
            yield from compare_and_repair(
                here.gate, here.connection, coupon, pending_after, dry_run=dry_run
            )
        except Exception as error:
            if not is_of_one_coupon(error, here.connection):
                raise
            yield Repair(RepairAction.FAILED, str(error), coupon.coupon_id, 0)


def _show(repairs: Iterator[Repair], dry_run: bool) -> tuple[bool, bool]:
    """Print them as they come; returns whether there were any, and whether some are left."""
    console = Console(highlight=False)
    counts = dict.fromkeys(RepairAction, 0)
    lines = 0
    for repair in repairs:
        counts[repair.deed] += 1
        if repair.difference is None or lines < _LINES:
            console.print(_line(repair, dry_run), soft_wrap=True)
            lines += repair.difference is not None
    if sum(counts.values()) > _LINES:
        console.print("  ... and more; --json tells all of them")
    if not any(counts.values()):
        console.print("[green]Redis and Postgres agree[/], request by request.")
    else:
        word = 0 if dry_run else 1
        told = [f"{count:,} {_WORDS[deed][word]}" for deed, count in counts.items() if count]
        console.print(f"In all: {'; '.join(told)}.", soft_wrap=True)
    return any(counts.values()), bool(counts[RepairAction.LEFT] + counts[RepairAction.FAILED])


def _line(repair: Repair, dry_run: bool) -> str:
    words = _WORDS[repair.deed][0 if dry_run else 1]
    difference = repair.difference
    if difference is None:
        about = f"{repair.why}, {repair.requests:,} requests" if repair.requests else repair.why
        return f"[yellow]coupon {repair.coupon_id}[/]: {words} ({about})"
    return (
        f"coupon {repair.coupon_id}, user {difference.user_id}, {difference.request_id}:"
        f" {difference.sentence} ({difference.kind}) -> {words}"
    )


def _as_json(repair: Repair) -> dict[str, object]:
    difference = repair.difference
    return {
        "coupon_id": repair.coupon_id,
        "did": repair.deed,
        "why": repair.why,
        "requests": repair.requests,
        "user_id": difference and difference.user_id,
        "request_id": difference and difference.request_id,
        "ledger": difference and difference.in_ledger and difference.in_ledger.status,
        "gate": difference and difference.at_gate and difference.at_gate.status,
    }
