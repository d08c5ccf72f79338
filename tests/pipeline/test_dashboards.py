"""A Prometheus that scrapes the stack under load has an answer to what the dashboards ask."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from coupons.waiting import eventually
from docs.make.alerts import RULES, alerts
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST, free_ports
from tests.monitoring.dashboards import DASHBOARDS, expressions, filled_in
from tests.monitoring.declared import names_in
from tests.pipeline.people import People

DATA_WITHIN_SECONDS = 90
ONLY_AFTER_A_FAULT = {"coupon_consumer_retries_total", "coupon_reconciler_repairs_total"}
"""Counters by error or kind: nothing is shown before the first."""
NOT_ON_THE_STACK = {
    "coupon_gate_memory_limit_bytes",
    "coupon_pipeline_catch_up_seconds",
    "coupon_stream_slot_limit_bytes",
}
"""It sets no limit to memory, and its consumer is seldom behind."""


def targets(stack: DisposableStack) -> list[dict[str, Any]]:
    """The processes of the stack, by job as in compose/monitoring/targets.yml."""
    ports = existing(stack.folder).ports
    jobs = {"coupon-api": "management", "coupon-reconciler": "reconciler"}
    jobs |= {"coupon-consumer": "consumer-1", "coupon-monitor": "monitor"}
    return [
        {"targets": [f"{HOST}:{ports[name]}"], "labels": {"job": job}} for job, name in jobs.items()
    ]


@contextmanager
def prometheus(folder: Path, stack: DisposableStack) -> Iterator[str]:
    """The address of one with our configuration, which scrapes the stack each second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus: apt install prometheus")
    text = RULES.with_name("prometheus.yml").read_text("utf-8")
    text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): \d+s", r"\1: 1s", text)
    (folder / "prometheus.yml").write_text(text, "utf-8")
    (folder / "targets.yml").write_text(yaml.safe_dump(targets(stack)), "utf-8")
    shutil.copy(RULES, folder)
    address = f"{HOST}:{free_ports(['prometheus'])['prometheus']}"
    command = [program, f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield f"http://{address}/api/v1"
        finally:
            process.terminate()


def answer(url: str, **given: str) -> Any:
    """The data of an answer. Raises OSError while Prometheus starts."""
    response = requests.get(url, params=given, timeout=10)
    assert response.json()["status"] == "success", (given, response.text)
    return response.json()["data"]


def test_every_expression_of_the_dashboards_and_every_alert_is_answered(
    stack: DisposableStack, tmp_path: Path
) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=1_000_000)
    users = count(1)
    asked = {filled_in(each, coupon_id) for name in DASHBOARDS for each in expressions(name)}
    absent = ONLY_AFTER_A_FAULT | NOT_ON_THE_STACK
    unanswered = {each for each in asked if not names_in(each) & absent}
    assert len(unanswered) > 20

    def all_answered() -> bool:
        people.claim_all(coupon_id, islice(users, 20), threads=5)
        for each in list(unanswered):
            if answer(f"{api}/query", query=each)["result"]:
                unanswered.discard(each)
        assert unanswered == set()
        return True

    with prometheus(tmp_path, stack) as api:
        eventually(all_answered, DATA_WITHIN_SECONDS, "every expression has data")
        [symptoms, causes] = answer(f"{api}/rules")["groups"]
        rules = [*symptoms["rules"], *causes["rules"]]
        assert {rule["name"] for rule in rules} == {each.name for each in alerts()}
        assert [rule for rule in rules if rule["health"] != "ok"] == []
