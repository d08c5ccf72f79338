"""A drawing of boxes, arrows and text as SVG: plain enough to be read as a diff."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as Xml

FONT = "system-ui, sans-serif"
INK, PALE, LINE = "#1f2933", "#52606d", "#7b8794"
BLUE, GREEN, GREY, ORANGE = "#e3effb", "#e6f4ea", "#f1f3f5", "#fdf1e0"


class Box(NamedTuple):
    """A rectangle, by its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


class Drawing:
    """An SVG document that grows by what is drawn. title: for those who hear it read."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._root = Xml.Element(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width} {height}",
            width=str(width),
            attrib={"font-family": FONT, "font-size": "14", "role": "img"},
        )
        Xml.SubElement(self._root, "title").text = title
        marker = Xml.SubElement(
            Xml.SubElement(self._root, "defs"),
            "marker",
            id="arrow",
            viewBox="0 0 10 10",
            refX="9",
            refY="5",
            markerWidth="7",
            markerHeight="7",
            orient="auto",
        )
        Xml.SubElement(marker, "path", d="M0 0 L10 5 L0 10 z", fill=LINE)
        Xml.SubElement(self._root, "rect", width="100%", height="100%", fill="#ffffff")

    def box(self, box: Box, lines: Sequence[str], fill: str) -> Box:
        """Draw a box with its name, and further lines in a smaller type below it."""
        shape = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
        given = {name: f"{value:g}" for name, value in shape.items()}
        Xml.SubElement(self._root, "rect", rx="6", fill=fill, stroke=LINE, attrib=given)
        x, y = box.middle
        top = y - 8.5 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.text(x, top + 17 * number, line, "middle", strong=number == 0, pale=number > 0)
        return box

    def text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "start",
        *,
        strong: bool = False,
        pale: bool = False,
    ) -> None:
        """Draw one line of text at its base line."""
        style = {"text-anchor": anchor, "fill": PALE if pale else INK}
        if strong:
            style["font-weight"] = "600"
        if pale:
            style["font-size"] = "12.5"
        Xml.SubElement(self._root, "text", x=f"{x:g}", y=f"{y:g}", attrib=style).text = text

    def arrow(self, *points: tuple[float, float], both: bool = False) -> None:
        """Draw a line through the points with a head at its end, or at both ends."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        style = {"stroke": LINE, "stroke-width": "1.6", "marker-end": "url(#arrow)"}
        Xml.SubElement(self._root, "polyline", points=path, fill="none", attrib=style)
        if both:
            self.arrow(*reversed(points))

    def render(self) -> str:
        """The document, one element a line."""
        Xml.indent(self._root)
        return Xml.tostring(self._root, "unicode") + "\n"
