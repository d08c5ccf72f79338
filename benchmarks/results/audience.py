"""What a list of users costs, as a table."""

from benchmarks.measurements.audience import measure_audience
from benchmarks.results.report import Report

AUDIENCE = "audience"
_HEAD = [
    *("ids", "users", "file, MiB", "upload to effective, s", "API at most, MiB"),
    *("gate, bytes a user", "claim of a listed user, us", "of another user, us"),
]


def report_audience(report: Report, quick: bool) -> None:
    """On a separate stack."""
    without_us, found = measure_audience(100_000 if quick else 1_000_000)
    report.add("## A coupon that is open to a list")
    report.table(
        _HEAD,
        [
            [
                each.ids,
                f"{each.users:,}",
                f"{each.file_mib:.1f}",
                f"{each.seconds:.1f}",
                f"{each.api_mib:.0f}",
                f"{each.gate_bytes:.2f}",
                f"{each.listed_us:.1f}",
                f"{each.refused_us:.1f}",
            ]
            for each in found
        ],
    )
    report.add(
        f"A claim of a coupon without a list takes {without_us:.1f} us: processor times of"
        " Redis, in batches of 100."
    )
