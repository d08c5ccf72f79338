"""Promises about ledger and gate."""

from collections import Counter

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import History


def every_request_is_final(_: History, evidence: Evidence) -> list[str]:
    """Every accepted request becomes ISSUED or REJECTED."""
    return [
        f"{named((request.coupon_id, request.user_id))} is still REQUESTED"
        for request in evidence.requests
        if not request.is_final
    ]


def one_coupon_for_a_user(_: History, evidence: Evidence) -> list[str]:
    """One request, and at most one issued coupon, for a user; never both issued and rejected."""
    requests = {(each.coupon_id, each.user_id) for each in evidence.requests}
    outcomes = Counter([*evidence.issued, *evidence.rejected])
    return [
        f"{named(key)} has {count} outcomes" for key, count in outcomes.items() if count > 1
    ] + [
        f"{named(key)} has an outcome and was never accepted"
        for key in outcomes
        if key not in requests
    ]


def gate_equals_ledger(_: History, evidence: Evidence) -> list[str]:
    """The gate holds every request as the ledger has it, and no other."""
    ledger = {(each.coupon_id, each.user_id): each for each in evidence.requests}
    complaints = [f"the gate is unavailable for coupon {each}" for each in evidence.unavailable]
    for key in sorted(ledger.keys() | evidence.at_gate.keys()):
        in_ledger, at_gate = ledger.get(key), evidence.at_gate.get(key)
        if in_ledger != at_gate and key[0] not in evidence.unavailable:
            same_status = in_ledger and at_gate and in_ledger[3:] == at_gate[3:]
            complaints.append(
                f"{named(key)} is {in_ledger.status if in_ledger else 'unknown'} in the ledger"
                f" and {at_gate.status if at_gate else 'unknown'} at the gate"
                + (" (with another time)" if same_status else "")
            )
    return complaints
