"""A Prometheus that scrapes the stack under load has an answer to what the dashboards ask."""

import shutil
from itertools import count, islice
from pathlib import Path

import pytest

from chaos.drill.prometheus import PROGRAM, prometheus
from coupons.waiting import eventually
from docs.make.alerts import alerts
from stack.disposable import DisposableStack
from tests.monitoring.dashboards import DASHBOARDS, expressions, filled_in
from tests.monitoring.declared import names_in
from tests.pipeline.people import People

DATA_WITHIN_SECONDS = 90
ONLY_AFTER_A_FAULT = {"coupon_consumer_retries_total", "coupon_reconciler_repairs_total"}
"""Counters by error or kind: nothing is shown before the first."""
NOT_ON_THE_STACK = {
    "coupon_api_limited_claims_total",
    "coupon_events_slot_kept_bytes",
    "coupon_gate_memory_limit_bytes",
    "coupon_pipeline_catch_up_seconds",
    "coupon_stream_slot_limit_bytes",
}
"""It sets no limit to claims and memory, its consumer is seldom behind, and the events are off."""


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="no prometheus: apt install prometheus")
def test_every_expression_of_the_dashboards_and_every_alert_is_answered(
    stack: DisposableStack, tmp_path: Path
) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=100_000)
    users = count(1)
    asked = {filled_in(each, coupon_id) for name in DASHBOARDS for each in expressions(name)}
    absent = ONLY_AFTER_A_FAULT | NOT_ON_THE_STACK
    unanswered = {each for each in asked if not names_in(each) & absent}
    assert len(unanswered) > 20

    def all_answered() -> bool:
        people.claim_all(coupon_id, islice(users, 20), threads=5)
        for each in list(unanswered):
            if scraper.ask("query", query=each)["result"]:
                unanswered.discard(each)
        assert unanswered == set()
        return True

    with prometheus(tmp_path, stack, every_second=True) as scraper:
        eventually(all_answered, DATA_WITHIN_SECONDS, "every expression has data")
        [symptoms, causes] = scraper.ask("rules")["groups"]
        rules = [*symptoms["rules"], *causes["rules"]]
        assert {rule["name"] for rule in rules} == {each.name for each in alerts()}
        assert [rule for rule in rules if rule["health"] != "ok"] == []
