"""Every alert can fire, says what to type, and leads to the runbook."""

import re
from typing import Any

import pytest
import yaml

from docs.make.alerts import RULES, WITHOUT_ALERT, alerts
from operations.doctor.causes import reasons
from operations.doctor.findings import Section
from tests.monitoring.declared import declared, names_in
from tests.monitoring.tools import run_tool
from tests.support.typed import check_coupon

UNIT_TESTS = RULES.with_name("alerts_test.yml")
ALERTMANAGER = RULES.with_name("alertmanager.yml")
ALERTS = {each.name: each for each in alerts()}
INHIBITIONS: list[dict[str, Any]] = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]


def outcomes_of(alert: str) -> set[bool]:
    """Whether the unit tests of the rules see it fire, and see it not fire."""
    groups = yaml.safe_load(UNIT_TESTS.read_text("utf-8"))["tests"]
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    return {
        bool(test["exp_samples"])
        for group in groups
        for test in group.get("promql_expr_test", [])
        if test["expr"] == firing
    }


def named_by(matchers: list[str]) -> list[str]:
    [found] = (re.fullmatch(r'alertname=~?"(.*)"', each) for each in matchers)
    assert found
    return found[1].split("|")


def test_the_rules_are_valid() -> None:
    assert f"{len(ALERTS)} rules found" in run_tool("promtool", "check", "rules", RULES)


def test_the_unit_tests_of_the_rules_succeed() -> None:
    assert "SUCCESS" in run_tool("promtool", "test", "rules", UNIT_TESTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_seen_to_fire_and_seen_not_to_fire(alert: str) -> None:
    assert outcomes_of(alert) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_on_metrics_that_are_there(alert: str) -> None:
    named = names_in(ALERTS[alert].expression)
    assert named
    assert named - declared() == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_to_type(alert: str) -> None:
    typed = re.findall(r"`([^`]+)`", ALERTS[alert].description)
    assert typed
    for line in typed:
        if line.startswith("coupon "):
            check_coupon(line)


def test_every_alert_pages_or_informs() -> None:
    assert {each.severity for each in ALERTS.values()} == {"page", "inform"}


@pytest.mark.parametrize("state", Section)
def test_a_state_of_the_runbook_has_an_alert_or_a_reason_why_not(state: Section) -> None:
    has_alert = state in {each.section for each in ALERTS.values()}
    assert has_alert != (state in WITHOUT_ALERT)


@pytest.mark.parametrize("state", WITHOUT_ALERT)
def test_a_state_without_an_alert_shows_as_one_that_is_there(state: Section) -> None:
    shown_as, why = WITHOUT_ALERT[state]
    assert shown_as in ALERTS
    assert why.endswith(".")


def test_the_configuration_of_alertmanager_is_valid() -> None:
    assert "SUCCESS" in run_tool("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize("severity", ["page", "inform"])
def test_each_severity_has_a_receiver(severity: str) -> None:
    where = ("config", "routes", "test", f"--config.file={ALERTMANAGER}")
    assert severity in run_tool("amtool", *where, f"severity={severity}").splitlines()


@pytest.mark.parametrize("rule", INHIBITIONS, ids=lambda rule: rule["source_matchers"][0])
def test_only_what_the_doctor_knows_as_a_reason_leaves_an_alert_out(rule: dict[str, Any]) -> None:
    for source in named_by(rule["source_matchers"]):
        for target in named_by(rule["target_matchers"]):
            cause, follows = ALERTS[source], ALERTS[target]
            assert cause.section in reasons(follows.section), (source, target)
            # Somebody is woken, whatever is left out.
            assert cause.severity == "page" or follows.severity == "inform", (source, target)
