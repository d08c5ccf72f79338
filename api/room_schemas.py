"""JSON forms of waiting in a room, and how long a client shall leave the API alone."""

from math import ceil
from random import random
from typing import NotRequired

from typing_extensions import TypedDict

from api.arrivals import Arrived
from api.problems import Problem, ProblemType
from api.room_terms import RoomView
from api.schemas import Count, Id, Time, rfc3339_of
from coupons.gate.waiting_room import LOT_SECONDS, Waiting
from coupons.ledger.waiting_rooms import Lot
from coupons.model import Claim
from coupons.rooms import RoomOrder

FAR_SECONDS = 300
"""Whose turn is further away asks again after this and up to FAR_SPREAD_SECONDS more: the opening
may be moved, and the rate raised."""
FAR_SPREAD_SECONDS = 60
LOT_SPREAD_SECONDS = 90
"""When the lot is drawn, those who wait for it ask over so many of the LOT_SECONDS."""


class WaitingView(TypedDict):
    """A user in a waiting room.

    position: how many have their turn earlier; null: the lot is not drawn yet. people_before: those
    of them whose turn has not come. turn_at: from when the user may claim; estimated_seconds: until
    then. lot_at: when the lot is drawn; left out by arrival. ticket: brings the user back to the
    same position after the API has lost it: keep it, and send it with every arrival.
    """

    coupon_id: Id
    user_id: Id
    is_your_turn: bool
    position: Count | None
    people_before: Count | None
    estimated_seconds: Count | None
    turn_at: Time | None
    opens_at: Time
    lot_at: NotRequired[Time]
    arrived: Count
    ticket: str


class LotView(TypedDict):
    """The lot of a room. Who has a ticket's number and this can compute the position."""

    size: Count
    key: str


class RoomSettingsView(TypedDict):
    """A coupon's waiting room; null: it has none. lot: null: there is none, or it is not drawn."""

    waiting_room: RoomView | None
    lot: LotView | None


def view_waiting(coupon_id: int, user_id: int, arrived: Arrived) -> WaitingView:
    """The JSON form."""
    waiting = arrived.waiting
    turn_at_us, seconds = waiting.turn_at_us, _seconds_until_turn(waiting)
    view: WaitingView = {
        "coupon_id": str(coupon_id),
        "user_id": str(user_id),
        "is_your_turn": seconds == 0,
        "position": waiting.position,
        "people_before": waiting.people_before,
        "estimated_seconds": seconds,
        "turn_at": None if turn_at_us is None else rfc3339_of(turn_at_us),
        "opens_at": rfc3339_of(waiting.opens_at_us),
        "arrived": waiting.arrived,
        "ticket": arrived.ticket,
    }
    if waiting.room.order is RoomOrder.LOT:
        view["lot_at"] = rfc3339_of(waiting.opens_at_us - LOT_SECONDS * 1_000_000)
    return view


def view_lot(lot: Lot | None) -> LotView | None:
    """The JSON form."""
    return None if lot is None else {"size": lot.size, "key": lot.key}


def retry_headers(waiting: Waiting) -> dict[str, str]:
    """Retry-After, when asking again says something new; without: it is the user's turn."""
    seconds = _seconds_until_turn(waiting)
    if seconds == 0:
        return {}
    if seconds is None:
        until_lot_us = waiting.opens_at_us - waiting.now_us - LOT_SECONDS * 1_000_000
        # Spread: all who wait for the lot would ask at the same moment.
        seconds = ceil(max(0, until_lot_us) / 1_000_000 + 1 + random() * LOT_SPREAD_SECONDS)  # noqa: S311
    if seconds > FAR_SECONDS:
        seconds = min(seconds, FAR_SECONDS + int(random() * FAR_SPREAD_SECONDS))  # noqa: S311
    return {"retry-after": str(seconds)}


def not_your_turn(claim: Claim, arrived: Arrived | None) -> Problem:
    """The problem of a claim that came before its turn. None: the user has not arrived."""
    what = f"The claim of coupon {claim.coupon_id} is before your turn"
    if arrived is None:
        return Problem(
            ProblemType.NOT_YOUR_TURN,
            f"{what}: arrive first, with POST /coupons/{claim.coupon_id}/waiting-room.",
            reason="not_your_turn",
            turn_at=None,
        )
    turn_at_us = arrived.waiting.turn_at_us
    return Problem(
        ProblemType.NOT_YOUR_TURN,
        f"{what}: wait as long as Retry-After says.",
        retry_headers(arrived.waiting) or {"retry-after": "1"},  # it has come meanwhile
        reason="not_your_turn",
        turn_at=None if turn_at_us is None else rfc3339_of(turn_at_us),
    )


def _seconds_until_turn(waiting: Waiting) -> int | None:
    if waiting.turn_at_us is None:
        return None
    return max(0, ceil((waiting.turn_at_us - waiting.now_us) / 1_000_000))
