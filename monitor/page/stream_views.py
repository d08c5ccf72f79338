"""Connector and gate: their state, how far a rebuild is, and a restart of the connector."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template
from werkzeug.wrappers import Response

from connectors.connect import Connect
from connectors.lifecycle import CONNECTOR_NAME, request_restart
from connectors.slot import Slot
from coupons.endpoints import CONNECT_URL, Endpoints
from coupons.errors import ConnectorError, LedgerUnavailable
from coupons.model import Coupon
from monitor.page.acting import Acting
from monitor.page.figures import Figure, duration, figure, size
from monitor.page.overview_views import REFRESH_SECONDS
from monitor.page.page_ledger import PageLedger
from monitor.page.rebuilding import Rebuilding
from monitor.state import GATE_STATES, State
from operations.audit import note_action

ANSWER_TIMEOUT_SECONDS = 3.0
MOST_SHOWN = 50
RESTART = "restart connector"


class StreamViews:
    """/stream. state: what the monitor knows. where: which system to act on."""

    def __init__(
        self,
        state: Callable[[], State],
        where: Endpoints,
        ledger: PageLedger,
        acting: Acting,
        rebuilding: Rebuilding,
    ) -> None:
        self._state = state
        self._where = where
        self._ledger = ledger
        self._acting = acting
        self._rebuilding = rebuilding

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("stream", __name__)
        routes.get("/stream")(self.show)
        routes.get("/stream/live")(self.live)
        routes.get("/stream/restart")(self.confirm)
        routes.post("/stream/restart")(self.restart)
        return routes

    def show(self) -> str:
        """The complete page."""
        self._rebuilding.look_back()
        return self._render("stream.html")

    def live(self) -> str:
        """What changes on it."""
        return self._render("stream_live.html")

    def confirm(self) -> str:
        """What a restart does: nothing is done yet."""
        self._require_restart()
        kafka = self._state().kafka.value
        return render_template("stream_restart.html", lag=kafka.lag if kafka else None)

    def restart(self) -> Response:
        """Ask Connect to restart connector and task; it is not waited for."""
        who = self._require_restart()
        connect = Connect(self._where[CONNECT_URL], ANSWER_TIMEOUT_SECONDS, rebalance_s=0.0)
        with self._ledger.connected() as connection:
            note_action(connection, who, RESTART, "begun")
            try:
                request_restart(connect, CONNECTOR_NAME)
            except ConnectorError as error:
                note_action(connection, who, RESTART, "failed", str(error))
                flash(f"Not restarted: {error}", "problem")
            else:
                flash("Kafka Connect restarts the connector. Its state is shown here.", "done")
                try:
                    note_action(connection, who, RESTART, "done")
                except LedgerUnavailable:
                    # It was done: an error page would make the operator do it again.
                    flash("The end of it could not be noted in the audit trail.", "problem")
        return redirect("/stream", 303)

    def _require_restart(self) -> str:
        """Who acts."""
        who = self._acting.require().who
        if self._state().connect is None:
            abort(400, "This monitor does not watch Kafka Connect: COUPON_CONNECT_URL is not set.")
        return who

    def _render(self, template: str) -> str:
        state = self._state()
        at_gate, unavailable = state.at_gate, _unavailable(state)
        connector = state.connector.state if state.connector else None
        may_act = self._acting.why_not() is None
        return render_template(
            template,
            at=state.taken_at,
            connector=_connector(state),
            tasks=connector.tasks if connector else [],
            facts=_facts(state),
            gate=[(name, at_gate.coupons[name]) for name in GATE_STATES] if at_gate else None,
            unavailable=unavailable[:MOST_SHOWN],
            count=len(unavailable),
            may_act=may_act,
            may_restart=may_act and state.connect is not None,
            run=self._rebuilding.last,
            refresh_s=REFRESH_SECONDS,
        )


def _connector(state: State) -> Figure:
    if state.connect is None:
        return Figure("not watched", False)
    return figure(
        state.connect, lambda found: found.state.summary[:300] if found.state else "missing", ""
    )


def _facts(state: State) -> list[tuple[str, Figure]]:
    """Of the slot and the gate."""
    ledger, gate = state.postgres, state.redis
    return [
        ("Replication slot", figure(ledger, lambda found: _slot(found.slot), "")),
        ("WAL kept for it", figure(ledger, lambda found: size(found.slot.retained_bytes), "none")),
        ("Newest heartbeat", figure(gate, lambda found: _ago(found.heartbeat_s), "none came")),
        ("Memory of Redis", figure(gate, lambda found: size(found.memory_bytes), "")),
    ]


def _slot(slot: Slot) -> str:
    if slot.is_lost or not slot.exists:
        return "lost or missing"
    return "read by the connector" if slot.active else "not read"


def _ago(seconds: float | None) -> str | None:
    return None if seconds is None else f"{duration(seconds)} ago"


def _unavailable(state: State) -> list[Coupon]:
    """Coupons that admit nobody until they are rebuilt."""
    ledger, gate = state.postgres.value, state.redis.value
    if ledger is None or gate is None:
        return []
    return [each for each in ledger.coupons if gate.figures.get(each.coupon_id, each) is None]
