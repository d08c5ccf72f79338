"""Promises about rehearsals: for nobody but synthetic users, and nothing is left of them."""

from chaos.evidence import Evidence
from chaos.history import History


def a_rehearsal_is_for_nobody(history: History, _: Evidence) -> list[str]:
    """No other user got anything of it, and no event of it is published."""
    seen = history.rehearsals
    complaints = [
        f"user {each.user_id} claimed rehearsal {each.coupon_id}, and was answered"
        f" {each.status} {each.reason}".rstrip()
        for each in seen.intruders
        if each.status not in (403, 404, 409, 503, 0)
    ]
    complaints += [
        f"rehearsal {coupon_id} has {count} requests of users who are no synthetic ones"
        for coupon_id, count in seen.strangers.items()
        if count
    ]
    return complaints + [
        f"events of {count} issued coupons of rehearsal {coupon_id} are published"
        for coupon_id, count in seen.published.items()
        if count
    ]


def nothing_of_a_rehearsal_is_left(_: History, evidence: Evidence) -> list[str]:
    """After its purge no table and no key of Redis has anything of it, but for the proof."""
    complaints = []
    for coupon_id, left in evidence.rehearsals.items():
        tables = {table: count for table, count in left.rows.items() if count}
        if not left.is_purged:
            complaints.append(f"rehearsal {coupon_id} is not purged")
        elif tables or left.keys:
            complaints.append(
                f"rehearsal {coupon_id} is purged, and has rows in {tables} and {left.keys} keys"
            )
    return complaints
