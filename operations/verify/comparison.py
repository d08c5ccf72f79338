"""Compares a coupon at the gate with the ledger, request by request, in both directions.

Claims and issuing go on meanwhile. What differs at first is read again, between two reads of the
ledger, and counts only if it still differs then (see `classify`).
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice

from coupons.gate import Gate
from coupons.gate.scan import scan_requests
from coupons.ledger.connection import Connection
from coupons.ledger.requests import find_requests, find_unwritten_users, stream_requests
from coupons.ledger.unrequested import find_unrequested
from coupons.model import GateState, IssueRequest
from operations.verify.mismatch import Mismatch, MismatchKind, classify

REQUESTS_PER_READ = 2_000
MOST_SUSPECTS = 20_000
"""Read again together: this bounds the memory when everything differs."""
READ_AGAIN_AFTER_SECONDS = 0.5
"""A step that is only in progress has this long to finish."""

Progress = Callable[[int], None]


class GateChanged(Exception):
    """The gate became unavailable or was rebuilt during the comparison, which is void."""


class GateUnreadable(GateChanged):
    """Redis holds other data for the coupon than the gate writes; only a rebuild repairs it."""


def compare(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    read_again_after_s: float = READ_AGAIN_AFTER_SECONDS,
    progress: Progress = lambda _: None,
) -> Generator[Mismatch, None, None]:
    """Yield each request about which gate and ledger differ.

    progress: called with the number of requests read since the last call. Raises GateChanged,
    GateUnreadable, RedisUnavailable, LedgerUnavailable. Close it when you stop before its end.
    """
    suspects: set[int] = set()
    with closing(_suspects(gate, connection, coupon_id, progress)) as found:
        for users in found:
            suspects.update(users)
            if len(suspects) >= MOST_SUSPECTS:
                yield from _still_different(
                    gate, connection, coupon_id, suspects, read_again_after_s
                )
                suspects.clear()
    if suspects:
        yield from _still_different(gate, connection, coupon_id, suspects, read_again_after_s)


def _suspects(
    gate: Gate, connection: Connection, coupon_id: int, progress: Progress
) -> Generator[list[int], None, None]:
    """Users who differ at first: those with a row, then those without."""
    # Closed also after an error: its cursor is part of a transaction of the connection.
    with closing(stream_requests(connection, coupon_id)) as requests:
        while some := list(islice(requests, REQUESTS_PER_READ)):
            at_gate = _read(gate, coupon_id, [request.user_id for request in some])
            pairs = zip(some, at_gate, strict=True)
            yield [request.user_id for request, known in pairs if known != request]
            progress(len(some))
    figures = gate.figures([coupon_id])[0]
    if figures is None or figures.state is not GateState.OPEN:
        raise GateChanged
    for held in scan_requests(gate, coupon_id, figures):
        users = [request.user_id for request in held]
        yield list(find_unwritten_users(connection, coupon_id, users)) if users else []
        progress(len(users))
    again = gate.figures([coupon_id])[0]
    if again is None or again.epoch != figures.epoch:
        raise GateChanged


def _still_different(
    gate: Gate, connection: Connection, coupon_id: int, users: set[int], after_s: float
) -> Iterator[Mismatch]:
    time.sleep(after_s)
    suspects = iter(sorted(users))
    while some := list(islice(suspects, REQUESTS_PER_READ)):
        yield from compare_users(gate, connection, coupon_id, some)


def compare_users(
    gate: Gate, connection: Connection, coupon_id: int, users: Sequence[int]
) -> Iterator[Mismatch]:
    """The mismatches of these users now. Raises the errors of `compare`."""
    before = _in_ledger(connection, coupon_id, users)
    at_gate = _read(gate, coupon_id, users)
    after = _in_ledger(connection, coupon_id, users)
    ghosts = []
    for user, known in zip(users, at_gate, strict=True):
        kind = classify(before.get(user), known, after.get(user))
        if kind is MismatchKind.GHOST and user not in after:
            ghosts.append((user, known))
        elif kind is not None:
            yield Mismatch(coupon_id, user, kind, after.get(user), known)
    yield from _without_request(connection, coupon_id, ghosts)


def _without_request(
    connection: Connection, coupon_id: int, ghosts: Sequence[tuple[int, IssueRequest | None]]
) -> Iterator[Mismatch]:
    """Users who are final at the gate and have no request: the ledger may hold their outcome."""
    if not ghosts:
        return
    found = find_unrequested(connection, coupon_id, [user for user, _ in ghosts])
    outcomes = {outcome.user_id: outcome for outcome in found}
    for user, known in ghosts:
        kind = MismatchKind.NO_REQUEST if user in outcomes else MismatchKind.GHOST
        yield Mismatch(coupon_id, user, kind, outcomes.get(user), known)


def _in_ledger(
    connection: Connection, coupon_id: int, users: Sequence[int]
) -> dict[int, IssueRequest]:
    found = find_requests(connection, [(coupon_id, user) for user in users])
    return {request.user_id: request for request in found}


def _read(gate: Gate, coupon_id: int, users: Sequence[int]) -> list[IssueRequest | None]:
    known = gate.read(coupon_id, users)
    if known is GateState.UNREADABLE:
        raise GateUnreadable
    if isinstance(known, GateState):
        raise GateChanged
    return known
