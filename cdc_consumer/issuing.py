"""Makes the requests of a batch final in the ledger, and finds those that Postgres refuses."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from coupons.ledger.connection import ROW_ERRORS, Connection, connect_ledger
from coupons.ledger.issued_coupons import Outcome, issue_or_reject
from coupons.ledger.rehearsals import find_purged
from coupons.ledger.retired import find_retiring, is_of_a_retired_coupon
from coupons.model import IssueRequest


class Issued(NamedTuple):
    """outcomes: of the requests that are final now. refused: by Postgres, with the error.

    retired: of coupons whose rows are not in the ledger any more; they were final before that.
    purged: coupons of other requests, which were rehearsals and are gone: nobody waits for these.
    """

    outcomes: list[Outcome]
    refused: list[tuple[IssueRequest, Exception]]
    retired: list[IssueRequest]
    purged: Collection[int] = ()


class Issuer:
    """One connection to Postgres, made when needed and again after it broke."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def issue(self, requests: Sequence[IssueRequest]) -> Issued:
        """Issue or reject the requests and commit; those of coupons that are not there get nothing.

        Raises LedgerUnavailable or OutcomeUnknown; repeating it is harmless.
        """
        if not requests:
            return Issued([], [], [])
        connection = self._connected()
        issued = _issue(connection, requests)
        if len(issued.outcomes) + len(issued.retired) == len(requests):
            return issued
        # Of a coupon that is there, every request has an outcome, or is refused.
        there = {each.request.coupon_id for each in issued.outcomes}
        there |= {each.coupon_id for each in issued.retired}
        unknown = {each.coupon_id for each in requests} - there
        return issued._replace(purged=find_purged(connection, unknown))

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect_ledger(self._url, "cdc_consumer", by_key=True)
        return self._connection


def _issue(connection: Connection, requests: Sequence[IssueRequest]) -> Issued:
    try:
        return Issued(issue_or_reject(connection, requests), [], [])
    except ROW_ERRORS as error:
        if is_of_a_retired_coupon(error):
            return _without_retired(connection, requests)
        if len(requests) == 1:
            return Issued([], [(requests[0], error)], [])
    # Halved until each request that breaks a constraint is alone, so that all others succeed.
    middle = len(requests) // 2
    first, second = _issue(connection, requests[:middle]), _issue(connection, requests[middle:])
    return Issued(
        first.outcomes + second.outcomes,
        first.refused + second.refused,
        first.retired + second.retired,
    )


def _without_retired(connection: Connection, requests: Sequence[IssueRequest]) -> Issued:
    """The ledger refuses a batch with an old record of a retired coupon: the others again."""
    retiring = find_retiring(connection, {request.coupon_id for request in requests})
    others = [request for request in requests if request.coupon_id not in retiring]
    issued = _issue(connection, others) if others else Issued([], [], [])
    retired = [request for request in requests if request.coupon_id in retiring]
    return issued._replace(retired=issued.retired + retired)
