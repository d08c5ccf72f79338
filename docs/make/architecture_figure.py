"""The figure of the packages and of who may import whom, from the import contracts."""

import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.make.drawing import BLUE, Box, Drawing

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
WIDTH, HIGH, GAP = 520, 78, 28


def render() -> str:
    """The figure as SVG."""
    contracts = tomllib.loads(PYPROJECT.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [
        each["layers"]
        for each in contracts
        if each["type"] == "layers" and "containers" not in each
    ]
    forbidden = _forbidden(contracts)
    height = len(layers) * (HIGH + GAP) + 46
    drawing = Drawing(WIDTH, height, "The packages: each may import what stands below it")
    for number, layer in enumerate(layers):
        _draw_layer(drawing, number, [name.strip() for name in layer.split("|")], forbidden)
        if number:
            y = 16 + number * (HIGH + GAP)
            drawing.arrow((WIDTH / 2, y - GAP), (WIDTH / 2, y))
    last = height - 30
    drawing.text(WIDTH / 2, last, "A package may import packages below it, never above", "middle")
    drawing.text(WIDTH / 2, last + 18, "or beside it.", "middle")
    return drawing.render()


def _forbidden(contracts: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for contract in contracts:
        if contract["type"] == "forbidden":
            for name in contract["source_modules"]:
                found.setdefault(name, []).extend(contract["forbidden_modules"])
    return found


def _draw_layer(
    drawing: Drawing, number: int, names: Sequence[str], forbidden: Mapping[str, Sequence[str]]
) -> None:
    width = (WIDTH - 20 - 10 * (len(names) - 1)) / len(names)
    y = 16 + number * (HIGH + GAP)
    for column, name in enumerate(names):
        lines = [name, *_not(forbidden.get(name, []))]
        drawing.box(Box(10 + column * (width + 10), y, width, HIGH), lines, BLUE)


def _not(names: Sequence[str]) -> list[str]:
    return textwrap.wrap(f"not {', '.join(names)}", 16) if names else []
