"""Every dashboard, by the name of its file."""

from pathlib import Path

from compose.dashboards import pipeline, sale, servers
from compose.dashboards.panels import render

FOLDER = Path(__file__).parents[1] / "monitoring" / "dashboards"


def boards() -> dict[str, str]:
    """The JSON of each."""
    return {
        "sale.json": render("coupon-sale", "Coupon CDC: sale", sale.ROWS, "coupon_live_stock"),
        "pipeline.json": render("coupon-pipeline", "Coupon CDC: pipeline", pipeline.ROWS),
        "servers.json": render("coupon-servers", "Coupon CDC: servers", servers.ROWS),
    }


def write_all() -> None:
    """Write the files that Grafana reads."""
    for name, text in boards().items():
        (FOLDER / name).write_text(text, "utf-8")
