"""Rebuilds a coupon at the gate from the ledger, one rebuild of a coupon at a time.

The ledger is fenced first: it does not accept claims that were admitted under an older epoch any
more, so what is read afterwards is complete. Claims in flight get 503 and may be repeated.
"""

from collections.abc import Callable, Iterable, Iterator

from coupons.gate import Gate, GateFigures, open_coupon, unavailable_reason
from coupons.gate.audiences import load_audience
from coupons.gate.write_check import check_takes_writes
from coupons.ledger.audiences import EVERYBODY, list_audiences
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import begin_gate_epoch, find_coupon
from coupons.ledger.rebuild_lock import alone_with
from coupons.ledger.requests import stream_requests
from coupons.ledger.unrequested import operate_unrequested, write_unrequested
from coupons.model import Coupon, IssueRequest

Progress = Callable[[int], None]
_ROWS_PER_REPORT = 10_000


def is_ahead(connection: Connection, coupon: Coupon, figures: GateFigures) -> bool:
    """Whether the gate has a definition that the ledger does not have: the ledger went back.

    coupon: read before the figures. The gate gets a definition after its commit, so a newer one
    there must be in the ledger now. Raises LedgerUnavailable.
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
    as_operator: bool = False,
) -> int | None:
    """Fence the coupon, load it again and open it; return how many requests were loaded.

    progress: called again and again with how many were loaded so far. as_operator: with the rights
    of coupon_ops; otherwise with those of coupon_reconciler. Returns None when another rebuild is
    running or has just ended, when there is no such coupon, when it is a draft or archived, or when
    Redis restarted meanwhile, so that it has to be repeated. Raises RedisUnavailable or
    LedgerUnavailable; then the coupon may be unavailable, and the rebuild may be repeated.
    """
    with alone_with(connection, coupon_id) as alone:
        coupon = find_coupon(connection, coupon_id) if alone else None
        if coupon is None or not coupon.belongs_at_gate:
            return None
        figures = gate.figures([coupon_id])[0]
        if not even_if_open and unavailable_reason(figures, coupon) is None:
            return None
        # Before the fence: a rebuild that cannot finish would make an open coupon unavailable.
        check_takes_writes(gate.client)
        above = figures.epoch if figures else 0
        fenced = begin_gate_epoch(connection, coupon_id, above, as_operator)
        if fenced is None:
            return None
        loaded = 0

        def counted() -> Iterator[IssueRequest]:
            nonlocal loaded
            for request in _all_requests(connection, fenced, as_operator):
                loaded += 1
                if loaded % _ROWS_PER_REPORT == 0:
                    progress(loaded)
                yield request
            # What was changed meanwhile, the beginning of the epoch may have overwritten.
            now = find_coupon(connection, coupon_id)
            if now is not None:
                gate.define(now)

        return loaded if open_fenced(gate, connection, fenced, counted()) else None


def open_fenced(
    gate: Gate, connection: Connection, fenced: Coupon, requests: Iterable[IssueRequest]
) -> bool:
    """Load and open a coupon with its audience; else as `open_coupon`."""
    audience = list_audiences(connection, [fenced.coupon_id]).get(fenced.coupon_id, EVERYBODY)

    def load_list() -> bool:
        return load_audience(gate, connection, fenced.coupon_id, audience)

    return open_coupon(gate, fenced, requests, audience, load_list)


def _all_requests(
    connection: Connection, fenced: Coupon, as_operator: bool
) -> Iterator[IssueRequest]:
    """Every request, with those whose row the ledger lost, after writing the row again.

    Lost rows are searched only when the coupon's counts show that there are some: the search reads
    all issued coupons.
    """
    final = 0
    for request in stream_requests(connection, fenced.coupon_id):
        final += request.is_final
        yield request
    if final < fenced.issued_count + fenced.rejected_count:
        write = operate_unrequested if as_operator else write_unrequested
        yield from write(connection, fenced.coupon_id)
