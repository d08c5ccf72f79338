"""What the benchmarks print says what they measured."""

from collections import Counter
from xml.etree import ElementTree as Xml

import pytest

from benchmarks.load.generator import Result
from benchmarks.load.k6 import Figures, read_summary
from benchmarks.measurements.costs import Turn
from benchmarks.measurements.designs.closed_loop import ClosedRound
from benchmarks.measurements.designs.comparison import COMPARED_AT, Compared
from benchmarks.measurements.designs.kills import Killed
from benchmarks.measurements.designs.open_loop import OpenRound
from benchmarks.measurements.designs.report_load import ReportRound, figures_of
from benchmarks.measurements.overload import Overload
from benchmarks.results import designs_charts as plots
from benchmarks.results import designs_tables as rows
from benchmarks.results.pipeline_tables import cost_rows, overload_rows
from benchmarks.results.svg import Axis, line_chart, stacked_bars
from benchmarks.strategies.running import DESIGNS, ONE_INSERT
from coupons.gate.delays import percentile

SVG = "{http://www.w3.org/2000/svg}"

# What k6 v1.8.1 hands to handleSummary, without the metrics that nobody reads.
SUMMARY = {
    "metrics": {
        "http_reqs": {"type": "counter", "values": {"count": 960, "rate": 95.5}},
        "http_req_duration": {
            "type": "trend",
            "values": {
                "avg": 3.9, "p(50)": 3.0, "p(90)": 6.0, "p(95)": 8.0, "p(99)": 15.0, "max": 31.0
            },
        },
        "accepted": {"type": "counter", "values": {"count": 950, "rate": 94.5}},
        "repeated": {"type": "counter", "values": {"count": 10, "rate": 1.0}},
    }
}  # fmt: skip


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, at) for at in (0, 50, 99, 100)] == [1.0, 51.0, 100.0, 100.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 99) is None


def test_a_summary_of_k6_is_read_as_it_is() -> None:
    assert read_summary(SUMMARY, cpu_s=1.5) == Figures(
        95.5, 3.9, 3.0, 6.0, 8.0, 15.0, 31.0, accepted=950, repeated=10, failed=0, cpu_s=1.5
    )


def test_a_summary_of_another_form_is_refused() -> None:
    with pytest.raises(KeyError):
        read_summary({"metrics": {"http_reqs": {"values": {"rate": 1.0}}}}, cpu_s=0.0)


def test_broken_connections_and_refusals_count_as_failures() -> None:
    statuses = Counter({"202": 90, "200": 5, "503": 3, "error": 2})
    figures = figures_of(Result(2.0, statuses=statuses, latencies_ms=[1.0, 3.0]))
    assert (figures.requests_per_s, figures.failed) == (50.0, 5)
    assert (figures.average_ms, figures.max_ms) == (2.0, 3.0)


def test_a_median_comes_with_its_spread() -> None:
    assert rows.spread([3.0, 1.0, 2000.0]) == "3 (1 to 2,000)"
    assert rows.spread([2.25], 1) == "2.2"


def test_the_table_of_the_report_has_its_best_column_and_our_ratios_to_it() -> None:
    figures = Figures(936.0, 7.352, 3.0, 14.8, 20.273, 30.0, 62.052, 950, 10, 0, 1.5)
    found = {"cdc": [ReportRound(figures, 950, {})]}
    head, ours = rows.report_rows(found)
    assert head[1:] == [312.0, 73.52, 148.0, 202.73, "-", 620.52, "5-6%", "-", "-"]
    assert ours == ["cdc", "936", "7.4", "14.8", "20.3", "30.0", "62.1", "0", "950", "950"]
    assert rows.report_ratio_rows(found) == [["cdc", "3.0", "10.0", "10.0", "10.0", "10.0"]]


def test_ratios_are_ours_by_theirs_within_each_round() -> None:
    found = Compared()
    rates = {"redis_queue": 4000, "redis_kafka": 4000, "outbox": 1000, "cdc": 2000, ONE_INSERT: 500}
    for name, rate in rates.items():
        found.closed[name, COMPARED_AT] = [_closed(rate), _closed(rate * 2)]
    by_name = {row[0]: row[2] for row in rows.compared_rows(found)}
    assert by_name[ONE_INSERT] == "**4.00 (4.00 to 4.00)**"
    assert by_name["outbox"] == "**2.00 (2.00 to 2.00)**"
    assert by_name["redis_kafka"] == "**0.50 (0.50 to 0.50)**"


def test_a_saturated_rate_is_named_and_a_spared_one_left_out() -> None:
    found = Compared()
    for name in DESIGNS:
        found.opened[name, 1000] = [_opened(1000, saturated=name == "outbox")]
    found.opened["cdc", 2000] = [_opened(2000, saturated=False)]
    low, high = rows.open_rows(found)
    assert low[3] == "20.0 / 40.0, saturated: 900/s answered"
    assert high == ["2,000", "-", "-", "-", "20.0 / 40.0"]


def test_a_lost_claim_stands_out() -> None:
    row = rows.kill_rows([Killed("redis_kafka", "API", 5000, 12, 4998, 2, 0, 1, 3.25)])[0]
    expected = ["redis_kafka", "API", "5,000", "12", "4,998", "**2**", "0", "1", "3.2"]
    assert row == expected


def test_processor_time_is_for_a_thousand_issued_coupons() -> None:
    rounds = [_closed(1000, cpu_s={"API": 1.0, "kafka": 0.5}), _closed(1000, cpu_s={"API": 3.0})]
    assert rows.cpu_of(rounds) == {"API": 2.0, "kafka": 0.25}
    table = rows.part_rows({"cdc": {"API": 2.0}, "outbox": {"API": 1.0, "publisher": 0.5}}, 1)
    assert table == [
        ["API", "2.0", "1.0"],
        ["publisher", "-", "0.5"],
        ["total", "**2.0**", "**1.5**"],
    ]


def test_a_line_chart_has_each_point_where_its_axes_say() -> None:
    chart = Xml.fromstring(line_chart("<a & b>", "x", "y", {"cdc": [(0, 1), (1000, 100)]}))
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in _all(chart, "circle")]
    x, y = Axis([0, 1000], 80, 570, log=False), Axis([1, 100], 384, 44, log=True)
    assert dots == [(80.0, 384.0), (570.0, 44.0)] == [(x.at(0), y.at(1)), (x.at(1000), y.at(100))]
    assert "<a & b>" in [text.text for text in _all(chart, "text")]


@pytest.mark.parametrize("value", [1e-6, 0.5, 1.0, 99.0, 100.0, 12_345.6])
def test_an_axis_reaches_over_its_values_with_few_ticks(value: float) -> None:
    for log in (False, True):
        axis = Axis([value / 3, value], 0, 100, log)
        assert axis.low <= value <= axis.high * (1 + 1e-9)
        assert 2 <= len(axis.ticks()) <= 12
        assert 0 <= axis.at(value) <= 100


def test_stacked_bars_are_as_high_as_their_parts() -> None:
    bars = {"a": {"API": 3.0, "kafka": 1.0}, "b": {"API": 2.0}}
    blocks = [
        float(block.get("height", ""))
        for block in _all(Xml.fromstring(stacked_bars("t", "s", bars)), "rect")
        if block.find(f"{SVG}title") is not None
    ]
    assert blocks == [255.0, 85.0, 170.0, 0.0]


def test_charts_can_be_drawn_of_whatever_was_measured() -> None:
    found = Compared()
    for name in DESIGNS:
        found.closed[name, 10] = [_closed(1000)]
        found.opened[name, 500] = [_opened(500, saturated=True)]
    assert len(_all(Xml.fromstring(plots.throughput_chart(found)), "circle")) == len(DESIGNS)
    assert not _all(Xml.fromstring(plots.delay_chart(found)), "circle")


def _all(chart: Xml.Element, tag: str) -> list[Xml.Element]:
    return list(chart.iter(f"{SVG}{tag}"))


def _closed(rate: float, cpu_s: dict[str, float] | None = None) -> ClosedRound:
    return ClosedRound(rate, 1.0, 2.0, 3.0, 1000, 1000, 0, 0.1, cpu_s or {}, {})


def _opened(rate: float, saturated: bool) -> OpenRound:
    return OpenRound(rate, rate * 0.9, 20.0, 40.0, 2.0, 9.0, 900, 900, saturated)


def test_costs_are_medians_beside_those_of_the_first_variant() -> None:
    old = [Turn(rate, {"api": 200.0, "kafka": 40.0}) for rate in (900.0, 1_000.0, 1_300.0)]
    new = [Turn(rate, {"api": us, "kafka": 20.0}) for rate, us in ((1_600.0, 90.0), (1_400, 110.0))]
    first, second = cost_rows({"old": old, "new": new})
    assert first[:6] == ["old", "1,000", "900 to 1,300", "**1.00**", "240", "**1.00**"]
    assert second[:6] == ["new", "1,500", "1,400 to 1,600", "**1.50**", "120", "**0.50**"]
    assert second[6] == "api 100.0, kafka 20.0"


def test_a_flood_that_accepts_no_timed_client_has_no_times() -> None:
    flood = Overload(8_000, 4_000.0, 3_600.0, 9_000.0, 2, None, None, (200.0, 410.4), 2)
    assert overload_rows([flood]) == [
        ["8,000", "4,000", "3,600", "**0.90**", "9,000", 2, "-", "-", "200", "410", 2]
    ]
