"""Tickets of coupons without a room cost the only thread of arrivals next to nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from api import ticket_keys
from api.arrivals import Arrivals, Arrived, NotATicket, WantedPosition
from coupons.errors import LedgerUnavailable
from coupons.ledger.waiting_rooms import find_ticket_keys
from coupons.rooms import WaitingRoom
from tests.support.rooms import OpenHall

FORGED = "0." + "0" * 32
NOT_THERE = range(900_000, 900_050)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """The coupons of each query for keys."""
    queries: list[set[int]] = []

    def counted(connection: Any, coupon_ids: Any) -> dict[int, str]:
        queries.append(set(coupon_ids))
        return find_ticket_keys(connection, coupon_ids)

    monkeypatch.setattr(ticket_keys, "find_ticket_keys", counted)
    return queries


def forged(*coupon_ids: int) -> list[WantedPosition]:
    """Two arrivals at each."""
    return [WantedPosition(each, user, ticket=FORGED) for each in coupon_ids for user in (1, 2)]


def test_a_batch_asks_once_for_all_its_tickets_and_the_next_not_again(
    open_hall: OpenHall, asked: list[set[int]]
) -> None:
    hall = open_hall()
    ticket = hall.arrive(1)[0].number, hall.tickets[1]
    asked.clear()
    arrivals = Arrivals(hall.gate, hall.pool)
    mine = WantedPosition(hall.coupon_id, 1, ticket=ticket[1])
    for _ in range(2):
        *others, found = arrivals.take([*forged(*NOT_THERE), mine])
        assert {type(each) for each in others} == {NotATicket}
        assert isinstance(found, Arrived)
    assert asked == [{*NOT_THERE, hall.coupon_id}]


def test_a_batch_does_not_ask_a_ledger_again_that_is_away(
    open_hall: OpenHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt waits for seconds."""
    hall, attempts = open_hall(), []

    @contextmanager
    def away(_: object) -> Iterator[None]:
        attempts.append(1)
        raise LedgerUnavailable("away")
        yield

    monkeypatch.setattr(ticket_keys, "pooled", away)
    found = Arrivals(hall.gate, hall.pool).take([*forged(*NOT_THERE), *forged(hall.coupon_id)])
    assert {type(each) for each in found} == {LedgerUnavailable}
    assert len(attempts) == 1


def test_a_room_that_is_set_meanwhile_gives_tickets_at_once(
    open_hall: OpenHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it is remembered that there was none."""
    monkeypatch.setattr(ticket_keys, "NO_KEY_SECONDS", 600.0)
    hall = open_hall()
    hall.arrivals = Arrivals(hall.gate, hall.pool)
    hall.arrivals._known_keys.learn([hall.coupon_id], {})
    assert isinstance(hall.coupon.room, WaitingRoom)
    assert hall.numbers(1) == [0]
