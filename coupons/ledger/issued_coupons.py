"""Issued coupons in the ledger: issue a batch."""

from collections.abc import Sequence
from typing import NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.model import IssueRequest, Status
from coupons.queries import query


class Outcome(NamedTuple):
    """A request that is final. fresh: this batch made it final, not an earlier one."""

    request: IssueRequest
    fresh: bool


def issue_or_reject(connection: Connection, requests: Sequence[IssueRequest]) -> list[Outcome]:
    """Issue what fits each coupon's total, reject the rest, in one transaction, and commit.

    Returns an outcome for each distinct request whose coupon exists, also when it was final before.
    Repeating it is harmless. Raises LedgerUnavailable when nothing was changed, OutcomeUnknown when
    that is not known.
    """
    coupon_ids = [request.coupon_id for request in requests]
    values = {
        "coupon_ids": int_array(coupon_ids),
        "user_ids": int_array(request.user_id for request in requests),
        "requested_at_us": int_array(request.requested_at_us for request in requests),
    }
    locked = {"coupon_ids": int_array(set(coupon_ids))}
    with translated(connection), connection.transaction(), connection.pipeline():
        connection.execute(query("lock_coupons"), locked, prepare=True)
        outcomes = connection.execute(query("issue_requests"), values, prepare=True)
        return [
            Outcome(
                IssueRequest(
                    coupon_id,
                    user_id,
                    requested_at_us,
                    Status.ISSUED if reason is None else Status.REJECTED,
                    reason,
                ),
                fresh,
            )
            for coupon_id, user_id, requested_at_us, reason, fresh in outcomes
        ]
