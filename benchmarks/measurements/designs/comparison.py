"""All designs side by side on one stack, in turns; each round starts with another design."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg

from benchmarks.harness.progress import progress
from benchmarks.load.crowd import USERS_OF_THE_REPORT, Crowd
from benchmarks.load.k6 import find_k6
from benchmarks.measurements.designs.closed_loop import ClosedRound, closed_round
from benchmarks.measurements.designs.kills import Killed, kill_round, victims
from benchmarks.measurements.designs.open_loop import OpenRound, open_round
from benchmarks.measurements.designs.report_load import ReportRound, report_round
from benchmarks.measurements.designs.rush import RushRound, rush_round
from benchmarks.strategies.running import Design, alone, running_designs, running_one_insert
from stack.disposable import DisposableStack

COMPARED_AT = 100
"""Connections at which the designs are compared, also with one INSERT a request."""


@dataclass(frozen=True)
class Extent:
    """How much is measured. Seconds: of one load. rates: claims a second."""

    rounds: int
    report_seconds: float
    closed_seconds: float
    connections: Sequence[int]
    open_rounds: int
    open_seconds: float
    rates: Sequence[int]
    rush_rounds: int
    rush_users: int
    rush_stock: int
    kill_seconds: float
    still_seconds: float
    faults_apart: bool
    users: int
    warm_up_seconds: float


FULL = Extent(
    rounds=3,
    report_seconds=5.0,
    closed_seconds=1.2,
    connections=(1, 10, 100, 400),
    open_rounds=2,
    open_seconds=3.0,
    rates=(500, 1000, 2000, 4000),
    rush_rounds=1,
    rush_users=20_000,
    rush_stock=1_000,
    kill_seconds=4.0,
    still_seconds=6.0,
    faults_apart=True,
    users=200_000,
    warm_up_seconds=3.0,
)
QUICK = Extent(
    rounds=1,
    report_seconds=2.0,
    closed_seconds=0.8,
    connections=(10, COMPARED_AT),
    open_rounds=1,
    open_seconds=1.2,
    rates=(500, 1500),
    rush_rounds=1,
    rush_users=2_000,
    rush_stock=100,
    kill_seconds=2.5,
    still_seconds=4.0,
    faults_apart=False,
    users=USERS_OF_THE_REPORT,
    warm_up_seconds=0.5,
)


@dataclass
class Compared:
    """Lists of rounds by the design's name.

    closed: by name and connections. opened: by name and rate.
    """

    report: dict[str, list[ReportRound]] = field(default_factory=dict)
    closed: dict[tuple[str, int], list[ClosedRound]] = field(default_factory=dict)
    opened: dict[tuple[str, int], list[OpenRound]] = field(default_factory=dict)
    rush: dict[str, list[RushRound]] = field(default_factory=dict)
    kills: list[Killed] = field(default_factory=list)


class Comparison:
    """The running designs and the load that they share."""

    def __init__(
        self, designs: Mapping[str, Design], connection: psycopg.Connection, extent: Extent
    ) -> None:
        self._designs = designs
        self._connection = connection
        self._extent = extent
        self.k6 = find_k6()
        self._crowd = Crowd(next(iter(designs.values())), extent.users)
        self.found = Compared()

    def warm_up(self, one_insert: Design) -> None:
        """Put a load on each design, without a result."""
        for design in self._turns("warm-up", 1, {one_insert.name: one_insert}):
            self._closed(design, COMPARED_AT, self._extent.warm_up_seconds)

    def report_load(self) -> None:
        """Measure the report's load on each design."""
        for design in self._turns("report's load", self._extent.rounds):
            seconds = self._extent.report_seconds
            found = report_round(design, self._crowd, self._connection, self.k6, seconds)
            self.found.report.setdefault(design.name, []).append(found)

    def closed_loop(self, one_insert: Design) -> None:
        """Measure without think time, at each number of connections.

        one_insert: our own design without its group commit, measured at COMPARED_AT only.
        """
        extent = self._extent
        for connections in extent.connections:
            extra = {one_insert.name: one_insert} if connections == COMPARED_AT else {}
            title = f"closed loop, {connections} connections"
            for design in self._turns(title, extent.rounds, extra):
                found = self._closed(design, connections, extent.closed_seconds)
                self.found.closed.setdefault((design.name, connections), []).append(found)

    def open_loop(self) -> None:
        """Measure fixed rates, ascending; a saturated design is not measured at higher rates."""
        saturated: set[str] = set()
        for rate in self._extent.rates:
            title = f"open loop, {rate} claims/s"
            for design in self._turns(title, self._extent.open_rounds):
                key = (design.name, rate)
                if design.name in saturated and key not in self.found.opened:
                    continue
                found = open_round(
                    design, self._crowd, self._connection, rate, self._extent.open_seconds
                )
                self.found.opened.setdefault(key, []).append(found)
                if found.saturated:
                    saturated.add(design.name)

    def rush(self) -> None:
        """Measure far more users than coupons, all at once."""
        extent = self._extent
        for design in self._turns("rush", extent.rush_rounds):
            found = rush_round(
                design, self._crowd, self._connection, extent.rush_users, extent.rush_stock
            )
            self.found.rush.setdefault(design.name, []).append(found)

    def kills(self) -> None:
        """Kill the processes of each design during a load."""
        for design in self._turns("faults", 1):
            for what, parts in victims(design, self._extent.faults_apart).items():
                progress(f"  {what}")
                self.found.kills.append(
                    kill_round(
                        design,
                        self._crowd,
                        self._connection,
                        what,
                        parts,
                        self._extent.kill_seconds,
                        self._extent.still_seconds,
                    )
                )

    def _closed(self, design: Design, connections: int, seconds: float) -> ClosedRound:
        with_memory = connections == COMPARED_AT
        return closed_round(
            design, self._crowd, self._connection, connections, seconds, with_memory
        )

    def _turns(
        self, title: str, rounds: int, extra: Mapping[str, Design] | None = None
    ) -> Iterator[Design]:
        """Each design in turn, the others suspended; each round starts with another design."""
        designs = {**self._designs, **(extra or {})}
        names = list(designs)
        for number in range(rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                progress(f"{title}, round {number + 1} of {rounds}: {name}")
                with alone(designs[name], designs):
                    yield designs[name]


@contextmanager
def comparison(stack: DisposableStack, extent: Extent) -> Iterator[tuple[Comparison, Design]]:
    """Start all designs, and also ours without its group commit."""
    with ExitStack() as running:
        progress("starting the designs")
        designs = running.enter_context(running_designs(stack))
        one_insert = running.enter_context(running_one_insert(stack))
        connection = running.enter_context(
            psycopg.connect(stack.database_url("ops"), autocommit=True)
        )
        progress(f"making {extent.users:,} tokens")
        yield Comparison(designs, connection, extent), one_insert
