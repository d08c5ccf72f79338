"""The dashboards as Grafana reads them, and what they ask Prometheus."""

import json
from collections.abc import Iterator
from typing import Any

from compose.dashboards.boards import FOLDER

DASHBOARDS: dict[str, dict[str, Any]] = {
    file.name: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))
}


def panels(name: str) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, without the titles of its rows."""
    return (each for each in DASHBOARDS[name]["panels"] if each["type"] != "row")


def expressions(name: str) -> list[str]:
    """Every expression of a dashboard."""
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def filled_in(expression: str, coupon_id: int = 1) -> str:
    """The expression with values for Grafana's variables."""
    return expression.replace("$__rate_interval", "30s").replace("$coupon", str(coupon_id))
