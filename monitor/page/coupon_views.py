"""The coupons: a list to find one, the page of one, and what an operator does with it."""

import re
from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, request
from psycopg.errors import CheckViolation
from werkzeug.wrappers import Response

from coupons.errors import NotThere, OutcomeUnknown
from coupons.gate.changes import (
    STATES,
    CouponArchived,
    CouponChanged,
    CouponClosed,
    CouponDraft,
    define_at_gate,
    operate_in_ledger,
)
from coupons.ids import MAX_COUPON_ID
from coupons.ledger.coupon_pages import search_coupons
from coupons.model import LARGEST_QUANTITY, CouponState
from monitor.page.acting import Acting
from monitor.page.coupon import effect, objection, show_coupon
from monitor.page.coupon_reading import CouponReader
from monitor.page.figures import moment
from monitor.page.overview_views import REFRESH_SECONDS
from monitor.page.request_search import NotSearchable, parse_id
from monitor.state import State
from operations.audit import last_change

PAGE_SIZE = 50
LONGEST_WORDS = 100
STOCK = "stock"
IN_FLIGHT = (
    "More requests are accepted and not final yet than this stock has left: nothing was done. Wait"
    " until they are final, or choose a larger stock."
)


class CouponViews:
    """/coupons. state: what the monitor knows."""

    def __init__(self, state: Callable[[], State], reader: CouponReader, acting: Acting) -> None:
        self._state = state
        self._acting = acting
        self._reader = reader

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("coupons", __name__)
        routes.get("/coupons")(self.show_list)
        routes.get("/coupons/<coupon>")(self.show)
        routes.get("/coupons/<coupon>/live")(self.live)
        action = f"/coupons/<coupon>/<any(pause, resume, close, {STOCK}):action>"
        routes.get(action)(self.confirm)
        routes.post(action)(self.act)
        return routes

    def show_list(self) -> str | tuple[str, int]:
        """Those that match, the newest ids first, PAGE_SIZE a page."""
        typed = {name: request.args.get(name, "").strip() for name in ("q", "state")}
        given = {"typed": typed, "states": [*CouponState], "most": LONGEST_WORDS}
        try:
            before = _before(request.args.get("before", ""))
            words, state = _words(typed["q"]), _state(typed["state"])
        except NotSearchable as error:
            return render_template("coupons.html", **given, problem=error, found=[], more=None), 400
        with self._reader.ledger.connected() as connection:
            found = search_coupons(connection, words, state, before, PAGE_SIZE + 1)
        more = found[PAGE_SIZE - 1].coupon_id if len(found) > PAGE_SIZE else None
        return render_template(
            "coupons.html", **given, problem=None, found=found[:PAGE_SIZE], more=more
        )

    def show(self, coupon: str) -> str:
        """The page of one."""
        return self._render("coupon.html", coupon)

    def live(self, coupon: str) -> str:
        """What changes on it."""
        return self._render("coupon_live.html", coupon)

    def confirm(self, coupon: str, action: str) -> str | tuple[str, int]:
        """What the action would do: nothing is done yet."""
        self._acting.require()
        return self._ask(_coupon_id(coupon), action, request.args.get("total", ""))

    def act(self, coupon: str, action: str) -> Response | tuple[str, int] | str:
        """Do it, if the coupon is as it was when the operator confirmed."""
        who = self._acting.require().who
        coupon_id, typed = _coupon_id(coupon), request.form.get("total", "")
        version, total = _confirmed(action)
        changes = {"total_quantity": total} if total else {"state": STATES[action]}
        try:
            with self._reader.ledger.connected() as connection:
                changed = operate_in_ledger(connection, coupon_id, version, changes, who)
        except CouponChanged:
            return self._ask(coupon_id, action, typed, is_late=True)
        except (CouponArchived, CouponClosed, CouponDraft):
            return self._ask(coupon_id, action, typed)
        except CheckViolation as error:
            is_in_flight = error.diag.constraint_name == "coupon_stock_covers_in_flight"
            return self._ask(coupon_id, action, typed, IN_FLIGHT if is_in_flight else None)
        except OutcomeUnknown as error:
            flash(f"It may have been done, or not: {error}", "problem")
            return redirect(f"/coupons/{coupon_id}", 303)
        at_gate = define_at_gate(self._reader.gate, changed, {"coupon_id": coupon_id})
        later = "" if at_gate else " The gate does not have it yet: the reconciler brings it."
        says = f"Done: it is {changed.state}, with a stock of {changed.total_quantity:,}.{later}"
        flash(says, "done")
        return redirect(f"/coupons/{coupon_id}", 303)

    def _ask(
        self,
        coupon_id: int,
        action: str,
        typed: str,
        problem: str | None = None,
        is_late: bool = False,
    ) -> str | tuple[str, int]:
        """The confirmation. is_late: somebody else changed the coupon since the last one.

        problem: why it was not done.
        """
        total = None
        try:
            total = _total(typed) if action == STOCK else None
        except NotSearchable as error:
            problem = str(error)
        with self._reader.ledger.connected() as connection:
            facts = self._reader.read(connection, coupon_id)
            last = last_change(connection, coupon_id) if is_late else None
        assert facts.coupon is not None
        problem = objection(action, facts.coupon, total) or problem
        page = render_template(
            "coupon_action.html",
            coupon=facts.coupon,
            action=action,
            typed=typed,
            total=total,
            effects=list(effect(action, facts, total)) if not problem else [],
            problem=problem,
            is_late=is_late,
            last=last,
            largest=LARGEST_QUANTITY,
        )
        return (page, 409 if is_late else 400) if is_late or request.method == "POST" else page

    def _render(self, template: str, coupon: str) -> str:
        coupon_id = _coupon_id(coupon)
        shown = show_coupon(self._state(), self._reader.known(coupon_id))
        return render_template(
            template,
            shown=shown,
            coupon_id=coupon_id,
            may_act=self._acting.why_not() is None,
            refresh_s=REFRESH_SECONDS,
            moment=moment,
        )


def _coupon_id(text: str) -> int:
    """Raises NotThere when it is no id."""
    try:
        found = parse_id(text, "coupon", MAX_COUPON_ID)
    except NotSearchable as error:
        raise NotThere(str(error)) from None
    assert found is not None
    return found


def _confirmed(action: str) -> tuple[int, int | None]:
    """Version and stock of the form that was sent. Ends the request with 400 without them."""
    try:
        version = parse_id(request.form.get("version", ""), "version", 2**62)
        total = _total(request.form.get("total", "")) if action == STOCK else None
    except NotSearchable as error:
        abort(400, str(error))
    if version is None or (action == STOCK and total is None):
        abort(400, "This form is not complete. Go back, load it again, and send it.")
    return version, total


def _before(text: str) -> int:
    return parse_id(text, "coupon", MAX_COUPON_ID) or MAX_COUPON_ID + 1


def _words(text: str) -> str:
    if len(text) > LONGEST_WORDS or not text.isprintable():
        raise NotSearchable(f"Search for at most {LONGEST_WORDS} characters, in one line.")
    return text


def _state(text: str) -> str:
    if text and text not in [*CouponState]:
        raise NotSearchable("There is no such state of a coupon.")
    return text


def _total(text: str) -> int | None:
    """The stock that was typed; None: nothing was. Raises NotSearchable."""
    text = text.strip()
    if text and (not re.fullmatch("[1-9][0-9]{0,9}", text) or int(text) > LARGEST_QUANTITY):
        raise NotSearchable(f"A stock is a number from 1 to {LARGEST_QUANTITY:,}, in digits.")
    return int(text) if text else None
