"""Measures what it costs to retire a coupon, and adds the table to a report."""

from benchmarks.measurements.retiring import Retiring, measure_retiring
from benchmarks.results.report import Report

RETENTION = "retention"


def report_retention(report: Report, quick: bool) -> None:
    """On a separate stack."""
    report.add("## A retired coupon: rows into files, and out of Postgres")
    head = ["", "figure"]
    report.table(head, retiring_rows(measure_retiring(100_000 if quick else 1_000_000)))


def retiring_rows(found: Retiring) -> list[list[object]]:
    """One row for each figure."""
    claims = (
        ("before", found.quiet),
        ("while it is exported", found.exporting),
        ("while it is dropped", found.dropping),
    )
    rows: list[list[object]] = [
        ["requests, all issued, half of them used", f"{found.requests:,}"],
        ["written, read back and compared, s", f"{found.export_s:.1f}"],
        ["dropped, s", f"{found.drop_s:.1f}"],
        ["files, MiB", f"{found.files_mib:.1f}"],
        ["database before, MiB", f"{found.before_mib:.0f}"],
        ["after the drop and VACUUM", f"{found.after_mib:.0f}"],
        ["after VACUUM FULL", f"{found.rewritten_mib:.0f}"],
        ["share of one processor, command and its session", f"{found.busy:.0%}"],
    ]
    for when, each in claims:
        what = f"writing a claim of another coupon {when}, ms: p50, p99, most"
        times = f"{each.p50_ms:.1f}, {each.p99_ms:.1f}, {each.most_ms:.0f}"
        rows.append([what, f"{times} of {each.claims:,}"])
    return rows
