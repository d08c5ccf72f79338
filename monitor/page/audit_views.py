"""The audit trail: who did what, the newest first."""

from flask import Blueprint, render_template, request

from coupons.endpoints import DATABASE_URL, Endpoints
from coupons.ledger.connection import connect_ledger
from operations.audit import NotACursor, list_actions

PAGE_SIZE = 50
ANSWER_TIMEOUT_SECONDS = 3.0


class AuditViews:
    """/audit. where: which system to ask."""

    def __init__(self, where: Endpoints) -> None:
        self._where = where

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("audit", __name__)
        routes.get("/audit")(self.show)
        return routes

    def show(self) -> str | tuple[str, int]:
        """PAGE_SIZE actions, older than the cursor."""
        cursor, url = request.args.get("before", ""), self._where[DATABASE_URL]
        try:
            with connect_ledger(url, "coupon-monitor-page", ANSWER_TIMEOUT_SECONDS) as connection:
                found = list_actions(connection, cursor, PAGE_SIZE + 1)
        except NotACursor as error:
            page = render_template("audit.html", found=[], older=None, cursor="", problem=error)
            return page, 400
        older = found[PAGE_SIZE - 1].cursor if len(found) > PAGE_SIZE else None
        return render_template(
            "audit.html", found=found[:PAGE_SIZE], older=older, cursor=cursor, problem=None
        )
