"""The report of a rehearsal: what broke first, what a rate needs, and where each number is from."""

import json
from collections import Counter
from typing import Any

import pytest

from coupons.model import RequestCounts
from operations.rehearsal.limits import first_limit
from operations.rehearsal.load import Answers, Size
from operations.rehearsal.processes import Busy, busy_between, mean_between
from operations.rehearsal.report import as_json, as_markdown, report_of
from operations.rehearsal.run import Measured, await_marks
from operations.rehearsal.sizing import (
    BUSY,
    CLAIMS_A_WORKER,
    EVENTS_A_CONSUMER,
    LEAST,
    LEAST_PARTITIONS,
    Cost,
    cost,
    needed,
)
from operations.rehearsal.watching import Sample, grew
from tests.support.typed import ROOT


def measured(**changes: Any) -> Measured:
    """A thousand claims in ten seconds, which nothing minded; a machine of eight cores."""
    kinds: Counter[str] = changes.pop("kinds", Counter({"202": 1_000}))
    answers = Answers(
        kinds,
        [5.0] * 1_000,
        changes.pop("late_ms", [0.1] * 1_000),
        Counter(dict.fromkeys(range(10), 100)),
        kinds["202"],
        10.0,
    )
    values: dict[str, Any] = {
        "coupon_id": 7,
        "size": Size(100, 10, 1_000, 1_000, 100),
        "answers": answers,
        "delays_ms": [20.0] * 1_000,
        "settling_s": 0.1,
        "counts": RequestCounts(1_000, 1_000, 1_000, 0, 0, 1_000, 0),
        "samples": [Sample(float(at), 3, 1_000, 2**20 * (at + 1)) for at in range(20)],
        "busy": [Busy("api", 0.2, 0.1), Busy("consumer-1", 0.05, 0.05)],
        "generator_cores": 0.1,
        "machine_busy": 0.2,
        "cores": 8,
        "batch_claims": 2.5,
        "batch_events": 3.0,
        "wal_bytes": 450_000,
        "redis_core": 0.01,
        "partitions": 10,
    }
    return Measured(**{**values, **changes})


def growing(name: str, to: int) -> list[Sample]:
    quiet = Sample(0.0, 0, 0, 2**20)
    return [quiet._replace(**{name: to * at // 19}) for at in range(20)]


@pytest.mark.parametrize(
    ("changes", "what", "says"),
    [
        ({"kinds": Counter({"202": 990, "503 overloaded": 10})}, "the API", "10 claims"),
        ({"kinds": Counter({"202": 990, "429 too-many-claims": 9})}, "the limit of claims", "429"),
        ({"kinds": Counter({"202": 990, "no answer": 10})}, "the API", "no answer"),
        ({"kinds": Counter({"401 unauthenticated": 10})}, "the API", "401 unauthenticated"),
        ({"samples": growing("lag", 900)}, "the consumers", "900 records"),
        ({"samples": growing("slot_bytes", 900_000)}, "Debezium", "900,000 bytes"),
        ({"late_ms": [900.0] * 1_000}, "the API", "sent 900 ms late"),
        ({"generator_cores": 0.97}, "the load generator", "97% of a core"),
    ],
)
def test_what_broke_is_named_with_its_reason(changes: dict[str, Any], what: str, says: str) -> None:
    """A queue that grew, claims that were refused or late, or this very command."""
    limit = first_limit(measured(**changes))
    assert (limit.what, limit.broke, limit.at) == (what, True, None)
    assert says in limit.says
    assert limit.do


def test_a_full_machine_is_named_before_who_suffers_from_it() -> None:
    full = measured(machine_busy=0.95, samples=growing("lag", 900))
    limit = first_limit(full)
    assert (limit.what, limit.broke) == ("this machine", True)
    assert "the consumers: their lag grew" in limit.says
    assert not first_limit(measured(machine_busy=0.95)).broke
    assert "91% by other programs" in limit.says
    ours = measured(machine_busy=0.95, busy=[Busy("api", 7.0, 1.0)])
    assert "with this command" in first_limit(ours).says


def test_when_nothing_broke_the_busiest_process_would_be_next() -> None:
    """At a rate that is called extrapolated."""
    limit = first_limit(measured())
    assert (limit.what, limit.broke, limit.at) == ("api", False, 1_000.0)
    assert "extrapolated" in as_markdown(report_of(measured(), 200))
    assert first_limit(measured(busy=[])).what == "not known"


def test_a_queue_that_only_jumps_has_not_grown() -> None:
    assert grew([0, 0, 0, 50, 50, 50, 100, 100, 100], 90)
    assert not grew([0, 0, 0, 100, 100, 100, 50, 50, 50], 10)
    assert not grew([0, 0, 0, 5, 5, 5, 9, 9, 9], 10)
    assert not grew([5], 0)


def test_a_rate_needs_what_it_costs_and_never_less_than_two() -> None:
    """With 70% of a core each; a consumer needs a partition, and ten are the least."""
    assert needed(100, Cost(1e-6, True), Cost(1e-6, True))[1:] == (2, 2, 10)
    assert needed(7_000, Cost(500e-6, True), Cost(100e-6, True))[1:] == (5, 2, 10)
    assert needed(7_000, Cost(1e-6, True), Cost(1_050e-6, True))[1:] == (2, 11, 11)
    assert cost(0.5, 1_000, 1.0) == Cost(0.0005, True)
    assert cost(None, 1_000, 4_000.0) == Cost(0.00025, False)


def test_the_page_on_sizes_has_the_same_figures() -> None:
    """Which the report takes from there, where it cannot measure."""
    page = " ".join((ROOT / "docs" / "how-to" / "size.md").read_text("utf-8").split())
    assert f"{CLAIMS_A_WORKER:,.0f} claims a second for a core of the API" in page
    assert f"{EVENTS_A_CONSUMER:,.0f} events a second for a core of a consumer" in page
    assert f"claim / {BUSY}, and at least {LEAST}" in page
    assert f"one for each consumer, and at least {LEAST_PARTITIONS}" in page


def test_the_report_says_where_each_number_is_from() -> None:
    """And what is a figure of the documentation, because the part runs elsewhere."""
    page = as_markdown(report_of(measured(), 200))
    assert "peak 100" in page
    assert "| highest lag | 3 records | offsets in Kafka, 20 readings |" in page
    assert "450 bytes a request" in page
    assert "| final after the last answer | 1,000 of 1,000 in 0.1 s |" in page
    assert "| workers of the API, in all | 2 | 2,000 us of a core a claim (measured) |" in page
    elsewhere = as_markdown(report_of(measured(busy=[], cores=None, machine_busy=None), 200))
    assert "docs/how-to/size.md, not measured here" in elsewhere
    assert "other parts run elsewhere" in elsewhere
    assert len(page.splitlines()) < 60


def test_the_report_is_one_json_document() -> None:
    document = json.loads(json.dumps(as_json(report_of(measured(), 200))))
    assert document["peak_per_second"] == 100
    assert document["answers"] == {"202": 1_000}
    assert document["needed"]["rate"] == 200
    assert as_json(report_of(measured(samples=[]), 200))["highest_lag"] is None


def test_processor_time_is_of_the_time_between_two_readings() -> None:
    """A process that began in between counts from then on."""
    before = {("api", 1): 10.0, ("api", 2): 5.0, ("kafka", 3): 1.0}
    after = {("api", 1): 11.0, ("api", 2): 5.5, ("kafka", 3): 1.0, ("api", 4): 0.5}
    assert busy_between(before, after, 2.0) == [Busy("api", 1.0, 0.5), Busy("kafka", 0.0, 0.0)]
    assert mean_between({"x_sum": 2.0, "x_count": 1.0}, {"x_sum": 8.0, "x_count": 3.0}, "x") == 3.0
    assert mean_between({}, {}, "x") is None


def test_marks_that_were_not_heard_are_said() -> None:
    said = "marks were not heard"
    assert said not in as_markdown(report_of(measured(), 200))
    assert f"999 of 1,000 in 0.1 s; 1 {said}" in as_markdown(
        report_of(measured(delays_ms=[20.0] * 999), 200)
    )


def test_a_mark_that_never_comes_is_waited_for_only_until_the_ledger_is_final() -> None:
    asked: list[bool] = []

    def are_final() -> bool:
        asked.append(len(asked) > 1)
        return asked[-1]

    assert await_marks([20.0] * 3, 3, are_final, 60.0, 0.1) < 1
    assert asked == []
    assert await_marks([20.0] * 2, 3, are_final, 60.0, 0.1) < 1
    assert asked == [False, False, True]


def test_marks_that_still_come_are_waited_for() -> None:
    """Though the ledger is final long before."""

    class Coming:
        heard = 0

        def __len__(self) -> int:
            self.heard = min(self.heard + 1, 9)
            return self.heard

    coming = Coming()
    assert await_marks(coming, 9, lambda: True, 60.0, 0.15) > 0.2
    assert coming.heard == 9
