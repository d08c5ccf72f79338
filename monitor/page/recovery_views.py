"""What a recovery of the change stream would do, and the command that does it.

The page does not do it: that needs the role coupon_cdc, which can read the complete server.
"""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template
from werkzeug.wrappers import Response

from connectors.recovery import RecoverySettings, plan
from coupons.endpoints import CONNECT_URL, DATABASE_URL, REGISTRY_URL, Endpoints
from monitor.page.acting import Acting
from monitor.page.overview_views import REFRESH_SECONDS
from monitor.page.runs import Runs
from monitor.state import State


class RecoveryViews:
    """/stream/recover. group: the consumers' group."""

    def __init__(
        self, state: Callable[[], State], where: Endpoints, group: str, acting: Acting
    ) -> None:
        self._state = state
        self._where = where
        self._group = group
        self._acting = acting
        self._checks = Runs("plan of a recovery")

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("recovery", __name__)
        routes.get("/stream/recover")(self.show)
        routes.get("/stream/recover/live")(self.live)
        routes.post("/stream/recover")(self.check)
        return routes

    def show(self) -> str:
        """The last plan, and what to type."""
        return self._render("stream_recover.html")

    def live(self) -> str:
        """What changes on it."""
        return self._render("stream_recover_live.html")

    def check(self) -> Response:
        """Find out what a recovery would do. It changes nothing."""
        who = self._acting.require().who
        if self._state().connect is None:
            abort(400, "This monitor does not watch Kafka Connect: COUPON_CONNECT_URL is not set.")
        if not self._checks.begin(who, "Check of the change stream", lambda _: self._plan()):
            flash("Somebody else checks it at present: the result is shown below.", "problem")
        return redirect("/stream/recover", 303)

    def _plan(self) -> str:
        registry = self._where[REGISTRY_URL] if REGISTRY_URL in set(self._where) else None
        return str(
            plan(
                RecoverySettings(
                    self._where[CONNECT_URL],
                    self._where.kafka_client(),
                    self._where[DATABASE_URL],
                    registry,
                    self._group,
                )
            )
        )

    def _render(self, template: str) -> str:
        may_act = self._acting.why_not() is None and self._state().connect is not None
        return render_template(
            template, run=self._checks.last, may_act=may_act, refresh_s=REFRESH_SECONDS
        )
