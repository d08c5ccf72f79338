"""Faults during a load, and the result of every claim that was answered with 202."""

import time
from collections.abc import Sequence
from threading import Thread
from typing import NamedTuple

import psycopg

from benchmarks.harness.processes import Part
from benchmarks.load.claims import generate
from benchmarks.load.coupons import create_coupon
from benchmarks.load.crowd import Crowd
from benchmarks.load.generator import Result
from benchmarks.load.issued import await_all_issued
from benchmarks.load.rounds import CONNECTIONS, FASTEST_PER_SECOND
from benchmarks.strategies.running import API, Design
from coupons.gate import Gate, connect_gate
from coupons.model import GateState, Status

KILLED_AFTER = 0.3
"""Share of the load's time, from the first admitted claim on."""
ADMITTED_WITHIN_SECONDS = 60.0
_READ_AT_ONCE = 1_000


class Killed(NamedTuple):
    """Counts after the restart, once no more coupons are issued.

    what: the fault. lost: claims answered 202 and never issued. double: coupons beyond one for a
    user. marked_without_row: users who are ISSUED in Redis and have no coupon. down_s: from the
    fault until the restart was complete.
    """

    design: str
    what: str
    accepted: int
    errors: int
    issued: int
    lost: int
    double: int
    marked_without_row: int
    down_s: float


def victims(design: Design, apart: bool) -> dict[str, list[Part]]:
    """Faults of a design: a name, and the parts that are killed.

    apart: one fault for each kind of process, and an empty Redis; otherwise all processes at once.
    """
    if not apart:
        return {f"kill -9 of {', '.join(design.parts)}": list(design.parts.values())}
    workers = {name: part for name, part in design.parts.items() if name != API}
    return {
        f"kill -9 of {API}": [design.parts[API]],
        f"kill -9 of {' and '.join(workers)}": list(workers.values()),
        "Redis is emptied": [_EmptyRedis(design)],
    }


class _EmptyRedis:
    """Redis without data, as after a failover to an empty replica."""

    def __init__(self, design: Design) -> None:
        self._design = design

    def pid(self) -> int:
        return self._design.stack.pid("valkey")

    def kill(self) -> None:
        connect_gate(self._design.environment["COUPON_REDIS_URL"]).client.flushall()

    def start(self) -> None:
        """Nothing to do: the gate stays unavailable, because no reconciler is active here."""


def kill_round(
    design: Design,
    crowd: Crowd,
    connection: psycopg.Connection,
    what: str,
    parts: Sequence[Part],
    seconds: float,
    still_seconds: float,
) -> Killed:
    """Kill these parts during a load of 100 connections without a pause.

    They are started again at once, as a supervisor would do. The load continues to the end of
    `seconds`; broken connections are replaced. still_seconds: claims that are not issued after so
    long without any progress count as lost.
    """
    coupon_id = create_coupon(design)
    users = crowd.users(int(seconds * FASTEST_PER_SECOND))
    claims = crowd.claims(coupon_id, users)
    results: list[Result] = []

    def load() -> None:
        results.append(generate(design, claims, CONNECTIONS, seconds, reconnect=True))

    loading = Thread(target=load)
    gate = connect_gate(design.environment["COUPON_REDIS_URL"])
    loading.start()
    _await_first_admission(gate, coupon_id)
    time.sleep(seconds * KILLED_AFTER)
    down_s = _kill_and_start(parts)
    loading.join()
    [result] = results
    accepted = {users[index] for index in result.accepted}
    await_all_issued(connection, coupon_id, len(accepted), still_seconds)
    if accepted - _issued(connection, coupon_id).keys():
        # Claims whose response was lost are issued too, so the count was reached without some.
        await_all_issued(connection, coupon_id, len(users), still_seconds)
    marked = _marked(gate, coupon_id, users)
    issued = _issued(connection, coupon_id)
    return Killed(
        design.name,
        what,
        len(accepted),
        sum(result.statuses.values()) - result.statuses["202"],
        len(issued),
        len(accepted - issued.keys()),
        sum(issued.values()) - len(issued),
        len(marked - issued.keys()),
        down_s,
    )


def _await_first_admission(gate: Gate, coupon_id: int) -> None:
    deadline = time.monotonic() + ADMITTED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        figures = gate.figures([coupon_id])[0]
        if figures is not None and figures.admitted:
            return
        time.sleep(0.02)
    raise TimeoutError(f"no claim on coupon {coupon_id} is admitted")


def _kill_and_start(parts: Sequence[Part]) -> float:
    """Seconds until all of them are ready again."""
    began = time.monotonic()
    for part in parts:
        part.kill()
    for part in parts:
        part.start()
    return time.monotonic() - began


def _issued(connection: psycopg.Connection, coupon_id: int) -> dict[int, int]:
    """Number of coupons by user."""
    return dict(
        connection.execute(
            "SELECT user_id, count(*) FROM issued_coupon WHERE coupon_id = %s GROUP BY user_id",
            [coupon_id],
        ).fetchall()
    )


def _marked(gate: Gate, coupon_id: int, users: Sequence[int]) -> set[int]:
    """Users whose request is ISSUED at the gate; none when the gate is unavailable."""
    marked: set[int] = set()
    for at in range(0, len(users), _READ_AT_ONCE):
        found = gate.read(coupon_id, users[at : at + _READ_AT_ONCE])
        if isinstance(found, GateState):
            return set()
        marked |= {each.user_id for each in found if each and each.status is Status.ISSUED}
    return marked
