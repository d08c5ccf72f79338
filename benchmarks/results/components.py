"""Measures ceilings and growth, and adds their tables to a report."""

from collections.abc import Collection

from benchmarks.measurements.ceilings import measure_ceilings
from benchmarks.measurements.growth import Extent, Growth, measure_growth
from benchmarks.results.components_tables import (
    CEILINGS_HEAD,
    PLAN_HEAD,
    POINT_HEAD,
    SCALED_HEAD,
    ceiling_rows,
    plan_rows,
    point_rows,
    scaled_rows,
)
from benchmarks.results.report import Report
from stack.disposable import disposable_stack

CEILINGS, GROWTH = "ceilings", "growth"

_FULL = Extent(
    rounds=2,
    seconds=3.0,
    coupons=(1, 100, 1_000),
    users=(10_000, 100_000, 1_000_000),
    largest_table=None,
    scaling=((1, 1), (2, 2), (4, 4), (10, 1), (10, 4)),
    events=50_000,
)
_QUICK = Extent(
    rounds=1,
    seconds=1.0,
    coupons=(1, 100),
    users=(10_000,),
    largest_table=None,
    scaling=(),
    events=10_000,
)
LARGEST_TABLE = 10_000_000


def report_components(report: Report, wanted: Collection[str], quick: bool, long: bool) -> None:
    """The wanted ones of CEILINGS and GROWTH, on a separate stack.

    long: also with ten million requests in the table, which takes minutes to write.
    """
    with disposable_stack() as stack:
        if CEILINGS in wanted:
            ceilings = measure_ceilings(stack, 2.0 if quick else 5.0, 10_000 if quick else 150_000)
            report.add("## Ceilings: each component alone, and the complete system")
            report.table(CEILINGS_HEAD, ceiling_rows(ceilings))
            report.add(
                f"A batch at full load has {ceilings.batch_at_full_load:.1f} claims; the budget of"
                f" a claim is {ceilings.budget_us:.0f} µs: all cores by the rate at full load."
            )
        if GROWTH in wanted:
            extent = _QUICK if quick else _FULL
            if long:
                extent = Extent(**{**vars(extent), "largest_table": LARGEST_TABLE})
            _growth(report, measure_growth(stack, extent))


def _growth(report: Report, growth: Growth) -> None:
    report.add("## Cost as work grows")
    for name, points in (
        ("coupons", growth.coupons),
        ("users of the coupon", growth.users),
        ("requests in the table", growth.requests),
    ):
        report.table((name, *POINT_HEAD), point_rows(points))
    report.table(PLAN_HEAD, plan_rows(growth.plans))
    if growth.scaling:
        report.table(SCALED_HEAD, scaled_rows(growth.scaling))
