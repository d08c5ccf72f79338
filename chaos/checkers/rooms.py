"""Promises about waiting rooms: a position is one user's, kept by the ticket, and is waited for."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chaos.admissions import Arrival, Room, number_of
from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import FAILED, History, Key

EXPECTED_STATUSES = (200, 503, 0)
"""The room of a trial is never sold out nor closed."""
LOSES_REDIS = ("kill valkey", "redis flushed", "redis restored")
ROUNDING_SECONDS = 0.000_002


def an_arrival_gets_an_expected_answer(history: History, _: Evidence) -> list[str]:
    """200 with a ticket, 503 or a lost connection; the turn that is named is the position's."""
    rates = {room.coupon_id: room.rate for room in history.rooms}
    complaints = []
    for each in history.arrivals:
        if each.status not in EXPECTED_STATUSES or (each.status == 200) != bool(each.ticket):
            complaints.append(str(each))
        elif each.position is not None:
            expected = (each.opens_at or 0.0) + each.position / rates[each.coupon_id]
            if abs((each.turn_at or 0.0) - expected) > ROUNDING_SECONDS:
                complaints.append(f"{each}: its turn is named {each.turn_at} and is {expected}")
    return complaints


def a_position_is_what_the_number_says(history: History, evidence: Evidence) -> list[str]:
    """By arrival the same; by lot what everybody can compute from the lot, which is drawn once."""
    by_lot = {room.coupon_id for room in history.rooms if room.by_lot}
    complaints = []
    for each in _answered(history.arrivals):
        expected: int | None = each.number
        if each.coupon_id in by_lot:
            expected = evidence.rooms[each.coupon_id].position(each.number)
            if each.position is None:
                continue  # it was not drawn then
        if each.position != expected:
            complaints.append(f"{each}: its position is {expected}")
    return complaints


def no_position_is_given_twice(history: History, _: Evidence) -> list[str]:
    """Whatever Redis loses, two users never have the same turn, nor the same number."""
    users: dict[tuple[int, str, int], set[int]] = defaultdict(set)
    for each in _answered(history.arrivals):
        users[each.coupon_id, "number", each.number].add(each.user_id)
        if each.position is not None:
            users[each.coupon_id, "position", each.position].add(each.user_id)
    return [
        f"{what} {number} of coupon {coupon_id} was given to users {sorted(found)}"
        for (coupon_id, what, number), found in users.items()
        if len(found) > 1
    ]


def every_number_was_reserved(history: History, evidence: Evidence) -> list[str]:
    """A number is given after the ledger has it: what is given next begins behind."""
    following = {coupon_id: now.next_number for coupon_id, now in evidence.rooms.items()}
    return [
        f"{each}: the ledger has reserved the numbers below {following.get(each.coupon_id)}"
        for each in _answered(history.arrivals)
        if each.number >= following.get(each.coupon_id, 0)
    ]


def a_ticket_keeps_its_position(history: History, _: Evidence) -> list[str]:
    """Who sends a ticket has its number, or an earlier one that was theirs before."""
    return [
        f"{each}: its ticket was for {number_of(each.sent)}"
        for each in _answered(history.arrivals)
        if each.sent and each.number > number_of(each.sent)
    ]


def who_arrives_later_stands_behind(history: History, _: Evidence) -> list[str]:
    """Nobody whose first call came after another's answer has an earlier number."""
    complaints = []
    for room in history.rooms:
        calls = [each for each in history.arrivals if each.coupon_id == room.coupon_id]
        highest = _Highest(calls)
        began = _first_began(calls)
        for each in _answered(calls):
            before = highest.answered_before(began[each.key])
            if each.number < before:
                complaints.append(f"{each}: {before} was given before this user came")
    return complaints


def nobody_is_admitted_before_the_turn(history: History, evidence: Evidence) -> list[str]:
    """Whoever has a request had arrived, and their turn had come, by the gate's clock."""
    complaints = []
    for room in history.rooms:
        best = _best_positions(room, history.arrivals, evidence)
        for request in evidence.requests:
            if request.coupon_id != room.coupon_id:
                continue
            key, at = (request.coupon_id, request.user_id), request.requested_at_us / 1_000_000
            position = best.get(key)
            if position is None:
                complaints.append(f"{named(key)} has a request, and never arrived")
            elif at < (turn_at := room.turn_at(position)) - ROUNDING_SECONDS:
                complaints.append(f"{named(key)} was admitted {turn_at - at:.3f} s before the turn")
    return complaints


def who_has_the_turn_is_not_refused(history: History, _: Evidence) -> list[str]:
    """A claim at the turn is refused as too early only if Redis lost something since the arrival.

    The arrival with the ticket is repeated then, and brings the position back.
    """
    answered: dict[Key, list[Arrival]] = defaultdict(list)
    for each in _answered(history.arrivals):
        answered[each.key].append(each)
    complaints = []
    for response in history.responses:
        if response.reason != "not_your_turn":
            continue
        before = [each for each in answered[response.key] if each.ended <= response.began]
        last = max(before, key=lambda each: each.ended, default=None)
        began_at = response.at - (response.ended - response.began)
        if last is None or last.turn_at is None or began_at < last.turn_at:
            continue
        if not _lost_between(history, last.began, response.ended):
            complaints.append(f"{response}: the turn came {began_at - last.turn_at:.3f} s before")
    return complaints


def _answered(arrivals: Iterable[Arrival]) -> list[Arrival]:
    return [each for each in arrivals if each.ticket]


def _first_began(calls: Iterable[Arrival]) -> Mapping[Key, float]:
    began: dict[Key, float] = {}
    for each in calls:
        began[each.key] = min(each.began, began.get(each.key, each.began))
    return began


def _lost_between(history: History, began: float, ended: float) -> bool:
    return any(
        each.began <= ended and each.ended >= began
        for each in history.disturbances
        if set(each.faults) & set(LOSES_REDIS)
    )


class _Highest:
    """The highest number that was answered before a moment."""

    def __init__(self, calls: Sequence[Arrival]) -> None:
        answered = sorted(_answered(calls), key=lambda each: each.ended)
        self._ended = [each.ended for each in answered]
        self._highest = [-1]
        for each in answered:
            self._highest.append(max(self._highest[-1], each.number))

    def answered_before(self, moment: float) -> int:
        return self._highest[bisect_left(self._ended, moment)]


def _best_positions(
    room: Room, arrivals: Sequence[Arrival], evidence: Evidence
) -> Mapping[Key, int]:
    """The earliest position that each user can have had.

    A call without an answer may have given one: it is behind those that were answered before it. By
    lot it is what the lot makes of the ticket's number, or any without a ticket.
    """
    calls = [each for each in arrivals if each.coupon_id == room.coupon_id]
    highest = _Highest(calls)
    best: dict[Key, int] = {}
    for each in calls:
        if each.position is not None:
            possible = each.position
        elif each.status in FAILED:
            possible = highest.answered_before(each.began) + 1
            if room.by_lot:
                drawn = each.sent and evidence.rooms[room.coupon_id].position(number_of(each.sent))
                possible = drawn or 0
        else:
            continue
        best[each.key] = min(possible, best.get(each.key, possible))
    return best
