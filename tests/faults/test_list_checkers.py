"""The checkers of lists and of rehearsals find what they are for, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest

from chaos.admissions import Intruder, UserList
from chaos.checkers import lists, rehearsals, responses
from chaos.evidence import Evidence
from chaos.history import History, Response, Stock
from chaos.remains import Left
from chaos.terms import ListNow
from chaos.verdict import violations
from coupons.ids import request_id
from coupons.model import IssueRequest, Status

COUPON, REHEARSAL = 1, 2


def user_list(users: set[int] | None, began: float, ended: float) -> UserList:
    """Clocks are chosen so that monotonic seconds are those since 1970."""
    return UserList(
        COUPON, users if users is None else frozenset(users), began, began, ended, ended
    )


def answer(user: int, at: float, status: int = 202) -> Response:
    reason = "not-eligible" if status == 403 else ""
    where = f"/issue-requests/{request_id(COUPON, user)}"
    return Response(COUPON, user, status, reason, "", where, at - 0.1, at, at)


def admitted(user: int, at: float) -> IssueRequest:
    return IssueRequest(COUPON, user, int(at * 1_000_000), Status.ISSUED)


def fine() -> History:
    """1 and 2 are listed from second 0 on, then 2 and 3 from about 10, and everybody from 20."""
    history = History(
        stocks={COUPON: [Stock(100, 0.0, 0.0)]},
        lists=[
            user_list({1, 2}, 0.0, 1.0),
            user_list({2, 3}, 10.0, 12.0),
            user_list(None, 20.0, 21.0),
        ],
        responses=[
            answer(1, 5.0),
            answer(3, 5.0, 403),
            answer(1, 15.0, 200),
            answer(3, 15.0),
            answer(4, 15.0, 403),
            answer(4, 22.0),
        ],
    )
    history.rehearsals.begun.append(REHEARSAL)
    history.rehearsals.issued[REHEARSAL] = 3
    history.rehearsals.published[REHEARSAL] = history.rehearsals.strangers[REHEARSAL] = 0
    history.rehearsals.intruders.append(Intruder(REHEARSAL, 5, 403, "not-eligible"))
    return history


HELD = Evidence(
    requests=[admitted(1, 4.9), admitted(3, 14.9), admitted(4, 21.9)],
    lists={COUPON: ListNow("", "", False, None)},
    rehearsals={REHEARSAL: Left(True, {"coupon": 0}, 0)},
)


def broken(history: History, evidence: Evidence = HELD) -> set[str]:
    of: tuple[ModuleType, ...] = (lists, rehearsals, responses)
    found = {each.partition(":")[0] for each in violations(history, evidence)}
    return {name for name in found if any(hasattr(module, name) for module in of)}


def test_lists_and_rehearsals_that_kept_their_promises_are_fine() -> None:
    assert broken(fine()) == set()


def test_while_a_list_is_replaced_either_may_decide() -> None:
    history = fine()
    history.responses += [answer(5, 11.0, 403), answer(2, 11.0)]
    evidence = replace(HELD, requests=[*HELD.requests, admitted(2, 10.9)])
    assert broken(history, evidence) == set()
    for user in (1, 3):
        evidence = replace(HELD, requests=[admitted(user, 11.0), *HELD.requests[1:]])
        assert "nobody_is_admitted_whom_no_list_has" not in broken(history, evidence)


@pytest.mark.parametrize("request_", [admitted(4, 14.0), admitted(3, 9.0), admitted(1, 12.5)])
def test_who_is_admitted_and_not_listed_is_found(request_: IssueRequest) -> None:
    others = [each for each in HELD.requests if each.user_id != request_.user_id]
    evidence = replace(HELD, requests=[*others, request_])
    assert broken(fine(), evidence) == {"nobody_is_admitted_whom_no_list_has"}


@pytest.mark.parametrize("response", [answer(2, 5.0, 403), answer(2, 11.0, 403)])
def test_who_is_listed_and_refused_is_found(response: Response) -> None:
    """Also while a list is replaced: both have the user."""
    history = fine()
    history.responses.append(response)
    assert broken(history) == {"who_is_listed_is_not_refused"}


def test_who_has_a_request_and_is_refused_is_found() -> None:
    history = fine()
    history.responses.append(answer(1, 16.0, 403))
    assert broken(history) == {"an_accepted_user_is_not_refused"}


def test_a_coupon_for_everybody_refuses_nobody() -> None:
    history = fine()
    history.responses.append(replace(answer(9, 5.0, 403), coupon_id=7))
    assert "only_expected_responses" in broken(history)


@pytest.mark.parametrize(
    "now",
    [
        ListNow("", "3 1 2 4", False, None),
        ListNow("", None, False, None),
        ListNow("", "", True, None),
        ListNow("", "", False, frozenset({2, 3})),
    ],
)
def test_another_list_in_the_end_is_found(now: ListNow) -> None:
    evidence = replace(HELD, lists={COUPON: now})
    assert broken(fine(), evidence) == {"the_gate_has_the_list_of_the_ledger"}


def test_a_list_that_nobody_looked_at_is_found() -> None:
    assert broken(fine(), replace(HELD, lists={})) == {"the_gate_has_the_list_of_the_ledger"}


def _admit_an_intruder(history: History) -> None:
    history.rehearsals.intruders.append(Intruder(REHEARSAL, 5, 202, ""))


def _have_a_stranger(history: History) -> None:
    history.rehearsals.strangers[REHEARSAL] = 1


def _publish(history: History) -> None:
    history.rehearsals.published[REHEARSAL] = 1


@pytest.mark.parametrize("make_wrong", [_admit_an_intruder, _have_a_stranger, _publish])
def test_a_rehearsal_that_reaches_others_is_found(make_wrong: Callable[[History], None]) -> None:
    history = fine()
    make_wrong(history)
    assert broken(history) == {"a_rehearsal_is_for_nobody"}


@pytest.mark.parametrize(
    "left", [Left(False), Left(True, {"coupon_issue_request": 1}), Left(True, {"coupon": 0}, 1)]
)
def test_what_is_left_of_a_rehearsal_is_found(left: Left) -> None:
    evidence = replace(HELD, rehearsals={REHEARSAL: left})
    assert broken(fine(), evidence) == {"nothing_of_a_rehearsal_is_left"}
