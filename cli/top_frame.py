"""Lays out `coupon top` for any size: no line is wider than the screen, what is cut ends in "…"."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from cli.top_figures import Block, blocks, clock, duration, printable
from operations.top.reading import Document

_BLOCK_COLUMNS = 40
_PROCESS_COLUMNS = 26
_LABEL_COLUMNS = 17
_HIGHEST_GRID = 4
_SERVERS = ("postgres", "redis", "kafka", "connect")
_MOST_MESSAGE_LINES = 4
_SHORTEST_NAME = 8


class Frame(NamedTuple):
    """What is shown. rates: by coupon. doctor: how `coupon doctor` is typed for this system.

    failure: why the monitor does not answer; None: it does.
    """

    state: Document
    rates: dict[str, float]
    interval_s: float
    doctor: str
    failure: str | None = None

    def lines(self, width: int, height: int | None = None) -> list[Text]:
        """At most `height` lines; None: all."""
        above = [
            *self._head(width),
            *_in_columns([_block(each, width) for each in blocks(self.state)], width),
            Text("SERVERS AND PROCESSES", "bold"),
            *_grid(self._servers(), width),
        ]
        room = None if height is None else height - len(above)
        lines = [*above, *_coupons(self.state, self.rates, width, room)]
        shown = _cut(lines, height, "lines")
        for line in shown:
            line.truncate(width, overflow="ellipsis")
        return shown

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """On a terminal, as large as it is."""
        text = Text("\n").join(self.lines(options.max_width, options.height or options.max_height))
        text.no_wrap = True
        yield text

    def _head(self, width: int) -> list[Text]:
        """The time, and in a sentence what is wrong; in one line where it fits."""
        title = f"coupon top   {clock(self.state['taken_at'])}   every {self.interval_s:g} s"
        says = printable(self._verdict())
        style = "green" if says.startswith("All ") else "red"
        if len(title) + len(says) + 3 <= width:
            return [Text(f"{title}   ").append(says, style)]
        folded = textwrap.wrap(says, width, break_on_hyphens=False)
        return [Text(title), *(Text(line, style) for line in folded[:_MOST_MESSAGE_LINES])]

    def _verdict(self) -> str:
        servers = self._servers()
        down = [each for each in servers if each.state != "up"]
        if self.failure is not None:
            return f"{self.failure}. Trying again."
        connector = self.state["connector"]
        if not down and connector is not None and not connector["running"]:
            return f"The connector does not run: {connector['state']}. Type: {self.doctor}"
        if not down:
            return f"All {len(servers)} servers and processes are up."
        first = f"{down[0].name}: {down[0].why}" if down[0].why else down[0].name
        return f"{len(down)} of {len(servers)} not up: {first}. Type: {self.doctor}"

    def _servers(self) -> list["_Server"]:
        sources, processes = self.state["sources"], self.state["processes"]
        silent = "unknown" if self.failure else "no answer"
        of_part = Counter(each["part"] for each in processes)
        named = [
            *((name, sources[name]) for name in _SERVERS if name in sources),
            *((_name(each, of_part[each["part"]]), each) for each in processes),
        ]
        return [_server(name, each, silent) for name, each in named]


class _Server(NamedTuple):
    """why: of what is not up."""

    name: str
    state: str
    why: str


def _name(process: dict[str, Any], of_part: int) -> str:
    """With its address where there are several of a part."""
    return f"{process['part']} {process['address']}" if of_part > 1 else str(process["part"])


def _server(name: str, reading: dict[str, Any], silent: str) -> _Server:
    """reading: of a server, or of a process, which also says whether it is healthy."""
    if not reading["known"]:
        return _Server(name, silent, f"since {clock(reading['unknown_since'])}, {reading['why']}")
    if reading.get("healthy", True):
        return _Server(name, "up", "")
    return _Server(name, "unhealthy", reading["says"] or "")


def _block(block: Block, width: int) -> list[Text]:
    columns = width // _blocks_a_row(width) - 1
    lines = [Text(block.title, "bold")]
    for label, figure in block.rows:
        line = Text().append(f" {label:<{_LABEL_COLUMNS - 1}}", "dim").append_text(figure)
        lines.append(line)
    for line in lines:
        line.truncate(columns, overflow="ellipsis", pad=True)
    return lines


def _blocks_a_row(width: int) -> int:
    return max(1, min(6, width // _BLOCK_COLUMNS))


def _in_columns(columns: Sequence[list[Text]], width: int) -> list[Text]:
    """The blocks side by side, as many as fit."""
    a_row = _blocks_a_row(width)
    empty = Text(" " * (width // a_row - 1))
    lines = []
    for start in range(0, len(columns), a_row):
        for row in zip_longest(*columns[start : start + a_row], fillvalue=empty):
            lines.append(Text(" ").join(row))
    return lines


def _grid(servers: Sequence[_Server], width: int) -> list[Text]:
    """What is not up stands first. Names are cut only if the grid would be high otherwise."""
    longest = max((cell_len(f" {each.name} {each.state} ") for each in servers), default=1)
    a_row = max(1, width // max(longest, _PROCESS_COLUMNS))
    if len(servers) > a_row * _HIGHEST_GRID:
        a_row = max(1, width // _PROCESS_COLUMNS)
    columns = width // a_row - 1
    ordered = sorted(servers, key=lambda each: each.state == "up")
    cells = [_cell(each, columns) for each in ordered]
    return [Text(" ").join(cells[at : at + a_row]) for at in range(0, len(cells), a_row)]


def _cell(server: _Server, columns: int) -> Text:
    style = {"up": "green", "unknown": "magenta"}.get(server.state, "red")
    name = Text(f" {printable(server.name)}")
    name.truncate(columns - len(server.state) - 1, overflow="ellipsis")
    cell = name.append(" ").append(server.state, style)
    cell.truncate(columns, pad=True)
    return cell


def _coupons(state: Document, rates: dict[str, float], width: int, room: int | None) -> list[Text]:
    """The live coupons, those first whose stock is taken fastest."""
    if not state["sources"]["postgres"].get("known"):
        since = clock(state["sources"]["postgres"]["unknown_since"])
        return [Text("LIVE COUPONS", "bold"), Text(f" unknown since {since}", "magenta")]
    if not state["coupons"]:
        return [Text("LIVE COUPONS", "bold"), Text(" none", "dim")]
    busiest = sorted(state["coupons"], key=lambda each: -rates.get(each["coupon_id"], 0.0))
    head = ("COUPON", "NAME", "STATE", "STOCK", "LEFT", "ISSUED", "TAKEN/S", "SOLD OUT IN")
    rows = [head, *(_coupon(each, rates.get(each["coupon_id"])) for each in busiest)]
    lines = _table(rows, width)
    lines[0].stylize("bold")
    unlisted = max(0, (state["coupons_live"] or 0) - len(busiest))
    return _cut(lines, room, "coupons", unlisted)


def _coupon(coupon: dict[str, Any], rate: float | None) -> tuple[str, ...]:
    left, issued = coupon["left"], coupon["issued"]
    in_s = "-" if not rate or rate < 0 or left is None else duration(left / rate)
    return (
        coupon["coupon_id"],
        printable(coupon["name"]),
        coupon["state"],
        f"{coupon['stock']:,}",
        "unknown" if left is None else f"{left:,}",
        f"{coupon['issued_in_ledger'] if issued is None else issued:,}",
        "-" if rate is None else f"{rate:,.1f}",
        "sold out" if left == 0 else in_s,
    )


def _table(rows: Sequence[tuple[str, ...]], width: int) -> list[Text]:
    """Names and states to the left, the rest to the right; the name gets what the others leave."""
    cells = [[Text(f" {cell}" if at else cell) for at, cell in enumerate(row)] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    widths[1] = min(widths[1], max(_SHORTEST_NAME, width - sum(widths) + widths[1]))
    for row in cells:
        for at, cell in enumerate(row):
            cell.truncate(widths[at], overflow="ellipsis")
            cell.align("left" if at in (1, 2) else "right", widths[at])
    return [Text("").join(row) for row in cells]


def _cut(lines: list[Text], room: int | None, what: str, unlisted: int = 0) -> list[Text]:
    """The lines that there is room for; the last one says how many are missing.

    unlisted: those that are missing in `lines` already.
    """
    wanted = len(lines) + bool(unlisted)
    room = wanted if room is None else max(0, room)
    if wanted <= room and not unlisted:
        return lines
    kept = min(len(lines), max(0, room - 1))
    more = len(lines) - kept + unlisted
    return [*lines[:kept], Text(f"… {more:,} more {what}", "dim")][:room]
