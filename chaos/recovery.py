"""Waits until a stack has recovered, by cheap checks that are repeated."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg

from chaos.history import History
from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate
from coupons.waiting import attempts

POLL_SECONDS = 0.1
LONGEST_SECONDS = 120.0


class Recovery(NamedTuple):
    """Seconds since the stack was healed; None: not within LONGEST_SECONDS.

    accepted_s: until a claim was accepted. settled_s: until every request made before was final in
    Postgres and marked in Redis.
    """

    accepted_s: float | None
    settled_s: float | None

    def __str__(self) -> str:
        shown = ["never" if each is None else f"{each:.1f} s" for each in self]
        return f"accepts after {shown[0]}, settled after {shown[1]}"


def await_recovery(where: Mapping[str, str], history: History) -> Recovery:
    """Wait for the recovery of a stack that was healed just now; claims must be going on."""
    healed, healed_at = time.monotonic(), time.time()
    accepted = settled = None
    for _ in attempts(LONGEST_SECONDS, POLL_SECONDS):
        if accepted is None and history.accepted_since(healed):
            accepted = time.monotonic() - healed
        if settled is None and not unsettled(where, history.coupon_ids, healed_at):
            settled = time.monotonic() - healed
        if accepted is not None and settled is not None:
            break
    return Recovery(accepted, settled)


def unsettled(where: Mapping[str, str], coupon_ids: Sequence[int], before: float) -> str:
    """Why requests for these coupons, made before a moment, are not settled; "" when they are.

    before: seconds since 1970. Settled: final in Postgres, and nothing is pending in Redis.
    """
    try:
        gate = connect_gate(where["COUPON_REDIS_URL"])
        if at_gate := _pending(gate, coupon_ids, int(before * 1_000_000)):
            return at_gate
        with psycopg.connect(where["COUPON_DATABASE_URL"], connect_timeout=2) as ledger:
            row = ledger.execute(
                "SELECT count(*) FROM coupon_issue_request r WHERE coupon_id = ANY(%s)"
                " AND requested_at <= to_timestamp(%s)"
                " AND NOT EXISTS (SELECT FROM issued_coupon i"
                "  WHERE i.coupon_id = r.coupon_id AND i.user_id = r.user_id)"
                " AND NOT EXISTS (SELECT FROM issue_rejection j"
                "  WHERE j.coupon_id = r.coupon_id AND j.user_id = r.user_id)",
                [list(coupon_ids), before],
            ).fetchone()
    except (RedisUnavailable, psycopg.OperationalError) as error:
        return str(error)
    assert row is not None
    return f"{row[0]} requests are not final in Postgres" if row[0] else ""


def _pending(gate: Gate, coupon_ids: Sequence[int], before_us: int) -> str:
    for coupon_id, closed in zip(coupon_ids, gate.unavailable(coupon_ids), strict=True):
        if closed is not None:
            return f"the gate is unavailable for coupon {coupon_id}: {closed}"
        if gate.pending_before(coupon_id, before_us, limit=1):
            return f"coupon {coupon_id} has pending requests at the gate"
    return ""


def await_quiet(where: Mapping[str, str], history: History, within_s: float) -> str:
    """Wait until everything is settled, while no claims are made; return "", or why it is not.

    Adds the moment to the history.
    """
    why = ""
    for _ in attempts(within_s, POLL_SECONDS):
        if not (why := unsettled(where, history.coupon_ids, time.time())):
            history.quiet.append(time.monotonic())
            return ""
    return f"not settled within {within_s:.0f} s: {why}"
