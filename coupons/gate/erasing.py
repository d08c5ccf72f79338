"""Erases a user: in the ledger first, then at the gate.

In this order nothing goes wrong when it is cut off in between: the gate still refuses what it would
have refused. Repeating it, or the reconciler, ends it. No rebuild runs while the ledger forgets the
user, because it may have read them before; the next one reads the ledger and needs nothing of this.
Waiting rooms are the gate's alone: the user leaves them before, so that no proof says that it is
done while they wait there, and again after it.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from coupons.errors import KeysUnreadable
from coupons.gate.audiences import lists_are_at_gate
from coupons.gate.gate import Gate
from coupons.gate.waiting_room import forget_arrivals
from coupons.ledger.connection import Connection, translated
from coupons.ledger.coupons import list_readable
from coupons.ledger.erasures import (
    NOBODY,
    NOT_FINAL,
    Erasure,
    Returned,
    UserInFlight,
    end_erasure,
    erase_in_ledger,
    erase_returned,
    find_erasure,
    find_replaced,
    find_requests_to_erase,
)
from coupons.ledger.standby import leave_every_line
from coupons.model import GateState, IssueRequest
from coupons.waiting import attempts

UNDER_WAY_SECONDS = 30.0
"""An erasure that the gate does not have after so long was cut off."""

LATE_MARK_SECONDS = 120.0
"""A mark that was decided before an erasure may be made so long after it."""

LISTS_SECONDS = 5.0
"""So long an erasure waits for the reconciler, which brings lists without the user to the gate."""
LISTS_PAUSE_SECONDS = 0.1

_DRY_RUN = "dry run"
_UNAVAILABLE = (
    "The gate is unavailable for coupon {}, of which the user may have claimed one: nothing was"
    " erased. Try again when it is rebuilt, in a few seconds. If it stays so, `coupon gate status`"
    " says why: no user without a request of this coupon can be erased until then."
)


def erase_user(
    gate: Gate,
    connection: Connection,
    user_id: int,
    asked_by: str,
    log_keeps: timedelta | None,
) -> Erasure:
    """Erase the user, and return the proof; repeating it is harmless.

    log_keeps: how long Kafka keeps a record; None: for good. Raises UserInFlight, RedisUnavailable
    or LedgerUnavailable; after the last two the ledger may have forgotten the user, and the gate
    not.
    """
    check_erasable(gate, connection, user_id)  # first: who is not erased leaves no line
    leave_every_line(connection, user_id)  # so that no promotion begins any more
    coupon_ids = check_erasable(gate, connection, user_id)
    forget_arrivals(gate, _at_gate(connection), user_id)
    made = erase_in_ledger(connection, user_id, coupon_ids, asked_by, log_keeps)
    erasure = find_erasure(connection, made)
    if erasure is not None and erasure.counts.get("coupon_audience"):
        for _ in attempts(LISTS_SECONDS, LISTS_PAUSE_SECONDS):
            if lists_are_at_gate(gate, connection):
                break
    _erase_at_gate(gate, connection, user_id)
    erasure = find_erasure(connection, made)
    assert erasure is not None
    return erasure


def check_erasable(gate: Gate, connection: Connection, user_id: int) -> list[int]:
    """The coupons of which the user has a request. Raises UserInFlight when one is under way.

    Also raises RedisUnavailable or LedgerUnavailable. The ledger checks it again.
    """
    requests = find_requests_to_erase(connection, user_id)
    _check_final(gate, requests)
    coupon_ids = [request.coupon_id for request in requests]
    _check_written(gate, connection, user_id, coupon_ids)
    return coupon_ids


def preview_erasure(connection: Connection, user_id: int) -> dict[str, int]:
    """By table, the rows that name the user: they are erased, and that is rolled back.

    Raises UserInFlight or LedgerUnavailable.
    """
    coupon_ids = [request.coupon_id for request in find_requests_to_erase(connection, user_id)]
    with translated(connection), connection.transaction(force_rollback=True):
        made = erase_in_ledger(connection, user_id, coupon_ids, _DRY_RUN, None)
        found = find_erasure(connection, made)
    assert found is not None
    # Else there is nothing, and it is the proof of an earlier erasure.
    return found.counts if found.asked_by == _DRY_RUN else dict.fromkeys(found.counts, 0)


def erase_again(gate: Gate, connection: Connection, returned: Returned) -> bool:
    """End an erasure that was cut off; erase what a record or a late mark brought back.

    Returns whether there was anything, which is False, too, when it cannot be done now. Raises
    RedisUnavailable or LedgerUnavailable.
    """
    try:
        if returned.coupon_ids:
            requests = find_requests_to_erase(connection, returned.user_id)
            _check_final(gate, [each for each in requests if each.coupon_id in returned.coupon_ids])
            erase_returned(connection, returned)
    except UserInFlight:
        return False
    was_marked = _erase_at_gate(gate, connection, returned.user_id)
    return was_marked or returned.cut_off or bool(returned.coupon_ids)


def end_erasures_from_lists(gate: Gate, connection: Connection) -> None:
    """Note erasures that only waited for a list, if the gate has every list now.

    Raises RedisUnavailable or LedgerUnavailable.
    """
    if lists_are_at_gate(gate, connection):
        end_erasure(connection, NOBODY, (), LATE_MARK_SECONDS)


def _at_gate(connection: Connection) -> list[int]:
    """The coupons that the gate may have; those, too, whose row is unreadable."""
    readable, unreadable = list_readable(connection)
    return [*(each.coupon_id for each in readable if each.belongs_at_gate), *unreadable]


def _check_final(gate: Gate, requests: Sequence[IssueRequest]) -> None:
    """Raises UserInFlight unless each request is final, and marked where the gate is available.

    A mark that comes later would bring the user back to the gate.
    """
    for request in requests:
        known = gate.read(request.coupon_id, [request.user_id])
        if not request.is_final or not (isinstance(known, GateState) or known[0] == request):
            raise UserInFlight(NOT_FINAL)


def _check_written(
    gate: Gate, connection: Connection, user_id: int, written: Collection[int]
) -> None:
    """Raises UserInFlight when the gate has admitted a claim whose row is not written yet.

    Else the reconciler would write it after the erasure. It asks the gate once for each coupon. One
    that is unavailable may have admitted a claim before, which is written until a rebuild begins.
    """
    for coupon_id in _at_gate(connection):
        if coupon_id not in written:
            known = gate.read(coupon_id, [user_id])
            if isinstance(known, GateState):
                raise UserInFlight(_UNAVAILABLE.format(coupon_id))
            if known[0] and not known[0].is_final:
                raise UserInFlight(NOT_FINAL)


def _erase_at_gate(gate: Gate, connection: Connection, user_id: int) -> bool:
    """Replace the user at the gate, as the ledger says; whether it had a mark of them.

    Raises KeysUnreadable for a coupon that the gate cannot read, after it has done the others.
    """
    forget_arrivals(gate, _at_gate(connection), user_id)
    replaced = find_replaced(connection, user_id)
    answers = gate.erase(replaced)
    done = [
        each
        for each, answer in zip(replaced, answers, strict=True)
        if not isinstance(answer, KeysUnreadable)
    ]
    end_erasure(connection, user_id, done, LATE_MARK_SECONDS)
    end_erasures_from_lists(gate, connection)
    for answer in answers:
        if isinstance(answer, KeysUnreadable):
            raise answer
    return any(answers)
