"""The audit trail: who did what, the newest first."""

from flask import Blueprint, render_template, request

from monitor.page.page_ledger import PageLedger
from operations.audit import NotACursor, list_actions

PAGE_SIZE = 50


class AuditViews:
    """/audit."""

    def __init__(self, ledger: PageLedger) -> None:
        self._ledger = ledger

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("audit", __name__)
        routes.get("/audit")(self.show)
        return routes

    def show(self) -> str | tuple[str, int]:
        """PAGE_SIZE actions, older than the cursor."""
        cursor = request.args.get("before", "")
        try:
            with self._ledger.connected() as connection:
                found = list_actions(connection, cursor, PAGE_SIZE + 1)
        except NotACursor as error:
            page = render_template("audit.html", found=[], older=None, cursor="", problem=error)
            return page, 400
        older = found[PAGE_SIZE - 1].cursor if len(found) > PAGE_SIZE else None
        return render_template(
            "audit.html", found=found[:PAGE_SIZE], older=older, cursor=cursor, problem=None
        )
