"""Sees to it that the gate forgets archived coupons, at no cost for those that it has forgotten.

A pass reads only coupons that are not archived. What else the gate has may change when a coupon is
archived, when Redis has another life or other data, and by accidents that nobody sees. So the names
of all keys are read once after each of the first two, at the beginning, and every hour. The ledger
is asked for the newest that is archived, because it may be made and archived between two passes.
"""

import logging
import time
from collections.abc import Collection

from coupons.gate import Gate
from coupons.gate.forgetting import forget_archived
from coupons.ledger.admin_states import newest_archive
from coupons.ledger.connection import Connection
from reconciler.metrics import RECONCILER_FORGOTTEN

log = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 3_600.0
LOCKED_SECONDS = 5.0
"""Until the names are read again when all that are left are locked, by somebody who loads them."""


class Forgetting:
    """What is known of the gate since its keys were read. For the thread of the passes only."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._server: str | None = None
        self._newest = 0
        self._read_at = self._locked_until = 0.0

    def forget(self, gate: Gate, connection: Connection, listed: Collection[int]) -> None:
        """Let the gate forget archived coupons, if it may have one.

        listed: every coupon that belongs at the gate, or may. When not all could be removed, the
        next call tries again. Raises RedisUnavailable or LedgerUnavailable.
        """
        server, newest, now = gate.server_identity(), newest_archive(connection), time.monotonic()
        gone = self._known.difference(listed)
        is_same = server == self._server and newest == self._newest
        if not gone and is_same and now < self._read_at:
            self._known.update(listed)
            return
        if now < self._locked_until:
            return
        self._server = None  # until this has ended well
        forgotten = forget_archived(gate, connection, listed, gone)
        for coupon_id in forgotten.coupon_ids:
            RECONCILER_FORGOTTEN.inc()
            log.info("the gate has forgotten an archived coupon", extra={"coupon_id": coupon_id})
        if not forgotten.is_all and not forgotten.coupon_ids:
            self._locked_until = now + LOCKED_SECONDS
        if forgotten.is_all:
            self._known, self._server, self._newest = set(listed), server, newest
            self._read_at = now + READ_AGAIN_SECONDS
