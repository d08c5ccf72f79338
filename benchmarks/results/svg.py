"""Small SVG charts: lines over two axes, and stacked bars; simple enough to read as a diff."""

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as Xml

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 44, 56
COLOURS = (
    "#4269d0", "#efb118", "#ff725c", "#3ca951", "#6cc5b0",
    "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0", "#ff8ab7",
    "#1b3a8a", "#c9d36a",
)  # fmt: skip

Point = tuple[float, float]


class Axis:
    """Values from `low` to `high` on the pixels from `start` to `end`, in decades when `log`."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool) -> None:
        self._log = log
        self._start, self._end = start, end
        if log:
            positive = [value for value in values if value > 0] or [1.0]
            self.low = 10.0 ** math.floor(math.log10(min(positive)))
            self.high = max(self.low * 10, 10.0 ** math.ceil(math.log10(max(positive))))
        else:
            step = _step(max(values, default=1.0) or 1.0)
            self.low = 0.0
            self.high = step * math.ceil((max(values, default=1.0) or 1.0) / step)

    def at(self, value: float) -> float:
        """The pixel of a value; a value outside the axis is at its end."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self._log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self._start + (value - low) / (high - low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Values of the grid lines."""
        if self._log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            parts = (1, 2, 5) if last - first <= 3 else (1,)
            decades = [10.0**power for power in range(first, last)]
            return [decade * part for decade in decades for part in parts] + [self.high]
        step = _step(self.high)
        return [step * n for n in range(round(self.high / step) + 1)]


def line_chart(
    title: str,
    x_title: str,
    y_title: str,
    series: Mapping[str, Sequence[Point]],
    labels: Mapping[Point, str] | None = None,
) -> str:
    """A line with dots for each name, y logarithmic. labels: text beside the points."""
    points = [point for line in series.values() for point in line]
    x = Axis([point[0] for point in points], LEFT, WIDTH - RIGHT, log=False)
    y = Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP, log=True)
    chart = _frame(title, x_title, y_title, y)
    for tick in x.ticks():
        _text(chart, x.at(tick), HEIGHT - BOTTOM + 18, _number(tick), "middle")
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in line)
        Xml.SubElement(
            chart, "polyline", points=path, fill="none", stroke=colour, attrib={"stroke-width": "2"}
        )
        for a, b in line:
            cx, cy = f"{x.at(a):.1f}", f"{y.at(b):.1f}"
            dot = Xml.SubElement(chart, "circle", cx=cx, cy=cy, r="4", fill=colour)
            Xml.SubElement(dot, "title").text = f"{name}: {_number(a)}, {_number(b)}"
            if labels and (a, b) in labels:
                _text(chart, x.at(a) + 6, y.at(b) - 6, labels[a, b], size=10)
        _legend(chart, number, name, colour)
    return _to_text(chart)


def stacked_bars(title: str, y_title: str, bars: Mapping[str, Mapping[str, float]]) -> str:
    """A bar for each name, with its parts from the bottom up; a part has one colour in all bars."""
    y = Axis([sum(parts.values()) for parts in bars.values()], HEIGHT - BOTTOM, TOP, log=False)
    chart = _frame(title, "", y_title, y)
    names = list(dict.fromkeys(part for parts in bars.values() for part in parts))
    width = (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    for position, (bar, parts) in enumerate(bars.items()):
        base, left = 0.0, LEFT + width * (position + 0.15)
        for part in names:
            top = base + parts.get(part, 0.0)
            upper, lower = y.at(top), y.at(base)
            size = {"width": f"{width * 0.7:.1f}", "height": f"{lower - upper:.1f}"}
            colour = COLOURS[names.index(part) % len(COLOURS)]
            origin = {"x": f"{left:.1f}", "y": f"{upper:.1f}", "fill": colour}
            block = Xml.SubElement(chart, "rect", {**origin, **size})
            Xml.SubElement(block, "title").text = f"{bar}, {part}: {parts.get(part, 0.0):.3g}"
            base = top
        _text(chart, left + width * 0.35, HEIGHT - BOTTOM + 18, bar, "middle")
        _text(chart, left + width * 0.35, y.at(base) - 5, f"{base:.3g}", "middle", 11)
    for number, part in enumerate(names):
        _legend(chart, number, part, COLOURS[number % len(COLOURS)])
    return _to_text(chart)


def _frame(title: str, x_title: str, y_title: str, y: Axis) -> Xml.Element:
    size = {"width": str(WIDTH), "height": str(HEIGHT), "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    font = {"font-family": "sans-serif", "role": "img", "aria-label": title}
    chart = Xml.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **font})
    # A page may be dark or light: the chart has its own background.
    Xml.SubElement(chart, "rect", width="100%", height="100%", fill="#ffffff")
    _text(chart, LEFT, 24, title, size=15)
    middle = (LEFT + WIDTH - RIGHT) / 2
    _text(chart, middle, HEIGHT - 14, x_title, "middle")
    turned = _text(chart, 18, (TOP + HEIGHT - BOTTOM) / 2, y_title, "middle")
    turned.set("transform", f"rotate(-90 18 {(TOP + HEIGHT - BOTTOM) / 2:.0f})")
    for tick in y.ticks():
        height, ends = f"{y.at(tick):.1f}", {"x1": str(LEFT), "x2": str(WIDTH - RIGHT)}
        Xml.SubElement(chart, "line", {**ends, "y1": height, "y2": height, "stroke": "#dddddd"})
        _text(chart, LEFT - 8, y.at(tick) + 4, _number(tick), "end")
    return chart


def _legend(chart: Xml.Element, number: int, name: str, colour: str) -> None:
    x, y = WIDTH - RIGHT + 16, TOP + 20 * number
    box = {"x": str(x), "y": str(y), "width": "12", "height": "12", "fill": colour}
    Xml.SubElement(chart, "rect", box)
    _text(chart, x + 18, y + 10, name)


def _text(
    chart: Xml.Element, x: float, y: float, text: str, anchor: str = "start", size: int = 12
) -> Xml.Element:
    style = {"text-anchor": anchor, "font-size": str(size), "fill": "#222222"}
    element = Xml.SubElement(chart, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", **style})
    element.text = text
    return element


def _to_text(chart: Xml.Element) -> str:
    Xml.indent(chart)
    return Xml.tostring(chart, encoding="unicode") + "\n"


def _step(highest: float) -> float:
    """A round step that fits four to ten times into `highest`."""
    power = 10.0 ** math.floor(math.log10(highest))
    return next(power * part for part in (0.1, 0.2, 0.5, 1.0) if highest / (power * part) <= 10)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"
