"""What `coupon rehearse purge` prints."""

import json
from typing import Any

import click

from cli.kept_records import kept_days, moment_as_json, show_kept
from coupons.gate.purging import Purge, Remains
from coupons.ledger.rehearsals import Rehearsal
from operations.rehearsal.purging import Preview


def show_preview(coupon_id: int, found: Preview, as_json: bool) -> None:
    """What a purge would remove, and how long Kafka keeps its records."""
    if as_json:
        there = _remains_as_json(found.remains)
        click.echo(
            json.dumps({"dry_run": True, **there, "log_keeps_days": kept_days(found.log_keeps)})
        )
        return
    click.echo(f"of rehearsal {coupon_id}:")
    for table, number in sorted(found.remains.rows.items()):
        click.echo(f"  {table}: {number:,}")
    click.echo(f"  keys in Redis: {found.remains.keys:,}")
    show_kept(found.log_keeps)


def show_purge(done: Purge) -> None:
    """The proof as a table."""
    rehearsal = done.rehearsal
    counts = rehearsal.counts or {}
    assert rehearsal.purged_at is not None
    click.echo(f"rehearsal {rehearsal.coupon_id}, purged at {rehearsal.purged_at.isoformat()}")
    click.echo(f"  {'':24} {'removed':>12} {'left':>6}")
    for table in sorted({*counts, *done.after.rows}):
        left = done.after.rows.get(table, 0)
        click.echo(f"  {table:24} {counts.get(table, 0):>12,} {left:>6,}")
    click.echo(f"  {'keys in Redis':24} {done.before.keys:>12,} {done.after.keys:>6,}")
    ends = rehearsal.log_forgets_at
    kept = "for good" if ends is None else f"until {ends.isoformat()} at the latest"
    click.echo(f"Kafka keeps its records {kept}; they issue nothing.")


def _remains_as_json(remains: Remains) -> dict[str, Any]:
    return {"rows": remains.rows, "keys": remains.keys}


def purge_as_json(done: Purge) -> dict[str, Any]:
    """The proof, with what was looked up before and after."""
    proof = rehearsal_as_json(done.rehearsal)
    before, after = _remains_as_json(done.before), _remains_as_json(done.after)
    return {**proof, "before": before, "after": after, "nothing_left": done.after.is_nothing}


def rehearsal_as_json(rehearsal: Rehearsal) -> dict[str, Any]:
    """The mark, and after the purge what was removed."""
    return {
        "coupon_id": str(rehearsal.coupon_id),
        "began_at": rehearsal.begun_at.isoformat(),
        "purged_at": moment_as_json(rehearsal.purged_at),
        "removed": rehearsal.counts,
        "log_forgets_at": moment_as_json(rehearsal.log_forgets_at),
    }
