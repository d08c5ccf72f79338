"""What `coupon verify` prints."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from cli.advice import with_commands_for_this_stack
from connectors.stream_state import StreamState
from coupons.codes import CodeKind
from coupons.model import CouponState
from operations.verify.codes import CodeCounts
from operations.verify.lists import LineCounts
from operations.verify.lives import LifeCounts
from operations.verify.report import MOST_NAMED, ConsistencyReport, Discrepancy


def show_report(
    console: Console,
    report: ConsistencyReport,
    life: LifeCounts | None = None,
    codes: CodeCounts | None = None,
    line: LineCounts | None = None,
) -> None:
    """The counts of one coupon, and its first discrepancies.

    life: None: none of its issued coupons was changed. codes, line: None: it has none.
    """
    counts, figures = report.counts, report.figures
    console.print(
        f"Postgres: accepted {counts.accepted:,} = issued {counts.issued:,}"
        f" + rejected {counts.rejected:,} + in flight {counts.in_flight:,};"
        f" total {counts.total_quantity:,}",
        soft_wrap=True,
    )
    if figures is not None:
        unwritten = f" + not written {report.unwritten:,}" if report.unwritten > 0 else ""
        unwritten += f" - forgotten {-report.unwritten:,}" if report.unwritten < 0 else ""
        console.print(
            f"Redis:    admitted {figures.admitted:,} = accepted {counts.accepted:,}"
            f" + compensated {figures.compensated:,}{unwritten};"
            f" marked {figures.issued:,} issued, {figures.rejected:,} rejected",
            soft_wrap=True,
        )
    if report.state is CouponState.ARCHIVED:
        console.print("Redis:    has forgotten it: it is archived")
    if report.retired_at is not None:
        console.print(
            f"Files:    have its rows since {report.retired_at:%Y-%m-%d %H:%M:%S} UTC; the counts"
            " are those of then",
            soft_wrap=True,
        )
    if life is not None:
        console.print(
            f"Life:     issued {life.issued:,} = active {life.active:,} + used {life.used:,}"
            f" + expired {life.expired:,} + revoked {life.revoked:,}",
            soft_wrap=True,
        )
    if codes is not None:
        pool = f"; in the pool {codes.in_pool:,}, free {codes.free:,}"
        is_pool = codes.kind is CodeKind.POOL
        console.print(f"Codes:    {codes.given:,} given{pool if is_pool else ''}", soft_wrap=True)
    if line is not None:
        console.print(
            f"Standby:  {line.waiting:,} waiting, {line.promoted:,} promoted", soft_wrap=True
        )
    for wrong in report.sums:
        console.print(f"[red]does not add up:[/] {wrong}", soft_wrap=True)
    if report.discrepancies:
        console.print(_discrepancies(report))
    if report.complaints and report.claims_came_in:
        console.print(
            "[yellow]Claims came in meanwhile:[/] some of this may be no fault. Repeat it when the"
            " coupon is paused or the sale is over; during the sale, ask `coupon doctor`.",
            soft_wrap=True,
        )
    if not report.complaints:
        console.print("[green]Everything adds up[/], request by request.")


def show_stream(console: Console, state: StreamState, letters: int) -> None:
    """The stream between the two: slot, connector, Kafka, dead letters."""
    slot = state.slot
    unconfirmed = slot.wal_lsn - (slot.confirmed_lsn or slot.wal_lsn)
    behind = "?" if state.records_behind is None else f"{state.records_behind:,}"
    age = (
        "no heartbeat has come through"
        if state.heartbeat_us is None
        else f"newest heartbeat {max(0, state.now_us - state.heartbeat_us) / 1_000_000:.1f} s old"
    )
    console.print(
        f"Stream:   slot {slot.wal_status or 'gone'}, {'read' if slot.active else 'not read'},"
        f" {unconfirmed / 1024:,.0f} KiB not confirmed; consumers {behind} events behind;"
        f" {age}; {letters:,} open dead letters",
        soft_wrap=True,
    )
    for line in state.losses:
        console.print(
            f"[red]does not add up:[/] {with_commands_for_this_stack(line)}", soft_wrap=True
        )
    for line in state.unknown:
        console.print(f"[yellow]not known:[/] {with_commands_for_this_stack(line)}", soft_wrap=True)


def show_unmatched(
    console: Console, unmatched: Sequence[Discrepancy], wrong_counts: Sequence[str]
) -> None:
    """Rows that belong to nothing or do not fit, the first by name; counts that are wrong."""
    for complaint in wrong_counts:
        console.print(f"[red]does not add up:[/] {complaint}", soft_wrap=True)
    for found in unmatched[:MOST_NAMED]:
        line = f"coupon {found.coupon_id}, {found}"
        console.print(f"[red]does not add up:[/] {line}", soft_wrap=True)
    if len(unmatched) >= MOST_NAMED:
        console.print("  there may be more; --json lists all")


def _discrepancies(report: ConsistencyReport) -> Table:
    table = Table(box=None, pad_edge=False, expand=False)
    # A request's id is for copying: it is never broken into lines.
    table.add_column("  request", no_wrap=True)
    table.add_column("user", justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True)
    table.add_column("")
    for found in report.discrepancies[:MOST_NAMED]:
        table.add_row(
            f"  {found.request_id}", str(found.user_id), f"[red]{found.why}[/]", found.sentence
        )
    count = sum(report.discrepancy_counts.values())
    if count > MOST_NAMED:
        counts = ", ".join(
            f"{count:,} {why}" for why, count in report.discrepancy_counts.most_common()
        )
        table.caption = f"{count - MOST_NAMED:,} more; in all {counts}; --json lists all"
        table.caption_justify = "left"
    return table
