"""What `coupon client` prints for a person."""

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupon_client import Change, Coupon, CouponAction, IssuedCoupon
from coupon_client.json_values import document_of

_COLUMNS: dict[type, tuple[str, ...]] = {
    Change: ("number", "from_state", "to_state", "changed_at", "changed_by", "order_reference"),
    Coupon: ("id", "name", "state", "total_quantity", "issued_count", "issue_starts_at"),
    CouponAction: ("acted_at", "acted_by", "action", "result", "detail"),
    IssuedCoupon: ("id", "coupon_id", "coupon_name", "state", "issued_at", "expires_at"),
}
"""Of each list; all fields are in --json."""


def print_result(result: Any) -> None:
    """One result: its fields that are not empty, one a line. Text as it is."""
    if isinstance(result, str):
        click.echo(result)
        return
    shown = {name: value for name, value in document_of(result).items() if value is not None}
    width = max(map(len, shown))
    for name, value in shown.items():
        if isinstance(value, list) and value:
            click.echo(name)
            for each in value:
                click.echo(f"  {_line(each)}")
        else:
            click.echo(f"{name:<{width}}  {_text(value)}")


def print_table(results: Sequence[Any]) -> None:
    """A list: the main fields of each as one line."""
    console = Console(highlight=False)
    if not results:
        console.print("There are none.")
        return
    columns = next((_COLUMNS[type(each)] for each in results if type(each) in _COLUMNS), ("id",))
    table = Table(*columns, box=None, pad_edge=False)
    for result in results:
        values = document_of(result)
        table.add_row(*(Text(_text(values.get(name))) for name in columns))
    console.print(table, soft_wrap=True)


def _line(value: Any) -> str:
    """One of several values of a field: its own fields that are not empty."""
    if not isinstance(value, dict):
        return _text(value)
    return "  ".join(_text(each) for each in value.values() if each is not None)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
