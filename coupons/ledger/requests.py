"""Issue requests in the ledger: accept, read, count."""

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import (
    Admission,
    IssueRequest,
    RequestCounts,
    Status,
    to_microseconds,
)
from coupons.queries import query

ROWS_PER_FETCH = 5_000


class TimedRequest(NamedTuple):
    """A request, and when it became final, in UTC; None: it is not final."""

    request: IssueRequest
    final_at: datetime | None


def accept_requests(connection: Connection, admissions: Sequence[Admission]) -> set[int]:
    """Write admitted claims as issue requests and commit; return the coupons that accepted them.

    admissions: all of one coupon have the same epoch, as from one call of the gate. After this,
    every claim of a returned coupon is a committed row (written now or before). No claim of another
    coupon was written now: its epoch is over. The connection must be in autocommit. Raises
    LedgerUnavailable when nothing was written, OutcomeUnknown when that is not known. Repeating it
    is harmless.
    """
    epochs = {admission.coupon_id: admission.epoch for admission in admissions}
    values = {
        "coupon_ids": int_array(epochs.keys()),
        "epochs": int_array(epochs.values()),
        "request_coupon_ids": int_array(admission.coupon_id for admission in admissions),
        "user_ids": int_array(admission.user_id for admission in admissions),
        "requested_at_us": int_array(admission.requested_at_us for admission in admissions),
    }
    with translated(connection):
        return {
            row[0] for row in connection.execute(query("accept_requests"), values, prepare=True)
        }


def find_requests(connection: Connection, keys: Sequence[tuple[int, int]]) -> list[IssueRequest]:
    """The requests of these (coupon_id, user_id) that exist, in no order."""
    values = {
        "coupon_ids": int_array(coupon_id for coupon_id, _ in keys),
        "user_ids": int_array(user_id for _, user_id in keys),
    }
    with translated(connection):
        return [_request(row) for row in connection.execute(query("find_requests"), values)]


def find_timed_request(connection: Connection, coupon_id: int, user_id: int) -> TimedRequest | None:
    """The request of this user with the time of its outcome; None: there is none."""
    values = {"coupon_id": coupon_id, "user_id": user_id}
    with translated(connection):
        row = connection.execute(query("find_timed_request"), values).fetchone()
    return None if row is None else TimedRequest(_request(row[:-1]), row[-1])


def find_requests_of_user(
    connection: Connection, user_id: int, most_coupons: int
) -> list[IssueRequest]:
    """The user's requests for the coupons that started last, no archived ones; oldest first."""
    values = {"user_id": user_id, "most": most_coupons}
    with translated(connection):
        rows = connection.execute(query("find_requests_of_user"), values)
        return [_request(row) for row in rows]


def find_unwritten_users(
    connection: Connection, coupon_id: int, user_ids: Sequence[int]
) -> set[int]:
    """The users among these that have no request for the coupon."""
    values = {"coupon_id": coupon_id, "user_ids": int_array(user_ids)}
    with translated(connection):
        return {row[0] for row in connection.execute(query("find_unwritten_users"), values)}


def stream_requests(connection: Connection, coupon_id: int) -> Generator[IssueRequest, None, None]:
    """Every request of a coupon at one moment, in bounded memory."""
    with (
        translated(connection),
        connection.transaction(),
        connection.cursor(name="stream_requests") as cursor,
    ):
        cursor.itersize = ROWS_PER_FETCH
        cursor.execute(query("stream_requests"), {"coupon_id": coupon_id})
        for row in cursor:
            yield _request(row)


def count_requests(connection: Connection, coupon_id: int) -> RequestCounts | None:
    """The counts of a coupon's rows; None when there is no such coupon."""
    with translated(connection):
        row = connection.execute(query("count_requests"), {"coupon_id": coupon_id}).fetchone()
    return None if row is None else RequestCounts(*row)


def admitted_as_request(admission: Admission) -> IssueRequest:
    """The request that an admission becomes when it is accepted."""
    return IssueRequest(
        admission.coupon_id, admission.user_id, admission.requested_at_us, Status.REQUESTED
    )


def _request(row: tuple[Any, ...]) -> IssueRequest:
    coupon_id, user_id, requested_at, status, reason = row
    return IssueRequest(coupon_id, user_id, to_microseconds(requested_at), Status(status), reason)
