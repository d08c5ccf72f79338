"""Who may act on the page: an operator with the role act, where Postgres allows actions."""

from typing import NamedTuple

from flask import abort

from monitor.page import session
from monitor.page.sign_in import Operator


class Acting(NamedTuple):
    """is_possible: whether the page has a login at Postgres that may act."""

    is_possible: bool

    def why_not(self) -> str | None:
        """Why whoever is signed in cannot act; None: they can."""
        who = session.operator()
        if who is None or not who.acts:
            return "You may only look. `coupon monitor` prints a link with which you may act."
        if not self.is_possible:
            return "This page only shows: COUPON_MONITOR_OPERATOR_DATABASE_URL is not set."
        return None

    def require(self) -> Operator:
        """Who acts. Ends the request with 403 when they may not."""
        if why := self.why_not():
            abort(403, why)
        who = session.operator()
        assert who is not None
        return who
