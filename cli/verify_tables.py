"""What a person sees of the conservation check."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from cli.advice import told_here
from connectors.stream_state import StreamState
from operations.verify.report import MOST_NAMED, ConsistencyReport, Discrepancy


def show_report(console: Console, books: ConsistencyReport) -> None:
    """The books of one coupon, the first faults by name."""
    counts, figures = books.counts, books.figures
    console.print(
        f"Postgres: accepted {counts.accepted:,} = issued {counts.issued:,}"
        f" + rejected {counts.rejected:,} + in flight {counts.in_flight:,};"
        f" {counts.total_quantity:,} places",
        soft_wrap=True,
    )
    if figures is not None:
        unwritten = f" + not written {books.unwritten:,}" if books.unwritten > 0 else ""
        unwritten += f" - forgotten {-books.unwritten:,}" if books.unwritten < 0 else ""
        console.print(
            f"Redis:    admitted {figures.admitted:,} = accepted {counts.accepted:,}"
            f" + compensated {figures.compensated:,}{unwritten};"
            f" marked {figures.issued:,} issued, {figures.rejected:,} rejected",
            soft_wrap=True,
        )
    for told in books.sums:
        console.print(f"[red]does not add up:[/] {told}", soft_wrap=True)
    if books.faults:
        console.print(_faults(books))
    if not books.complaints:
        console.print("[green]Everything adds up[/], request by request.")


def show_stream(console: Console, state: StreamState, letters: int) -> None:
    """What lies between the two: slot, connector, Kafka, dead letters."""
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
    for told in state.losses:
        console.print(f"[red]does not add up:[/] {told_here(told)}", soft_wrap=True)
    for told in state.unknown:
        console.print(f"[yellow]not known:[/] {told_here(told)}", soft_wrap=True)


def show_strays(console: Console, strays: Sequence[Discrepancy]) -> None:
    """Rows that belong to nothing, the first by name; nothing when there are none."""
    for fault in strays[:MOST_NAMED]:
        told = f"coupon {fault.coupon_id}, {fault}"
        console.print(f"[red]does not add up:[/] {told}", soft_wrap=True)
    if len(strays) >= MOST_NAMED:
        console.print("  there may be more; --json names every one")


def _faults(books: ConsistencyReport) -> Table:
    table = Table(box=None, pad_edge=False, expand=False)
    # A request's id is for copying: it is never broken into lines.
    table.add_column("  request", no_wrap=True)
    table.add_column("user", justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True)
    table.add_column("")
    for fault in books.faults[:MOST_NAMED]:
        table.add_row(
            f"  {fault.request_id}", str(fault.user_id), f"[red]{fault.why}[/]", fault.sentence
        )
    count = sum(books.discrepancy_counts.values())
    if count > MOST_NAMED:
        told = ", ".join(
            f"{count:,} {why}" for why, count in books.discrepancy_counts.most_common()
        )
        table.caption = f"{count - MOST_NAMED:,} more; in all {told}; --json names every one"
        table.caption_justify = "left"
    return table
