"""Promises about coupons that are open to a list: it alone decides, and it is the ledger's."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from chaos.admissions import FOREVER, UserList
from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import History, Response


def nobody_is_admitted_whom_no_list_has(history: History, evidence: Evidence) -> list[str]:
    """Each request was admitted while a list was in force, or may have been, that has the user."""
    complaints = []
    for request in evidence.requests:
        lists = _of_coupon(history, request.coupon_id)
        at = request.requested_at_us / 1_000_000
        if lists and not any(
            each.has(request.user_id)
            for each, ended_at in _in_force(lists)
            if each.began_at <= at <= ended_at
        ):
            key = request.coupon_id, request.user_id
            complaints.append(f"{named(key)} was admitted, and no list in force had the user")
    return complaints


def who_is_listed_is_not_refused(history: History, _: Evidence) -> list[str]:
    """Not eligible: during the claim a list was in force, or may have been, without the user."""
    complaints = []
    for response in history.responses:
        if response.status != 403:
            continue
        lists = _of_coupon(history, response.coupon_id)
        if not any(not each.has(response.user_id) for each in _during(lists, response)):
            complaints.append(f"{response}: every list in force had the user")
    return complaints


def the_gate_has_the_list_of_the_ledger(history: History, evidence: Evidence) -> list[str]:
    """Both have the list that was set last, user by user."""
    last = {each.coupon_id: each for each in history.lists}
    complaints = []
    for coupon_id, now in evidence.lists.items():
        if now.in_ledger != now.at_gate:
            complaints.append(
                f"coupon {coupon_id} has the list {now.in_ledger!r} in the ledger and"
                f" {now.at_gate!r} at the gate"
            )
        if now.is_spoilt:
            complaints.append(f"the gate holds other users than the list of coupon {coupon_id}")
        if now.users != last[coupon_id].users:
            complaints.append(f"the ledger has another list of coupon {coupon_id} than was set")
    return complaints + [
        f"nothing is known of the list of coupon {coupon_id}"
        for coupon_id in last
        if coupon_id not in evidence.lists
    ]


def _of_coupon(history: History, coupon_id: int) -> list[UserList]:
    return [each for each in history.lists if each.coupon_id == coupon_id]


def _in_force(lists: Sequence[UserList]) -> Iterator[tuple[UserList, float]]:
    """Each list, with the moment since 1970 at which the next one surely was in force."""
    yield from ((each, following.ended_at) for each, following in pairwise(lists))
    yield from ((each, FOREVER) for each in lists[-1:])


def _during(lists: Sequence[UserList], response: Response) -> Iterator[UserList]:
    """Lists that were in force, or may have been, during a claim."""
    for each, following in pairwise([*lists, None]):
        ended = FOREVER if following is None else following.ended
        if each is not None and each.began <= response.ended and response.began <= ended:
            yield each
