"""The real servers at the beginning of a trace, and what is under way on them."""

from collections import Counter
from typing import Any

from coupons.gate import Gate, open_coupon
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import create_coupon
from coupons.model import Coupon, IssueRequest
from tests.model.replay.actors import Connections, LateWrite, Rebuild, Writer
from tests.model.replay.seen import Servers
from tests.model.start import LONG_AGO
from tests.model.system import System

COUPON = 1


class Standing:
    """What the steps of a trace work on."""

    def __init__(self, system: System, connections: Connections, start: dict[str, Any]) -> None:
        self._system = system
        self._connections = connections
        self._writers: dict[int, Writer] = {}
        self._admissions: Counter[int] = Counter()
        self._late: dict[int, LateWrite] = {}
        self._marks: dict[int, list[IssueRequest]] = {}
        self._rebuilds: dict[int, Rebuild] = {}
        self._on_its_way: Coupon | None = None
        system.empty()
        total = start["ledger"]["definition"][1]
        coupon = create_coupon(
            system.ledger["api"],
            coupon_id=COUPON,
            name="of the model",
            total_quantity=total,
            issue_starts_at=LONG_AGO,
            issue_ends_at=None,
            eligible_group=None,
        )
        assert coupon is not None
        assert open_coupon(self.gate, coupon)
        self.servers = Servers(self.gate, system.ledger["owner"], COUPON)
        self.servers.compare(start)

    @property
    def gate(self) -> Gate:
        return self._system.gate

    @property
    def _reconciler(self) -> Connection:
        return self._system.ledger["reconciler"]
