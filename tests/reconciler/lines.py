"""A coupon that is sold out, and the users who wait for it."""

from typing import Any

from coupons.ledger.connection import Connection
from coupons.ledger.coupons import change_coupon
from coupons.ledger.standby import find_standby_entry, join_standby, set_standby_list
from coupons.model import Claim, IssuedChange
from operations.verify.report import check_consistency
from reconciler.standby_watch import serve_lines
from tests.reconciler.conftest import Shop
from tests.support.changes import change_owned_coupon

HOLDERS, LINE = (100, 101), (1, 2, 3)
FAR_US = 2**52


class Line:
    """A coupon of two places that HOLDERS have; LINE waits in this order."""

    def __init__(self, shop: Shop, api: Connection, reconciler: Connection) -> None:
        self.shop, self.api, self.reconciler = shop, api, reconciler
        self.gate, self.coupon_id = shop.gate, shop.coupon_id
        shop.accept(*HOLDERS)
        shop.issue(*HOLDERS)
        set_standby_list(api, self.coupon_id, is_on=True, acted_by="user 9")
        for user in LINE:
            join_standby(api, user, self.coupon_id, [], is_sold_out=True)
        self.gate.define(shop.ledger())

    def revoke(self, user: int) -> None:
        change_owned_coupon(
            self.api, user, self.coupon_id, IssuedChange.REVOKE, "user 9", reason="fraud"
        )

    def raise_stock(self, total: int) -> None:
        change_coupon(self.api, self.coupon_id, total_quantity=total)
        self.gate.define(self.shop.ledger())

    def claim(self, *users: int) -> list[Any]:
        return list(self.gate.admit([Claim(self.coupon_id, user) for user in users]))

    def serve(self) -> None:
        while serve_lines(self.gate, self.reconciler):
            pass

    def states(self) -> str:
        """The first letter of what became of each in LINE."""
        entries = [find_standby_entry(self.api, user, self.coupon_id) for user in LINE]
        return "".join("-" if each is None else str(each.state)[0] for each in entries)

    def requested(self) -> list[int]:
        return [user for user in LINE if self.shop.has_request(user)]

    def complaints(self) -> list[str]:
        report = check_consistency(self.gate, self.api, self.coupon_id)
        assert report is not None
        return report.complaints
