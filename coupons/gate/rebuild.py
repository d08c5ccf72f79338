"""Rebuilds a coupon at the gate from the ledger, one rebuild of a coupon at a time.

The ledger is fenced first: claims admitted under an older epoch are not accepted any more, so that
what is read afterwards is complete. Claims in flight are turned away with 503 and may come again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coupons.gate import Gate, GateFigures, open_coupon, unavailable_reason
from coupons.gate.serving import check_serving
from coupons.ledger.connection import Connection, translated
from coupons.ledger.coupons import begin_gate_epoch, find_coupon
from coupons.ledger.requests import stream_requests
from coupons.ledger.unrequested import write_unrequested
from coupons.model import Coupon, IssueRequest
from coupons.queries import query

Progress = Callable[[int], None]
_ROWS_PER_REPORT = 10_000


def is_ahead(connection: Connection, coupon: Coupon, figures: GateFigures) -> bool:
    """Whether the gate has a definition that the ledger does not have: the ledger went back.

    coupon: as read before the figures. The gate is told of a definition after it was committed, so
    what is newer there must be in the ledger now. Raises LedgerUnavailable.
    """
    if figures.version <= coupon.version:
        return False
    now = find_coupon(connection, coupon.coupon_id)
    return now is not None and figures.version > now.version


def rebuild(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    progress: Progress = lambda _: None,
    *,
    even_if_open: bool = True,
) -> int | None:
    """Fence the coupon, load it anew and open it; return how many requests were loaded.

    progress: called with how many were loaded so far, again and again. None: somebody else is
    rebuilding it or has just done so, there is no such coupon, or Redis restarted meanwhile, so
    that it has to be done again. Raises GateUnavailable or LedgerUnavailable; then the coupon may
    be closed, and may be rebuilt.
    """
    with _alone(connection, coupon_id) as alone:
        coupon = find_coupon(connection, coupon_id) if alone else None
        if coupon is None:
            return None
        figures = gate.figures([coupon_id])[0]
        if not even_if_open and unavailable_reason(figures, coupon) is None:
            return None
        # Before the fence: a rebuild that cannot end would close a coupon that is open.
        check_serving(gate.client)
        fenced = begin_gate_epoch(connection, coupon_id, figures.epoch if figures else 0)
        if fenced is None:
            return None
        loaded = 0

        def counted() -> Iterator[IssueRequest]:
            nonlocal loaded
            for request in _all_requests(connection, fenced):
                loaded += 1
                if loaded % _ROWS_PER_REPORT == 0:
                    progress(loaded)
                yield request

        return loaded if open_coupon(gate, fenced, counted()) else None


def _all_requests(connection: Connection, fenced: Coupon) -> Iterator[IssueRequest]:
    """Every request, and the outcomes whose request row the ledger lost, after writing it again.

    Those are looked for only when the coupon's own counts say that there are some: it takes as long
    as there are issued coupons of any kind.
    """
    final = 0
    for request in stream_requests(connection, fenced.coupon_id):
        final += request.is_final
        yield request
    if final < fenced.issued_count + fenced.rejected_count:
        yield from write_unrequested(connection, fenced.coupon_id)


@contextmanager
def _alone(connection: Connection, coupon_id: int) -> Iterator[bool]:
    values = {"coupon_id": coupon_id}
    with translated(connection):
        row = connection.execute(query("lock_rebuild"), values).fetchone()
    locked = row is not None and bool(row[0])
    try:
        yield locked
    finally:
        # A broken connection has given the lock back by itself.
        if locked and not connection.broken and not connection.closed:
            with translated(connection):
                connection.execute(query("unlock_rebuild"), values)
