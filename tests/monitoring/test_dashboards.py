"""The dashboards are fresh, and ask for what is there."""

import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from compose.dashboards.boards import FOLDER, boards
from tests.monitoring.dashboards import DASHBOARDS, expressions, filled_in, panels
from tests.monitoring.declared import declared, names_in
from tests.monitoring.tools import run_tool

DATA_SOURCE = FOLDER.parent / "grafana" / "datasource.yml"


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )


def test_the_files_are_what_their_source_says() -> None:
    shown = {file.name: file.read_text("utf-8") for file in FOLDER.iterdir()}
    assert shown == boards(), "run `make docs`"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_expression_is_valid(name: str, tmp_path: Path) -> None:
    """promtool checks rules, so each expression becomes one."""
    rules = [
        {"record": f"checked:{number}", "expr": filled_in(expression)}
        for number, expression in enumerate(expressions(name))
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": name, "rules": rules}]}), "utf-8")
    assert len(rules) > 10
    assert f"{len(rules)} rules found" in run_tool("promtool", "check", "rules", file)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_expression_is_on_metrics_that_are_there(name: str) -> None:
    for expression in expressions(name):
        assert names_in(expression) - declared() == set(), expression
        assert "$" not in filled_in(expression), expression


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows_and_has_room_of_its_own(name: str) -> None:
    shown = DASHBOARDS[name]["panels"]
    assert len({each["id"] for each in shown}) == len(shown)
    assert all(each["title"] for each in shown)
    assert all(re.search(r"\.$", each["description"]) for each in panels(name))
    for one, other in combinations(shown, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def test_every_panel_asks_the_data_source_that_is_provisioned() -> None:
    [source] = yaml.safe_load(DATA_SOURCE.read_text("utf-8"))["datasources"]
    asked = {
        (target["datasource"]["type"], target["datasource"]["uid"])
        for name in DASHBOARDS
        for panel in panels(name)
        for target in (panel, *panel["targets"])
    }
    assert asked == {(source["type"], source["uid"])}
