"""`coupon retire`."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from cli.dead_letter_options import by_option, dry_option
from cli.open_exports import print_open
from cli.options import COUPON_ID, confirm, endpoints_option, json_option
from cli.session import open_session
from coupons.endpoints import Endpoints
from coupons.ledger.retired import Retirable
from operations.retiring.open_exports import ErasedExports, erase_exports

if TYPE_CHECKING:
    from operations.retiring.retire import Result

_NOTHING = "There is no coupon to retire."
_NEEDS_PYARROW = (
    "Parquet files need the package pyarrow: pip install 'coupon-cdc[retention]' (in a checkout:"
    " make setup)"
)


def _days(_ctx: click.Context, option: click.Parameter, value: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,5})d", value)
    if not found or not int(found[1]):
        raise click.BadParameter("give a number of days, at least 1d, such as 365d", param=option)
    return timedelta(days=int(found[1]))


@click.command("retire", short_help="Move the rows of archived coupons into Parquet files.")
@endpoints_option("ops")
@click.option(
    "--older-than",
    "older",
    metavar="DAYS",
    default="365d",
    show_default=True,
    callback=_days,
    help="Only coupons that were archived so long ago.",
)
@click.option(
    "--to",
    "into",
    metavar="FOLDER",
    default="exports",
    show_default=True,
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where the folder of each coupon is made.",
)
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only this one.")
@click.option(
    "--also-active", is_flag=True, help="Also coupons that users can still use: they lose them."
)
@dry_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@json_option
def command(
    where: Endpoints,
    older: timedelta,
    into: Path,
    coupon_id: int | None,
    also_active: bool,
    dry_run: bool,
    yes: bool,
    acted_by: str,
    as_json: bool,
) -> None:
    """Write the requests, issued coupons, changes and codes of archived coupons into Parquet files,
    then drop them from Postgres. It cannot be undone.

    Rows are dropped only after their files are on the disk, were read back, and hold what Postgres
    holds, row by row. The counts stay, so that everything still adds up. A retirement that was cut
    off is finished by typing the same again.

    \b
    Exit code 0: done, or there was nothing to do
              1: a coupon was passed over, or a disk is full: nothing of that coupon was dropped
              2: wrong use, or the folder cannot be written
              3: Postgres or Redis does not answer; repeat it

    \b
      coupon retire --older-than 365d --to /exports --dry-run
      coupon retire --older-than 365d --to /exports
      coupon retire --coupon 7 --to /exports --json --yes
    """
    try:
        from operations.retiring import retire
    except ImportError as error:
        raise click.UsageError(_NEEDS_PYARROW) from error

    with open_session(where) as session:
        try:
            chosen = retire.choose(session.connection, older, coupon_id)
        except retire.CannotRetire as error:
            raise click.ClickException(str(error)) from error
        if dry_run:
            _foresee(chosen, as_json)
            return
        if chosen and not yes:
            rows = sum(each.accepted for each in chosen)
            confirm(
                f"Retire {len(chosen):,} coupons with {rows:,} requests for good?",
                "nothing was retired",
            )
        with Console(stderr=True, quiet=as_json).status("") as status:
            progress = Progress(status.update)
            done = list(
                retire.retire_coupons(
                    session.connection, chosen, older, into, also_active, acted_by, progress.of
                )
            )
        exports = erase_exports(session.connection, acted_by)
    _report(done, exports, as_json)


class Progress:
    """Shows how far a coupon is. show: puts a line on the terminal instead of the last."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    def of(self, coupon_id: int) -> Callable[[str, int], None]:
        """What is called with a step, and rows that it has done."""
        rows: Counter[str] = Counter()

        def tell(step: str, more: int) -> None:
            rows[step] += more
            steps = ", ".join(f"{number:,} {name}" for name, number in rows.items())
            self._show(f"coupon {coupon_id}: rows {steps}")

        return tell


def _foresee(chosen: Sequence[Retirable], as_json: bool) -> None:
    if as_json:
        coupons = [
            {**each._asdict(), "archived_at": each.archived_at.isoformat()} for each in chosen
        ]
        click.echo(json.dumps({"dry_run": True, "coupons": coupons}))
        return
    for each in chosen:
        begun = "; was begun" if each.is_begun else ""
        click.echo(
            f"coupon {each.coupon_id}, {each.name}: archived at {each.archived_at:%Y-%m-%d},"
            f" {each.accepted:,} requests{begun}"
        )
    if not chosen:
        click.echo(_NOTHING)


def _report(done: "Sequence[Result]", exports: ErasedExports, as_json: bool) -> None:
    retired = [each for each in done if each.folder is not None]
    passed = [each for each in done if each.folder is None]
    if as_json:
        document: dict[str, Any] = {
            "retired": [
                {
                    "coupon_id": each.coupon_id,
                    "folder": str(each.folder),
                    "counts": each.counts and each.counts._asdict(),
                }
                for each in retired
            ],
            "passed_over": [{"coupon_id": each.coupon_id, "why": each.why} for each in passed],
            "open_exports": [each._asdict() for each in exports.left],
        }
        click.echo(json.dumps(document))
    else:
        for each in retired:
            rows = each.counts.accepted if each.counts else 0
            click.echo(f"coupon {each.coupon_id}: {rows:,} requests are in {each.folder}")
        for each in passed:
            click.echo(each.why, err=True)
        if not done:
            click.echo(_NOTHING)
        print_open(exports.left)
    if passed:
        raise click.exceptions.Exit(1)
