"""Erases a user: in the ledger first, then at the gate.

In this order nothing goes wrong when it is cut off in between: the gate still refuses what it would
have refused. Repeating it, or the reconciler, ends it. No rebuild runs while the ledger forgets the
user, because it may have read them before; the next one reads the ledger and needs nothing of this.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from coupons.gate.gate import Gate
from coupons.gate.scripts import Call, run_scripts
from coupons.gate.values import coupon_key, write_request
from coupons.ledger.connection import Connection, translated
from coupons.ledger.erasures import (
    NOT_FINAL,
    Erasure,
    Returned,
    UserInFlight,
    end_erasure,
    erase_in_ledger,
    find_erasure,
    find_replaced,
    find_requests_to_erase,
    list_returned,
)
from coupons.model import GateState, IssueRequest

UNDER_WAY_SECONDS = 30.0
"""An erasure that the gate does not have after so long was cut off."""

_DRY_RUN = "dry run"


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
    requests = find_requests_to_erase(connection, user_id)
    _check_final(gate, requests)
    coupon_ids = [request.coupon_id for request in requests]
    made = erase_in_ledger(connection, user_id, coupon_ids, asked_by, log_keeps)
    return _erase_at_gate(gate, connection, user_id, made)


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


def erase_again(gate: Gate, connection: Connection) -> Iterator[Erasure]:
    """End erasures that were cut off, and erase what a record of Kafka brought back.

    One that cannot be done now is left for the next time. Raises RedisUnavailable or
    LedgerUnavailable.
    """
    for returned in list_returned(connection, UNDER_WAY_SECONDS):
        try:
            _erase_returned(gate, connection, returned)
        except UserInFlight:
            continue
        yield _erase_at_gate(gate, connection, returned.user_id, returned.erasure_id)


def _erase_returned(gate: Gate, connection: Connection, returned: Returned) -> None:
    user_id, erasure_id, log_keeps, coupon_ids = returned
    if coupon_ids:
        requests = find_requests_to_erase(connection, user_id)
        _check_final(gate, [each for each in requests if each.coupon_id in coupon_ids])
        erase_in_ledger(connection, user_id, coupon_ids, "the reconciler", log_keeps, erasure_id)


def _check_final(gate: Gate, requests: Sequence[IssueRequest]) -> None:
    """Raises UserInFlight unless each request is final, and marked where the gate is available.

    A mark that comes later would bring the user back to the gate.
    """
    for request in requests:
        known = gate.read(request.coupon_id, [request.user_id])
        if not request.is_final or not (isinstance(known, GateState) or known[0] == request):
            raise UserInFlight(NOT_FINAL)


def _erase_at_gate(gate: Gate, connection: Connection, user_id: int, made: UUID) -> Erasure:
    """Replace the user at the gate, as the ledger says; return the proof."""
    calls = [
        Call(
            "erase",
            coupon_key(mark.coupon_id),
            [mark.user_id, replaced_by, write_request(mark)],
        )
        for mark, replaced_by in find_replaced(connection, user_id)
    ]
    if calls:
        run_scripts(gate.client, calls)
    end_erasure(connection, user_id, made)
    erasure = find_erasure(connection, made)
    assert erasure is not None
    return erasure
