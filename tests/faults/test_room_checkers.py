"""The checkers of waiting rooms find what they are for, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.admissions import Arrival, Room
from chaos.checkers import rooms
from chaos.evidence import Evidence
from chaos.history import Disturbance, History, Response, Stock
from chaos.terms import RoomNow
from chaos.verdict import violations
from coupons.model import IssueRequest, Status

COUPON, RATE, OPENS_AT = 1, 10, 1_000.0
ROOM = Room(COUPON, OPENS_AT, RATE)


def arrival(user: int, position: int, began: float, sent: str = "") -> Arrival:
    """Answered half a second later."""
    turn_at, ticket = ROOM.turn_at(position), f"{position}.signed"
    ended = began + 0.5
    return Arrival(COUPON, user, sent, 200, "", position, OPENS_AT, turn_at, ticket, began, ended)


def lost(user: int, began: float) -> Arrival:
    return Arrival(COUPON, user, "", 0, "TimeoutError", None, None, None, "", began, began + 0.5)


def claim(user: int, at: float, reason: str = "") -> Response:
    """Clocks are chosen so that monotonic seconds are those since 1970."""
    status = 409 if reason else 202
    where = f"/issue-requests/{user}"
    return Response(COUPON, user, status, reason, "", where, at - 0.1, at, at)


def admitted(user: int, at: float) -> IssueRequest:
    return IssueRequest(COUPON, user, int(at * 1_000_000), Status.ISSUED)


def fine() -> History:
    """Two arrive in order, a third one's answer is lost; one comes back with the ticket."""
    return History(
        rooms=[ROOM],
        stocks={COUPON: [Stock(100, 0.0, 0.0)]},
        arrivals=[
            arrival(7, 0, 990.0),
            arrival(8, 20, 991.0),
            lost(9, 992.0),
            arrival(8, 20, 1_001.0, sent="20.signed"),
            arrival(9, 230, 1_003.0),
        ],
        responses=[claim(7, 1_000.5), claim(8, 1_001.0, "not_your_turn"), claim(8, 1_002.5)],
    )


HELD = Evidence(requests=[admitted(7, 1_000.4), admitted(8, 1_002.4)], rooms={COUPON: RoomNow(400)})


def broken(history: History, evidence: Evidence = HELD) -> set[str]:
    found = violations(history, evidence)
    return {name for each in found if hasattr(rooms, name := each.partition(":")[0])}


def test_a_room_that_kept_its_promises_is_fine() -> None:
    assert broken(fine()) == set()


def test_who_may_have_had_an_earlier_place_may_claim_by_it() -> None:
    """The answer with a place was lost: the one that is known came after Redis had lost it."""
    evidence = replace(HELD, requests=[*HELD.requests, admitted(9, 1_002.2)])
    assert broken(fine(), evidence) == set()
    evidence = replace(HELD, requests=[*HELD.requests, admitted(9, 1_002.0)])
    assert broken(fine(), evidence) == {"nobody_is_admitted_before_the_turn"}


def test_a_place_that_redis_lost_may_be_refused_until_the_ticket_brings_it_back() -> None:
    history = fine()
    history.responses.append(claim(8, 1_004.0, "not_your_turn"))
    assert broken(history) == {"who_has_the_turn_is_not_refused"}
    history.disturbances.append(Disturbance(("redis flushed",), 1_003.0, 1_003.5))
    assert broken(history) == set()
    history.arrivals.append(arrival(8, 20, 1_004.5, sent="20.signed"))
    history.responses.append(claim(8, 1_006.0, "not_your_turn"))
    assert broken(history) == {"who_has_the_turn_is_not_refused"}


def test_faults_of_other_parts_lose_nobodys_place() -> None:
    history = fine()
    history.responses.append(claim(8, 1_004.0, "not_your_turn"))
    history.disturbances.append(Disturbance(("kill connect",), 1_003.0, 1_003.5))
    assert broken(history) == {"who_has_the_turn_is_not_refused"}


def _refuse_an_arrival(history: History) -> None:
    history.arrivals.append(replace(lost(10, 1_005.0), status=404, reason="not-found"))


def _name_another_turn(history: History) -> None:
    history.arrivals[4] = replace(history.arrivals[4], turn_at=ROOM.turn_at(231))


def _give_no_ticket(history: History) -> None:
    history.arrivals.append(replace(lost(10, 1_005.0), status=200))


def _give_another_position(history: History) -> None:
    turn_at = ROOM.turn_at(229)
    history.arrivals[4] = replace(history.arrivals[4], position=229, turn_at=turn_at)


def _give_a_position_twice(history: History) -> None:
    history.arrivals.append(arrival(10, 230, 1_003.2))


def _give_what_is_not_reserved(history: History) -> None:
    history.arrivals.append(arrival(10, 400, 1_005.0))


def _lose_a_ticket(history: History) -> None:
    history.arrivals.append(arrival(8, 240, 1_005.0, sent="20.signed"))


def _let_one_stand_before(history: History) -> None:
    history.arrivals.append(arrival(10, 25, 1_005.0))


@pytest.mark.parametrize(
    ("make_wrong", "checker"),
    [
        (_refuse_an_arrival, "an_arrival_gets_an_expected_answer"),
        (_name_another_turn, "an_arrival_gets_an_expected_answer"),
        (_give_no_ticket, "an_arrival_gets_an_expected_answer"),
        (_give_another_position, "a_position_is_what_the_number_says"),
        (_give_a_position_twice, "no_position_is_given_twice"),
        (_give_what_is_not_reserved, "every_number_was_reserved"),
        (_lose_a_ticket, "a_ticket_keeps_its_position"),
        (_let_one_stand_before, "who_arrives_later_stands_behind"),
    ],
)
def test_a_broken_promise_of_a_room_is_found(
    make_wrong: Callable[[History], None], checker: str
) -> None:
    history = fine()
    make_wrong(history)
    assert broken(history) == {checker}


def by_lot(position: int | None, number: int) -> set[str]:
    """What is found when this number has this position, by a lot among four."""
    room, now = replace(ROOM, by_lot=True), RoomNow(400, 4, "a key")
    turn_at = None if position is None else ROOM.turn_at(position)
    got = replace(arrival(7, 0, 990.0), position=position, turn_at=turn_at, ticket=f"{number}.x")
    return broken(History(rooms=[room], arrivals=[got]), Evidence(rooms={COUPON: now}))


def test_a_position_that_the_lot_does_not_give_is_found() -> None:
    given = RoomNow(400, 4, "a key").position
    assert sorted(given(number) or 0 for number in range(4)) == [0, 1, 2, 3]
    assert by_lot(given(2), 2) == by_lot(7, 7) == by_lot(None, 2) == set()
    assert by_lot(given(1), 2) == by_lot(8, 7) == {"a_position_is_what_the_number_says"}


@pytest.mark.parametrize("request_", [admitted(8, 1_001.9), admitted(10, 1_100.0)])
def test_who_is_admitted_early_or_without_arriving_is_found(request_: IssueRequest) -> None:
    evidence = replace(HELD, requests=[HELD.requests[0], request_])
    assert broken(fine(), evidence) == {"nobody_is_admitted_before_the_turn"}


def test_by_lot_the_ticket_of_a_lost_call_says_which_turn_it_may_have_had() -> None:
    """Without a ticket it may be any."""
    room, now = replace(ROOM, by_lot=True), RoomNow(400, 4, "a key")
    position = now.position(2)
    assert position

    def found(sent: str) -> set[str]:
        again = replace(lost(7, 991.0), sent=sent)
        known = replace(arrival(7, 2, 990.0), position=position, turn_at=room.turn_at(position))
        history = History(rooms=[room], stocks=fine().stocks, arrivals=[known, again])
        early = admitted(7, room.turn_at(position) - 0.05)
        return broken(history, Evidence(requests=[early], rooms={COUPON: now}))

    assert found("") == set()
    assert found("2.signed") == {"nobody_is_admitted_before_the_turn"}
