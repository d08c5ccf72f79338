"""A room and a list that Redis loses while people arrive and claim; no stack is needed."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from threading import Event
from types import ModuleType

import psycopg
import pytest

from chaos import guests, visitors
from chaos.callers import meanwhile
from chaos.checkers import lists, responses, rooms
from chaos.evidence import Evidence
from chaos.guests import Guests, is_refused
from chaos.history import Disturbance, History
from chaos.link import Link
from chaos.stores import read_ledger
from chaos.terms import read_lists, read_rooms
from chaos.verdict import violations
from chaos.visitors import Visitors
from coupons.gate import Gate
from coupons.gate.values import coupon_key
from coupons.ledger.connection import connect_ledger
from coupons.model import GateState
from coupons.waiting import eventually
from reconciler.routine_pass import run_pass
from tests.support.api import SECRET
from tests.support.api_process import Server
from tests.support.databases import Database

THREADS = 3
WITHIN_SECONDS = 60
ADMITTED = 150
"""Enough that some of them claimed shortly before their turn."""


def reconcile(gate: Gate, database: Database, stop: Event) -> None:
    """What the reconciler does."""
    with closing(connect_ledger(database.url("coupon_reconciler"), "test")) as connection:
        while not stop.wait(0.05):
            list(run_pass(gate, connection, pending_after_s=1.0))


@pytest.fixture
def caller(server: Server, gate: Gate, database: Database) -> Iterator[tuple[str, str]]:
    """Of an API beside which passes run."""
    with meanwhile([partial(reconcile, gate, database)]):
        yield f"http://127.0.0.1:{server.port}", SECRET


def broken(gate: Gate, database: Database, history: History, *of: ModuleType) -> list[str]:
    """What these checkers find; consumers do not run."""
    url = database.url("coupon_owner")
    with psycopg.connect(url) as owner:
        rows = read_ledger(owner, history.coupon_ids)
    evidence = Evidence(
        **rows,
        rooms=read_rooms(url, history),
        lists=read_lists(gate, url, history),
    )
    found = violations(history, evidence)
    return [each for each in found if any(hasattr(m, each.partition(":")[0]) for m in of)]


def test_tickets_bring_back_the_places_that_redis_lost_in_the_rush(
    caller: tuple[str, str], gate: Gate, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People arrive and claim meanwhile; who had the turn gets it, and nobody else's place."""
    monkeypatch.setattr(visitors, "RATE", 30)
    monkeypatch.setattr(visitors, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(visitors, "OPENS_AFTER_SECONDS", 3.0)
    monkeypatch.setattr(visitors, "TOO_EARLY", 0.6)
    history = History()
    room = Visitors(caller, history, "a rush")

    def brought_back(since: float) -> int:
        """Claims that were refused though the turn had come, and accepted afterwards."""
        placed = {each.user_id for each in history.arrivals if each.ticket and each.ended < since}
        late = [each for each in list(history.responses) if each.began > since]
        refused = {each.user_id for each in late if each.reason == "not_your_turn"}
        return len({each.user_id for each in late if each.accepted} & placed & refused)

    def is_open() -> bool:
        [figures] = gate.figures(history.coupon_ids)
        return figures is not None and figures.state is GateState.OPEN

    with room.visiting(THREADS):
        eventually(lambda: not room.check(), WITHIN_SECONDS, "turns come")
        began = time.monotonic()
        gate.client.flushall()
        eventually(is_open, WITHIN_SECONDS, "the gate is rebuilt")
        history.disturbances.append(Disturbance(("redis flushed",), began, time.monotonic()))
        eventually(lambda: brought_back(began) > 2, WITHIN_SECONDS, "turns are kept")
        eventually(lambda: history.statuses()[202] > ADMITTED, WITHIN_SECONDS, "turns come")
    room.come_back()

    assert room.complaints == []
    assert broken(gate, database, history, rooms, responses) == []


def _lose_the_chunks(gate: Gate, coupon_id: int, _: Link) -> None:
    """The list alone, as by a mistake or a key that is evicted."""
    gate.client.delete(*gate.client.scan_iter(f"{coupon_key(coupon_id)}:audience:*"))


def _lose_everything(gate: Gate, _coupon_id: int, _: Link) -> None:
    gate.client.flushall()


def _lose_answers(_gate: Gate, _coupon_id: int, redis_link: Link) -> None:
    redis_link.break_next(20, "answers")


@pytest.mark.parametrize("lose", [_lose_the_chunks, _lose_everything, _lose_answers])
def test_a_list_that_the_gate_loses_admits_nobody_else(
    caller: tuple[str, str],
    gate: Gate,
    database: Database,
    redis_link: Link,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[Gate, int, Link], None],
) -> None:
    """Users claim and the list is replaced meanwhile: the one in force decides, or nobody."""
    monkeypatch.setattr(guests, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(guests, "REPLACED_AFTER_SECONDS", 0.5)
    monkeypatch.setattr(guests, "EVERYBODY", 0.0)
    history = History()
    sale = Guests(caller, history, "a list")
    [coupon_id] = history.coupon_ids

    def decided(since: float) -> bool:
        late = [each for each in list(history.responses) if each.began > since]
        replaced = sum(since < each.began and each.ended < since + 1e6 for each in history.lists)
        return (
            replaced > 1 and any(each.status == 202 for each in late) and any(map(is_refused, late))
        )

    with sale.claiming():
        eventually(lambda: not sale.check(), WITHIN_SECONDS, "a list decides")
        for _ in range(3):
            began = time.monotonic()
            lose(gate, coupon_id, redis_link)
            eventually(partial(decided, began), WITHIN_SECONDS, "a list decides again")

    assert sale.complaints == []
    assert broken(gate, database, history, lists, responses) == []
