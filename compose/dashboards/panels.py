"""A dashboard from rows of panels."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="coupon-prometheus")
"""Grafana's source of data, as compose/monitoring/grafana/datasource.yml names it."""
LINES_HEIGHT = 8
FIGURE_HEIGHT = 4
COLUMNS = 24


class Lines(NamedTuple):
    """A chart. `queries` are expressions by the name of their lines; `unit` is Grafana's."""

    title: str
    unit: str
    help: str
    queries: Mapping[str, str]
    width: int = 8


class Figure(NamedTuple):
    """One number: the value now."""

    title: str
    unit: str
    help: str
    expression: str
    width: int = 4


Rows = Mapping[str, Sequence[Lines | Figure]]


def render(uid: str, title: str, rows: Rows, coupons: str | None = None) -> str:
    """The dashboard's JSON. coupons: a metric whose label `coupon` a list on the page chooses."""
    board = (
        grafana.Dashboard(title)
        .uid(uid)
        .tags(["coupon-cdc"])
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .readonly()
    )
    if coupons is not None:
        board.with_variable(_variable(coupons))
    number = 0
    for row, panels in rows.items():
        board.with_row(grafana.Row(row).id(number := number + 1))
        for panel in panels:
            board.with_panel(_panel(panel).id(number := number + 1))
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


def _variable(metric: str) -> grafana.QueryVariable:
    variable = grafana.QueryVariable("coupon").label("Coupon").datasource(SOURCE)
    variable.query(f"label_values({metric}, coupon)").refresh(VariableRefresh.ON_DASHBOARD_LOAD)
    # The library fills in what only a variable of the kind `interval` has; the schema refuses it.
    model = variable.build()
    model.auto = model.auto_count = model.auto_min = None
    return variable


def _panel(panel: Lines | Figure) -> timeseries.Panel | stat.Panel:
    built: timeseries.Panel | stat.Panel
    if isinstance(panel, Figure):
        built = stat.Panel().height(FIGURE_HEIGHT).with_target(_query("A", panel.expression))
    else:
        built = timeseries.Panel().height(LINES_HEIGHT).min(0)
        for letter, (name, expression) in zip(ascii_uppercase, panel.queries.items(), strict=False):
            built.with_target(_query(letter, expression).legend_format(name))
    built.title(panel.title).description(panel.help).unit(panel.unit)
    return built.datasource(SOURCE).span(panel.width)


def _query(letter: str, expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).expr(expression).datasource(SOURCE)
