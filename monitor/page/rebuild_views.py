"""The pages to rebuild the gate: what it means first, and then the run."""

from collections.abc import Callable, Iterator

from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from coupons.errors import NotThere
from coupons.ids import MAX_COUPON_ID
from monitor.page.acting import Acting
from monitor.page.coupon import Facts
from monitor.page.coupon_reading import CouponReader
from monitor.page.figures import clock
from monitor.page.rebuilding import Rebuilding
from monitor.page.request_search import NotSearchable, parse_id
from monitor.state import State

ALL = "all"


class RebuildViews:
    """/stream/rebuild. rebuilding: the run, which the page of the stream shows as well."""

    def __init__(
        self,
        state: Callable[[], State],
        reader: CouponReader,
        acting: Acting,
        rebuilding: Rebuilding,
    ) -> None:
        self._state = state
        self._acting = acting
        self._rebuilding = rebuilding
        self._reader = reader

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("rebuild", __name__)
        routes.get("/stream/rebuild")(self.confirm)
        routes.post("/stream/rebuild")(self.begin)
        return routes

    def confirm(self) -> str | tuple[str, int]:
        """What a rebuild does: nothing is done yet."""
        self._acting.require()
        typed = request.args.get("coupon", "").strip()
        run = self._rebuilding.last
        given = {"typed": typed, "run": run if run and run.is_running else None}
        try:
            coupon_id = _which(typed)
            effects = list(self._effects(coupon_id))
        except (NotSearchable, NotThere) as error:
            return render_template("stream_rebuild.html", **given, problem=error), 400
        return render_template("stream_rebuild.html", **given, effects=effects, problem=None)

    def begin(self) -> Response | tuple[str, int]:
        """Begin it, unless another one runs."""
        who = self._acting.require().who
        typed = request.form.get("coupon", "").strip()
        try:
            coupon_id = _which(typed)
            if coupon_id is not None:
                self._facts(coupon_id)
        except (NotSearchable, NotThere) as error:
            given = {"typed": typed, "run": None, "problem": error}
            return render_template("stream_rebuild.html", **given), 400
        if self._rebuilding.begin(who, coupon_id):
            flash("The rebuild has begun. This page shows how far it is.", "done")
        elif run := self._rebuilding.last:
            says = f"Not begun: {run.who} began another one at {clock(run.began_at)}. See below."
            flash(says, "problem")
        return redirect("/stream", 303)

    def _facts(self, coupon_id: int) -> Facts:
        with self._reader.ledger.connected() as connection:
            return self._reader.read(connection, coupon_id)

    def _effects(self, coupon_id: int | None) -> Iterator[str]:
        if coupon_id is None:
            ledger = self._state().postgres.value
            live = f"{ledger.live:,}" if ledger else "An unknown number"
            yield f"Every coupon is rebuilt, one after the other. {live} of them are live."
        else:
            yield from _effects_on_one(self._facts(coupon_id))
        yield (
            "A coupon that is being rebuilt admits nobody: claims get 503 and may be repeated. A"
            " million requests take about 10 seconds."
        )
        yield "No request that was accepted is lost. Redis needs the memory of a coupon twice."


def _effects_on_one(facts: Facts) -> Iterator[str]:
    coupon, figures = facts.coupon, facts.figures
    assert coupon is not None
    yield f"{coupon.name}: {coupon.state}, {coupon.issued_count:,} issued."
    if figures is None:
        yield f"It admits nobody now. {facts.why}".strip()
    else:
        held = figures.pending + figures.issued + figures.rejected
        yield f"It has {held:,} requests at the gate, {figures.pending:,} of them pending."


def _which(typed: str) -> int | None:
    """The coupon; None: all. Raises NotSearchable."""
    if typed == ALL:
        return None
    found = parse_id(typed, "coupon", MAX_COUPON_ID)
    if found is None:
        raise NotSearchable("Say which coupon, by its id.")
    return found
