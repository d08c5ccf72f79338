"""Erasures of users in the ledger: what there is, the erasure, its proof, what came back."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from coupons.errors import CouponError
from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import IssueRequest, Status, to_microseconds
from coupons.queries import query


class UserInFlight(CouponError):
    """Something of the user is under way, so that nothing was erased; it passes by itself."""


class Erasure(NamedTuple):
    """The proof that a user was erased. It does not name the user.

    counts: by table, rows that named the user. at_gate_since: when the gate had forgotten the user;
    None: not yet. log_forgets_at: when the request topic and the events have deleted their last
    record; None: they keep records for good. repeated: requests that a record brought back, and
    that were erased again.
    """

    erasure_id: UUID
    erased_at: datetime
    asked_by: str
    counts: dict[str, int]
    at_gate_since: datetime | None
    log_forgets_at: datetime | None
    repeated: int


class Replaced(NamedTuple):
    """A mark that the gate may still have for the user, and the id that replaced the user's."""

    mark: IssueRequest
    replaced_by: int


class Returned(NamedTuple):
    """An erasure to look after. coupon_ids: of requests that are there again.

    cut_off: the gate has not forgotten the user. Otherwise a late mark may bring them back to it.
    """

    user_id: int
    erasure_id: UUID
    coupon_ids: Sequence[int]
    cut_off: bool


NOBODY = 0
"""The id of no user."""

NOT_FINAL = (
    "A request of the user is not final: nothing was erased. Try again when it is;"
    " `coupon trace` says what it waits for."
)
_WHY = {
    "in_flight": NOT_FINAL,
    "rebuilding": "A coupon of the user is being rebuilt at the gate: nothing was erased. Try again"
    " in a few seconds.",
}


def find_requests_to_erase(connection: Connection, user_id: int) -> list[IssueRequest]:
    """All requests of the user, and outcomes whose request row is missing."""
    with translated(connection):
        return [
            IssueRequest(coupon_id, user, to_microseconds(requested_at), Status(status), reason)
            for coupon_id, user, requested_at, status, reason in connection.execute(
                query("find_requests_to_erase"), {"user_id": user_id}
            )
        ]


def count_requests_to_erase(connection: Connection, user_id: int) -> dict[str, int]:
    """By table, the user's requests and outcomes; also while some are not final."""
    found = Counter(request.status for request in find_requests_to_erase(connection, user_id))
    return {
        "coupon_issue_request": found.total(),
        "issued_coupon": found[Status.ISSUED],
        "issue_rejection": found[Status.REJECTED],
    }


def erase_in_ledger(
    connection: Connection,
    user_id: int,
    coupon_ids: Sequence[int],
    asked_by: str,
    log_keeps: timedelta | None,
) -> UUID:
    """Erase and commit; the id of the proof.

    coupon_ids: of the user's requests. When there is nothing any more, it is the proof of the last
    erasure, while the ledger knows it. Raises UserInFlight, LedgerUnavailable or OutcomeUnknown;
    repeating it is harmless.
    """
    values = {
        "user_id": user_id,
        "coupon_ids": int_array(coupon_ids),
        "asked_by": asked_by,
        "log_keeps": log_keeps,
    }
    with translated(connection):
        row = connection.execute(query("erase_user"), values).fetchone()
    assert row is not None
    made, why = row
    if why is not None:
        raise UserInFlight(_WHY[why])
    return UUID(str(made))


def erase_returned(connection: Connection, returned: Returned) -> None:
    """Erase again what a record brought back, and commit. Raises the errors of erase_in_ledger."""
    values = {**returned._asdict(), "coupon_ids": int_array(returned.coupon_ids)}
    with translated(connection):
        row = connection.execute(query("erase_user_again"), values).fetchone()
    assert row is not None
    if row[0] is not None:
        raise UserInFlight(_WHY[row[0]])


def find_replaced(connection: Connection, user_id: int) -> list[Replaced]:
    """What the gate has to replace of the user; also what it has replaced, while marks may come."""
    with translated(connection):
        return [
            Replaced(
                IssueRequest(coupon_id, user_id, to_microseconds(at), Status(status), reason),
                replaced_by,
            )
            for coupon_id, at, status, reason, replaced_by in connection.execute(
                query("find_replaced"), {"user_id": user_id}
            )
        ]


def end_erasure(
    connection: Connection, user_id: int, replaced: Sequence[Replaced], late_s: float
) -> None:
    """Note what the gate has replaced. Which id replaced which is forgotten after late_s.

    user_id: NOBODY: the gate has every list, which erasures from lists wait for.
    """
    values = {
        "user_id": user_id,
        "coupon_ids": int_array(each.mark.coupon_id for each in replaced),
        "replaced_by": int_array(each.replaced_by for each in replaced),
        "late_s": late_s,
    }
    with translated(connection):
        connection.execute(query("end_erasure"), values)


def find_erasure(connection: Connection, erasure_id: UUID) -> Erasure | None:
    """The proof with this id."""
    with translated(connection):
        row = connection.execute(query("find_erasure"), {"erasure_id": erasure_id}).fetchone()
    return None if row is None else Erasure(*row)


def list_returned(connection: Connection, older_s: float) -> list[Returned]:
    """Erasures to look after. older_s: a younger one may only be under way."""
    with translated(connection):
        rows = connection.execute(query("list_returned"), {"older_s": older_s})
        return [Returned(*row) for row in rows]


def forget_erased_requests(connection: Connection) -> int:
    """Delete what was kept of erased requests that Kafka has deleted; how many."""
    with translated(connection):
        row = connection.execute(query("forget_erased_requests")).fetchone()
    assert row is not None
    return int(row[0])
