"""The tables of the ceilings say how much of a claim's budget each component needs."""

from benchmarks.measurements.ceilings import Ceilings, Component
from benchmarks.results.components_tables import CEILINGS_HEAD, ceiling_rows


def test_a_component_is_shown_by_its_share_of_what_a_claim_may_cost() -> None:
    full_load = Component("all", 4_000.0, {"api": 300.0, "rest": 200.0})
    gate = Component("gate", 50_000.0, {"valkey": 5.0, "caller": 20.0})
    rows = ceiling_rows(Ceilings(full_load, 25.0, 500.0, [gate]))
    assert rows == [
        ["all", "4,000", "500.0", "100.0%", "api 300.0, rest 200.0"],
        ["gate", "50,000", "25.0", "5.0%", "caller 20.0, valkey 5.0"],
    ]
    assert all(len(row) == len(CEILINGS_HEAD) for row in rows)
