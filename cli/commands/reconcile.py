"""`coupon reconcile`."""

import json
from collections.abc import Iterator

import click
from rich.console import Console

from cli.options import COUPON_ID, SecondsRange, endpoints_option, json_option
from cli.session import open_session
from coupons.endpoints import Endpoints
from operations.repair.all_coupons import repair_coupons
from operations.repair.repairs import Repair, RepairAction

_LINES = 50
_WORDS = {
    RepairAction.REBUILT: ("would be rebuilt", "rebuilt"),
    RepairAction.REDEFINED: ("would be updated", "updated from the ledger's definition"),
    RepairAction.MARKED: ("would be marked", "marked"),
    RepairAction.ROLLED_FORWARD: ("would be written", "written on the user's behalf"),
    RepairAction.ROW_RESTORED: ("its row would be written again", "its row was written again"),
    RepairAction.FOR_REBUILD: ("needs a rebuild", "repaired by the rebuild"),
    RepairAction.LEFT: (
        "would be left: in flight",
        "left: in flight, or another process repairs it",
    ),
    RepairAction.FAILED: ("cannot be compared", "could not be repaired"),
}


@click.command("reconcile", short_help="Compare Redis with Postgres, and repair Redis.")
@endpoints_option("reconciler")
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
@click.option("--dry-run", is_flag=True, help="Show what differs and change nothing.")
@click.option(
    "--pending-after",
    type=SecondsRange(min=0),
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

    The running reconciler does the same by itself: it compares counts every second, and requests
    when counts differ for long and, by default, once an hour. Safe while it runs: a mark or row
    that is written twice does no harm, and two rebuilds of one coupon exclude each other.

    \b
    Exit code 0: nothing differs, or all that did was repaired
              1: --dry-run found differences, some of them are left, or a coupon could not be
                 compared (its row cannot be read or is locked) and is named
              3: Redis or Postgres does not answer

    \b
      coupon reconcile --dry-run
      coupon reconcile --coupon 7
    """
    with open_session(where) as session:
        repairs = repair_coupons(session, coupon_id, dry_run, pending_after)
        if as_json:
            done = [_as_json(each) for each in repairs]
            click.echo(json.dumps({"dry_run": dry_run, "repairs": done}))
            left = any(each["action"] in (RepairAction.LEFT, RepairAction.FAILED) for each in done)
            found = bool(done)
        else:
            found, left = _show(repairs, dry_run)
    if left or (dry_run and found):
        raise click.exceptions.Exit(1)


def _show(repairs: Iterator[Repair], dry_run: bool) -> tuple[bool, bool]:
    """Print each repair; return whether there were any, and whether some are left."""
    console = Console(highlight=False)
    counts = dict.fromkeys(RepairAction, 0)
    lines = 0
    for repair in repairs:
        counts[repair.action] += 1
        if repair.mismatch is None or lines < _LINES:
            console.print(_line(repair, dry_run), soft_wrap=True)
            lines += repair.mismatch is not None
    if sum(counts.values()) > _LINES:
        console.print("  ... and more; --json lists all")
    if not any(counts.values()):
        console.print("[green]Redis and Postgres agree[/], request by request.")
    else:
        word = 0 if dry_run else 1
        parts = [f"{count:,} {_WORDS[action][word]}" for action, count in counts.items() if count]
        console.print(f"In all: {'; '.join(parts)}.", soft_wrap=True)
    return any(counts.values()), bool(counts[RepairAction.LEFT] + counts[RepairAction.FAILED])


def _line(repair: Repair, dry_run: bool) -> str:
    words = _WORDS[repair.action][0 if dry_run else 1]
    mismatch = repair.mismatch
    if mismatch is None:
        about = f"{repair.why}, {repair.requests:,} requests" if repair.requests else repair.why
        return f"[yellow]coupon {repair.coupon_id}[/]: {words} ({about})"
    return (
        f"coupon {repair.coupon_id}, user {mismatch.user_id}, {mismatch.request_id}:"
        f" {mismatch.sentence} ({mismatch.kind}) -> {words}"
    )


def _as_json(repair: Repair) -> dict[str, object]:
    mismatch = repair.mismatch
    return {
        "coupon_id": repair.coupon_id,
        "action": repair.action,
        "why": repair.why,
        "requests": repair.requests,
        "user_id": mismatch and mismatch.user_id,
        "request_id": mismatch and mismatch.request_id,
        "ledger": mismatch and mismatch.in_ledger and mismatch.in_ledger.status,
        "gate": mismatch and mismatch.at_gate and mismatch.at_gate.status,
    }
