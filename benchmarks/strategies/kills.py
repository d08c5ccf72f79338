"""Faults in the middle of a load, and what became of every claim that was answered with 202."""

import time
from collections.abc import Sequence
from threading import Thread
from typing import NamedTuple

import psycopg

from benchmarks.claiming import CONNECTIONS, FASTEST_PER_SECOND
from benchmarks.crowd import Crowd
from benchmarks.generator import Result
from benchmarks.load import create_coupon, generate
from benchmarks.strategies.issuing import await_all_issued
from benchmarks.strategies.peers import API, Design
from benchmarks.strategies.processes import Part
from coupons.gate import Gate, connect_gate
from coupons.model import GateState, Status

KILLED_AFTER = 0.3
"""Share of the load's time, counted from the first claim that was admitted."""
BEGUN_WITHIN_SECONDS = 60.0
_READ_AT_ONCE = 1_000


class Killed(NamedTuple):
    """After everything was started again and nothing moved any more.

    lost: answered 202, and never issued. double: coupons beyond one a user. marked_without_row:
    users whom Redis tells ISSUED and who have no coupon. down_s: from the kill until it was back.
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
    """What can happen to a design: a name, and the parts that go; not apart: all processes at once.

    Redis is emptied only apart from the others.
    """
    if not apart:
        return {f"kill -9 of {', '.join(design.parts)}": list(design.parts.values())}
    workers = {name: part for name, part in design.parts.items() if name != API}
    return {
        f"kill -9 of {API}": [design.parts[API]],
        f"kill -9 of {' and '.join(workers)}": list(workers.values()),
        "Redis is emptied": [_Emptied(design)],
    }


class _Emptied:
    """Redis as it is when it fails over to a replica that has nothing: it answers, and is empty."""

    def __init__(self, design: Design) -> None:
        self._design = design

    def pid(self) -> int:
        return self._design.stack.pid("valkey")

    def kill(self) -> None:
        connect_gate(self._design.environment["COUPON_REDIS_URL"]).client.flushall()

    def start(self) -> None:
        """Its gate stays closed: nobody rebuilds it here."""


def kill_round(
    design: Design,
    crowd: Crowd,
    connection: psycopg.Connection,
    what: str,
    parts: Sequence[Part],
    seconds: float,
    still_seconds: float,
) -> Killed:
    """Kill these parts in the middle of a load of 100 connections without a pause.

    They are started again at once, as a supervisor would; the load goes on to the end of `seconds`,
    over new connections where the old ones broke. still_seconds: what is not issued when nothing
    was for so long counts as lost.
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
    _await_begun(gate, coupon_id)
    time.sleep(seconds * KILLED_AFTER)
    down_s = _kill_and_start(parts)
    loading.join()
    [result] = results
    accepted = {users[place] for place in result.accepted}
    await_all_issued(connection, coupon_id, len(accepted), still_seconds)
    if accepted - _issued(connection, coupon_id).keys():
        # Claims whose answer was lost are issued too: the count alone does not tell.
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


def _await_begun(gate: Gate, coupon_id: int) -> None:
    deadline = time.monotonic() + BEGUN_WITHIN_SECONDS
    while time.monotonic() < deadline:
        figures = gate.figures([coupon_id])[0]
        if figures is not None and figures.admitted:
            return
        time.sleep(0.02)
    raise TimeoutError(f"nobody is admitted to coupon {coupon_id}")


def _kill_and_start(parts: Sequence[Part]) -> float:
    """How long it took until they were back, in seconds."""
    began = time.monotonic()
    for part in parts:
        part.kill()
    for part in parts:
        part.start()
    return time.monotonic() - began


def _issued(connection: psycopg.Connection, coupon_id: int) -> dict[int, int]:
    """How many coupons each user has."""
    return dict(
        connection.execute(
            "SELECT user_id, count(*) FROM issued_coupon WHERE coupon_id = %s GROUP BY user_id",
            [coupon_id],
        ).fetchall()
    )


def _marked(gate: Gate, coupon_id: int, users: Sequence[int]) -> set[int]:
    """Those of the users whom the gate says ISSUED to; nobody when it is closed."""
    marked: set[int] = set()
    for at in range(0, len(users), _READ_AT_ONCE):
        found = gate.read(coupon_id, users[at : at + _READ_AT_ONCE])
        if isinstance(found, GateState):
            return set()
        marked |= {each.user_id for each in found if each and each.status is Status.ISSUED}
    return marked
