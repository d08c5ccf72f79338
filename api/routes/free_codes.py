"""Codes of a pool that nobody has are removed, such as those of a wrong file."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.issued_schemas import RemovedCodesView
from api.openapi_links import links_to
from api.openapi_parts import COUPON_ID, WRITE_PROBLEMS, DocumentPart, operation, response
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.codes import problem_of
from api.routes.coupon_problems import writing
from coupons.ledger.codes import CodesOutcome, remove_free_codes
from coupons.ledger.connection import Connection


class FreeCodeRoutes:
    """DELETE /coupons/{id}/codes/free. connect: makes a connection for one removal."""

    def __init__(
        self,
        authenticator: Authenticator,
        connect: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._authenticator = authenticator
        self._connect = connect

    def blueprint(self) -> Blueprint:
        """The route."""
        views: Views = {"DELETE /coupons/<coupon_id:coupon_id>/codes/free": self.remove}
        return blueprint_of("free_codes", views)

    def remove(self, coupon_id: int) -> RawResponse:
        """Remove the free codes of the pool; those that were given stay."""
        who = f"user {self._authenticator.caller(request, ADMIN).user_id}"
        with writing(_maybe_removed(coupon_id)), self._connect() as connection:
            outcome, removed = remove_free_codes(connection, coupon_id, who)
        if outcome is not CodesOutcome.DONE:
            raise problem_of(outcome, coupon_id)
        body: RemovedCodesView = {"removed": removed}
        return json_response(body)


def _maybe_removed(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. The free codes of coupon {coupon_id} may have been"
        " removed: read how many are free before you upload others.",
    )


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    kinds = (
        ProblemType.NOT_FOUND,
        ProblemType.RETIRED,
        ProblemType.NO_POOL,
        ProblemType.CODES_BUSY,
    )
    links = links_to("readCodes", "uploadCodes", "chooseCodes", id="$request.path.id")
    remove = operation(
        "removeFreeCodes",
        "Remove the codes of a pool that nobody has",
        {"200": response("Removed; those that were given stay", RemovedCodesView, links=links)},
        (*kinds, *WRITE_PROBLEMS),
        scope=ADMIN,
    )
    path = {"parameters": [COUPON_ID], "delete": remove}
    return DocumentPart({"/coupons/{id}/codes/free": path}, views=(RemovedCodesView,))
