"""The chart's values are written down once, and its files are those of the project. No helm."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.make import chart
from docs.make.settings import PROCESSES

ROOT = chart.CHART.parents[1]
TEMPLATES = chart.CHART / "templates"
PROCESS_OF = {
    "api": "Api",
    "consumer": "Consumer",
    "reconciler": "Reconciler",
    "monitor": "Monitor",
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
SAME_FILES = {
    "coupon-cdc.json": "connectors/coupon-cdc.json",
    "coupon-events.json": "connectors/coupon-events.json",
    "alerts.yml": "compose/monitoring/alerts.yml",
    "pipeline.json": "compose/monitoring/dashboards/pipeline.json",
    "sale.json": "compose/monitoring/dashboards/sale.json",
    "servers.json": "compose/monitoring/dashboards/servers.json",
}


def _defined() -> dict[str, str]:
    """The text of each template of _env.tpl by its name."""
    text = (TEMPLATES / "_env.tpl").read_text("utf-8")
    parts = re.split(r'^\{\{- define "([a-z.A-Z]+)" -\}\}$', text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _variables(name: str, defined: dict[str, str]) -> set[str]:
    """The settings that a template can set, with those of the templates that it includes."""
    text = defined[name]
    found = set(re.findall(r"- name: (COUPON_[A-Z_]+)", text))
    for included in re.findall(r'include "(coupon\.env\.[a-z]+)"', text):
        found |= _variables(included, defined)
    return found


@pytest.mark.parametrize("process", sorted(PROCESS_OF))
def test_each_setting_of_the_chart_is_one_of_its_process(process: str) -> None:
    """And no setting that is required is missing."""
    [kind] = [each for each in PROCESSES.values() if each.__name__.startswith(PROCESS_OF[process])]
    fields = {f"COUPON_{name.upper()}": field for name, field in kind.model_fields.items()}
    found = _variables(f"coupon.env.{process}", _defined())
    assert found <= fields.keys()
    assert {name for name, field in fields.items() if field.is_required()} <= found


def test_the_defaults_of_the_values_keep_to_their_schema() -> None:
    for path, node in chart.leaves(chart.schema()):
        default = node["default"]
        assert isinstance(default, TYPES[node["type"]]), path
        assert default in node.get("enum", [default]), path
        assert re.search(node.get("pattern", ""), str(default)), path
        if node["type"] == "integer":
            assert node.get("minimum", 0) <= default <= node.get("maximum", default), path


def test_every_value_says_what_it_holds_and_where_it_is_used() -> None:
    """A value that no template reads would be believed, and do nothing."""
    templates = "".join(file.read_text("utf-8") for file in TEMPLATES.iterdir())
    for path, node in chart.leaves(chart.schema()):
        assert node["description"], path
        assert "default" in node, path
        assert re.search(rf"\.{path.rpartition('.')[2]}\b", templates), f"{path} is used nowhere"


def test_no_part_of_the_values_takes_unknown_names() -> None:
    def look(node: dict[str, Any]) -> None:
        if "properties" in node:
            assert node["additionalProperties"] is False, node.get("description")
            for child in node["properties"].values():
                look(child)

    look(chart.schema())


@pytest.mark.parametrize(("name", "source"), SAME_FILES.items())
def test_the_files_of_the_chart_are_the_projects_own(name: str, source: str) -> None:
    """Links, which helm follows: connector, alerts and dashboards have no second copy."""
    link = chart.CHART / "files" / name
    assert link.is_symlink()
    assert link.resolve() == (ROOT / source).resolve()


def test_the_chart_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    described = yaml.safe_load((chart.CHART / "Chart.yaml").read_text("utf-8"))
    assert described["version"] == described["appVersion"] == project["version"]


def test_a_role_has_the_same_name_in_the_chart_and_in_the_ledger() -> None:
    from coupons.ledger.roles import ROLES

    text = (TEMPLATES / "jobs.yaml").read_text("utf-8")
    [listed] = re.findall(r"range list ((?:\"[a-z]+\" ?)+)", text)
    assert tuple(json.loads(f"[{listed.strip().replace(' ', ', ')}]")) == ROLES


def test_the_values_of_the_tests_cover_every_value_that_turns_something_on() -> None:
    given: set[str] = set()

    def look(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for name, child in node.items():
                look(child, f"{path}.{name}".lstrip("."))
        given.add(path)

    for file in Path(__file__).with_name("values").glob("*.yaml"):
        look(yaml.safe_load(file.read_text("utf-8")), "")
    off = {path for path, node in chart.leaves(chart.schema()) if node["default"] is False}
    assert off <= given
