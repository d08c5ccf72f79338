"""Visitors and guests of whom nothing was seen are a complaint: else checkers would be green."""

import time
from typing import Any

import pytest

from chaos import guests, visitors
from chaos.admissions import Arrival
from chaos.guests import Guests
from chaos.history import History, Response
from chaos.visitors import Visitors

COUPON = 1


class Obliging:
    """An API that does what administrators want."""

    def __init__(self, *_: str) -> None:
        """Nothing to connect to."""

    def create_coupon(self, *_: object) -> int:
        return COUPON

    def call_once(self, *_: object, **__: object) -> tuple[int, str, dict[str, Any]]:
        return 200, "", {"id": "an-upload", "is_effective": True}

    def close(self) -> None:
        """Nothing to do."""


def answered(status: int, reason: str = "") -> Response:
    return Response(COUPON, 1, status, reason, "", "", 0.0, 1.0, 1.0)


def test_a_room_that_lets_nobody_wait_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "Caller", Obliging)
    history = History()
    room = Visitors(("", ""), history, "idle")
    history.add([answered(503, "gate-closed"), answered(409, "not_open")])
    assert room.check() == "nobody was admitted from a waiting room"
    history.add([answered(202)])
    assert room.check() == "nobody claimed before the turn"
    history.add([answered(409, "not_your_turn")])
    assert room.check() == ""


def test_a_lot_that_nobody_saw_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "Caller", Obliging)
    history = History()
    room = Visitors(("", ""), history, "idle", by_lot=True)

    def arrive(position: int | None) -> None:
        ticket = "3.signed"
        history.add_arrival(Arrival(COUPON, 1, "", 200, "", position, None, None, ticket, 0.0, 1.0))

    unseen = "no position was seen that a lot has given"
    assert room.check_lot() == unseen
    arrive(None)
    arrive(3)
    assert room.check_lot() == unseen
    arrive(2)
    assert room.check_lot() == ""
    room._is_waiting_for_lot = False
    history.rooms[0].opens_at = time.time() - 1
    assert room.check_lot() == ""
    history.rooms[0].opens_at -= visitors.ADMITS_WITHIN_SECONDS
    assert room.check_lot() == "nobody was admitted from a waiting room by lot"
    history.add([answered(202)])
    assert room.check_lot() == ""


def test_a_list_that_decides_nothing_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "Caller", Obliging)
    history = History()
    sale = Guests(("", ""), history, "idle")
    history.add([answered(503, "gate-closed")])
    assert sale.check() == "nobody was admitted by a list"
    history.add([answered(202)])
    assert sale.check() == "nobody was refused by a list"
    history.add([answered(403, "not-eligible")])
    assert sale.check() == ""
