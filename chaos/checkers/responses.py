"""Promises about what callers of the API see."""

from collections import Counter

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import History, Key
from coupons.ids import request_id
from coupons.model import Status

EXPECTED_STATUSES = (200, 202, 409, 503, 0)
NOT_ELIGIBLE = 403
"""Expected of coupons that are open to a list."""
_FINAL = (str(Status.ISSUED), str(Status.REJECTED))


def only_expected_responses(history: History, _: Evidence) -> list[str]:
    """200, 202, 409, 503 or a lost connection, and 403 where a list is: no error of our own."""
    listed = {each.coupon_id for each in history.lists}
    return [
        str(each)
        for each in history.responses
        if each.status not in EXPECTED_STATUSES
        and not (each.status == NOT_ELIGIBLE and each.coupon_id in listed)
    ]


def a_response_names_its_request(history: History, _: Evidence) -> list[str]:
    """A claim that is accepted, or may be, gets a Location where its request can be read."""
    return [
        f"{each}: its Location is {each.location!r}"
        for each in history.responses
        if (each.accepted or each.reason == "outcome-unknown")
        and each.location != f"/issue-requests/{request_id(*each.key)}"
    ]


def an_accepted_claim_is_one_row(history: History, evidence: Evidence) -> list[str]:
    """202 means that the request is a committed row, and so does 200."""
    rows = Counter((request.coupon_id, request.user_id) for request in evidence.requests)
    accepted = {each.key: each for each in history.responses if each.accepted}
    return [
        f"{named(key)} was answered {response.status} and has {rows[key]} rows"
        for key, response in accepted.items()
        if rows[key] != 1
    ]


def a_final_status_stays(history: History, evidence: Evidence) -> list[str]:
    """A request that was seen ISSUED or REJECTED stays so: no caller sees it before the commit."""
    status = {(each.coupon_id, each.user_id): each.status for each in evidence.requests}
    seen = {
        (each.key, each.request_status)
        for each in history.responses
        if each.request_status in _FINAL
    }
    return [
        f"{named(key)} was seen {word} and is {status.get(key, 'unknown')} in the ledger"
        for key, word in sorted(seen)
        if status.get(key) != word
    ]


def an_accepted_user_is_not_refused(history: History, _: Evidence) -> list[str]:
    """A user whose claim was accepted is never refused afterwards: the request is theirs."""
    accepted: dict[Key, float] = {}
    for response in history.responses:
        if response.accepted:
            accepted[response.key] = min(response.ended, accepted.get(response.key, response.ended))
    return [
        f"{response}: was accepted before"
        for response in history.responses
        if response.status in (409, NOT_ELIGIBLE)
        and response.began > accepted.get(response.key, float("inf"))
    ]
