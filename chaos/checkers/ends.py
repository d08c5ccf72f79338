"""Promises about the end: archived coupons, and users who were erased."""

from collections import Counter

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import History
from coupons.ids import FIRST_ERASED_ID


def an_erased_user_is_nowhere(_: History, evidence: Evidence) -> list[str]:
    """Neither ledger nor gate names a user who was erased."""
    return [f"{where} names user {key[1]}, who was erased" for key, where in evidence.ends.named]


def a_sale_keeps_its_counts(history: History, evidence: Evidence) -> list[str]:
    """Every accepted claim is one row and one issued coupon, erased or not.

    An old record of somebody who was erased may be issued once more, if the total allows it.
    """
    ends = evidence.ends
    rows = Counter(each.coupon_id for each in ends.requests)
    nobody = Counter(each.coupon_id for each in ends.requests if each.user_id >= FIRST_ERASED_ID)
    issued = Counter(coupon_id for coupon_id, _ in ends.issued)
    final = Counter(each.coupon_id for each in ends.requests if each.is_final)
    complaints = []
    for sale in history.sales:
        each, accepted = sale.coupon_id, len(sale.accepted)
        back = ends.came_back.get(each, 0)
        has = rows[each], final[each], nobody[each]
        # The total never falls, so that whoever was admitted is issued a coupon.
        fits = accepted <= issued[each] <= min(sale.total, accepted + back)
        counted = ends.issued_counts.get(each)
        if (
            has != (accepted + back, accepted + back, len(sale.erased) + back)
            or not fits
            or counted != issued[each]
        ):
            complaints.append(
                f"coupon {each} of {sale.total}: {accepted} claims were accepted,"
                f" {len(sale.erased)} users erased, and {back} came back; it has {has[0]} requests,"
                f" {has[1]} final, {has[2]} of nobody, {issued[each]} issued, and counts {counted}"
            )
    return complaints


def a_sale_that_stays_is_at_the_gate(history: History, evidence: Evidence) -> list[str]:
    """What was closed and not archived is the same on both sides, also who is nobody now."""
    ends = evidence.ends
    stays = {sale.coupon_id for sale in history.sales if not sale.archived}
    ledger = {
        (each.coupon_id, each.user_id): each for each in ends.requests if each.coupon_id in stays
    }
    complaints = [f"the gate is unavailable for coupon {each}" for each in ends.unavailable]
    return complaints + [
        f"{named(key)} is {ledger.get(key)} in the ledger and {ends.at_gate.get(key)} at the gate"
        for key in sorted(ledger.keys() | ends.at_gate.keys())
        if ledger.get(key) != ends.at_gate.get(key) and key[0] not in ends.unavailable
    ]


def nothing_of_an_archived_coupon_is_at_the_gate(_: History, evidence: Evidence) -> list[str]:
    """The gate has forgotten it: no key is left."""
    return [
        f"coupon {coupon_id} is archived, and the gate has {keys} keys of it"
        for coupon_id, keys in evidence.ends.keys.items()
        if keys
    ]


def an_archived_coupon_answers_from_the_ledger(history: History, evidence: Evidence) -> list[str]:
    """Who has a request reads it, and another claim gets it again; nobody else is accepted."""
    status = {(each.coupon_id, each.user_id): each.status for each in evidence.ends.requests}
    complaints = []
    for sale in history.sales:
        for user_id, response in sale.again.items():
            key = sale.coupon_id, user_id
            expected = (200, str(status[key])) if key in status else (409, "")
            if (response.status, response.request_status) != expected:
                complaints.append(f"{response}, after it was archived; expected {expected}")
            if user_id in sale.read and sale.read[user_id] != status.get(key):
                complaints.append(
                    f"{named(key)} was read as {sale.read[user_id]} after it was archived, and is"
                    f" {status.get(key, 'unknown')} in the ledger"
                )
    return complaints
