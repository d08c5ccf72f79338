"""The search, and the timeline of one request."""

from collections.abc import Callable
from datetime import datetime
from threading import BoundedSemaphore
from typing import NamedTuple

from flask import Blueprint, abort, render_template, request

from coupons.endpoints import Endpoints
from coupons.errors import CouponError, NotThere
from coupons.ids import request_id_text
from coupons.model import from_microseconds
from monitor.page.figures import after, moment
from monitor.page.request_search import (
    NotSearchable,
    Search,
    coupon_of,
    parse_search,
    requests_of_user,
)
from monitor.state import LiveCoupon, State
from operations.trace.timeline import Step, Trace
from operations.trace.trace import trace_request

AT_ONCE = 3
"""Searches; each asks up to four servers and may wait for them. The other threads stay free."""


class Row(NamedTuple):
    """A line of the timeline. at, after: empty: its time is not known."""

    step: Step
    at: str
    after: str


class RequestViews:
    """/requests. state: for what is known of live coupons. where: which system to ask."""

    def __init__(self, state: Callable[[], State], where: Endpoints) -> None:
        self._state = state
        self._where = where
        self._searches = BoundedSemaphore(AT_ONCE)

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("requests", __name__)
        routes.get("/requests")(self.show)
        return routes

    def show(self) -> str | tuple[str, int]:
        """The form, and what was found."""
        typed = {name: request.args.get(name, "") for name in ("request", "coupon", "user")}
        try:
            search = parse_search(**typed)
            if search is None:
                return _page(typed)
            if not self._searches.acquire(blocking=False):
                abort(503, "Other searches are running. Try again in a moment.")
            try:
                return _page(typed, **self._found(search))
            finally:
                self._searches.release()
        except (NotSearchable, NotThere) as error:
            status = 400 if isinstance(error, NotSearchable) else 404
            return _page(typed, problem=str(error)), status
        except CouponError as error:
            return _page(typed, problem=f"Not known now: {error}"), 503

    def _found(self, search: Search) -> dict[str, object]:
        if search.key is not None:
            trace = trace_request(self._where, *search.key)
            return {"trace": trace, "rows": _rows(trace)}
        if search.coupon_id is not None:
            coupon = coupon_of(self._where, search.coupon_id)
            if coupon is None:
                raise NotThere(f"There is no coupon {search.coupon_id}.")
            return {"coupon": coupon, "live": self._live(search.coupon_id)}
        assert search.user_id is not None
        postgres = self._state().postgres
        ledger = postgres.value
        if ledger is None:
            raise CouponError(f"the monitor cannot read the live coupons: {postgres.why}")
        coupons = {each.coupon_id: each for each in ledger.coupons}
        of_user = requests_of_user(self._where, search.user_id, coupons)
        found = [
            (each, coupons[each.coupon_id].name, moment(from_microseconds(each.requested_at_us)))
            for each in of_user
        ]
        return {"user_id": search.user_id, "of_user": found, "searched": len(coupons)}

    def _live(self, coupon_id: int) -> LiveCoupon | None:
        return next(
            (each for each in self._state().live if each.coupon.coupon_id == coupon_id), None
        )


def _rows(trace: Trace) -> list[Row]:
    rows = []
    before: datetime | None = None
    for step in trace.steps:
        delay = after(step.at - before) if step.at and before else ""
        rows.append(Row(step, moment(step.at) if step.at else "", delay))
        before = step.at or before
    return rows


def _page(typed: dict[str, str], **found: object) -> str:
    nothing = dict.fromkeys(("problem", "trace", "rows", "coupon", "live", "user_id"))
    known = {**nothing, "of_user": (), "searched": 0, **found}
    return render_template("requests.html", typed=typed, request_id=request_id_text, **known)
