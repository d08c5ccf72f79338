"""The overview, and the part of it that a browser loads again and again."""

from collections.abc import Callable

from flask import Blueprint, render_template

from monitor.page.diagnosis import Doctor
from monitor.page.overview import not_well, overview
from monitor.state import State

REFRESH_SECONDS = 2
CHECKING_SECONDS = 0.5
"""While the doctor checks: what it finds is shown as soon as it has ended."""


class OverviewViews:
    """/ and /live."""

    def __init__(self, state: Callable[[], State], doctor: Doctor) -> None:
        self._state = state
        self._doctor = doctor

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("overview", __name__)
        routes.get("/")(self.show)
        routes.get("/live")(self.live)
        return routes

    def show(self) -> str:
        """The complete page."""
        return self._render("overview.html")

    def live(self) -> str:
        """What changes on it."""
        return self._render("live.html")

    def _render(self, template: str) -> str:
        state = self._state()
        shown = overview(state, self._doctor.latest(not_well(state)))
        return render_template(
            template, shown=shown, refresh_s=REFRESH_SECONDS, checking_s=CHECKING_SECONDS
        )
