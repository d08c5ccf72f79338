"""The dead letters: find, look, write back, discard."""

from collections.abc import Callable, Iterator

from flask import Blueprint, abort, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.endpoints import Endpoints
from coupons.errors import CouponError
from coupons.ids import MAX_COUPON_ID
from coupons.ledger.connection import Connection
from monitor.page.acting import Acting
from monitor.page.page_ledger import PageLedger
from monitor.page.request_search import NotSearchable, parse_id
from monitor.state import State as Known
from operations.dead_letters.actions import Replayer, Result, consequence, discard, refusal
from operations.dead_letters.actions import no_discard as why_not_discarded
from operations.dead_letters.audit import actions_of, take_lock
from operations.dead_letters.selection import Selection, named, select
from operations.dead_letters.status import DeadLetterStatus, State, read_statuses

MOST_SHOWN = 100
ANSWER_TIMEOUT_SECONDS = 5.0
LONGEST_REASON = 500
ALL = "all"


class DeadLetterViews:
    """/dead-letters. state: what the monitor knows."""

    def __init__(self, state: Callable[[], Known], where: Endpoints, acting: Acting) -> None:
        self._state = state
        self._where = where
        self._acting = acting
        # One reads at a time: the letters may be large.
        busy = "Somebody else reads the dead letters."
        self._ledger = PageLedger(where, "coupon-dead-letters", 1, ANSWER_TIMEOUT_SECONDS, busy)

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("dead_letters", __name__)
        routes.get("/dead-letters")(self.show_list)
        routes.get("/dead-letters/<position>")(self.show_one)
        routes.get("/dead-letters/<position>/<any(replay, discard):action>")(self.confirm)
        routes.post("/dead-letters/<position>/replay")(self.replay)
        routes.post("/dead-letters/<position>/discard")(self.discard)
        return routes

    def show_list(self) -> str | tuple[str, int]:
        """Those that match the filter, at most MOST_SHOWN."""
        typed = {name: request.args.get(name, "") for name in ("state", "coupon", "error")}
        given = {"typed": typed, "states": [*State, ALL], "most": MOST_SHOWN, "problem": None}
        try:
            selection = _selection(**typed)
        except NotSearchable as error:
            page = render_template("dead_letters.html", **{**given, "problem": error}, found=[])
            return page, 400
        with self._ledger.connected() as ledger:
            found = select(self._statuses(ledger), selection)
        return render_template("dead_letters.html", **given, found=found)

    def show_one(self, position: str) -> str:
        """Everything about it, and what was done with it."""
        with self._ledger.connected() as ledger:
            status = self._status(ledger, position)
            actions = actions_of(ledger, status.letter)
        may = self._acting.why_not() is None
        return render_template("dead_letter.html", status=status, actions=actions, may_act=may)

    def confirm(self, position: str, action: str) -> str:
        """What the action would do: nothing is done yet."""
        self._acting.require()
        with self._ledger.connected() as ledger:
            status = self._status(ledger, position)
        objection = refusal(status, {State.OPEN}) if action == "replay" else None
        objection = why_not_discarded(status) if action == "discard" else objection
        given = {"status": status, "action": action, "objection": objection}
        effect = consequence(status)
        return render_template(
            "dead_letter_action.html",
            **given,
            effect=effect,
            most=LONGEST_REASON,
            reason=request.args.get("reason", "")[:LONGEST_REASON],
        )

    def replay(self, position: str) -> Response:
        """Write the record back."""
        who = self._acting.require().who
        allowed = {State.OPEN, State.PARKED} if request.form.get("anyway") else {State.OPEN}
        with self._ledger.connected() as ledger:
            take_lock(ledger)
            status = self._status(ledger, position)
            producer = self._where.kafka_client().producer(PRODUCER_SETTINGS)
            return _done(Replayer(producer, ledger, who, allowed, 1.0).replay([status]))

    def discard(self, position: str) -> Response:
        """Give it up, with a reason."""
        who, reason = self._acting.require().who, request.form.get("reason", "").strip()
        if not reason or len(reason) > LONGEST_REASON:
            abort(400, f"Give a reason of at most {LONGEST_REASON} characters: it is kept.")
        if not reason.isprintable():
            abort(400, "Give a reason in one line, without control characters: it is kept.")
        with self._ledger.connected() as ledger:
            take_lock(ledger)
            return _done(discard(ledger, [self._status(ledger, position)], who, reason))

    def _statuses(self, ledger: Connection) -> list[DeadLetterStatus]:
        """All of them. Raises CouponError while the monitor cannot count them, or has too many."""
        known = self._state().dead_letters
        if not known.is_known:
            raise CouponError(f"The dead letters are not known now: {known.why}")
        return read_statuses(self._where, ledger)

    def _status(self, ledger: Connection, position: str) -> DeadLetterStatus:
        [status] = named(self._statuses(ledger), [position])
        return status


def _selection(state: str, coupon: str, error: str) -> Selection:
    """Without a state: those that somebody has to act on. Raises NotSearchable."""
    states = (State.OPEN, State.PARKED) if not state else [*State]
    if state and state != ALL:
        if state not in [*State]:
            raise NotSearchable("There is no such state of a dead letter.")
        states = [State(state)]
    return Selection(
        coupon_id=parse_id(coupon.strip(), "coupon", MAX_COUPON_ID),
        error_class=error.strip() or None,
        states=states,
        limit=MOST_SHOWN,
        came_back=bool(state),
    )


def _done(results: Iterator[Result]) -> Response:
    """Back to the dead letter, with what was done."""
    [result] = list(results)
    is_done = result.outcome in ("written", "discarded")
    flash(f"{result.outcome}: {result.detail}", "done" if is_done else "problem")
    return redirect(f"/dead-letters/{result.status.letter.position}", 303)
