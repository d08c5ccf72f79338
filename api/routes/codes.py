"""The codes of a coupon, for administrators: their kind, their numbers, and uploads to a pool."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.bodies import CodesChoice, read_body
from api.issued_schemas import CodesView, UploadView
from api.openapi_links import links_to
from api.openapi_parts import (
    BODY_PROBLEMS,
    COUPON_ID,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    DocumentPart,
    operation,
    response,
)
from api.pool_lines import read_lines
from api.pool_uploads import UploadReport, upload_codes
from api.problems import Problem, ProblemType, retry_after
from api.request_body import pieces_of
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import no_such_coupon, writing
from api.text_files import CSV, TEXT, check_is_text, has_header
from coupons.ledger.codes import (
    CannotUpload,
    CodesOutcome,
    CouponCodes,
    choose_codes,
    read_codes,
)
from coupons.ledger.connection import Connection, LedgerPool, pooled


class CodesRoutes:
    """GET and PUT /coupons/{id}/codes; POST /coupons/{id}/codes/pool.

    connect: makes a connection for one upload.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        pool: LedgerPool,
        connect: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._authenticator = authenticator
        self._pool = pool
        self._connect = connect

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /coupons/<coupon_id:coupon_id>/codes": self.read,
            "PUT /coupons/<coupon_id:coupon_id>/codes": self.choose,
            "POST /coupons/<coupon_id:coupon_id>/codes/pool": self.upload,
        }
        return blueprint_of("codes", views)

    def read(self, coupon_id: int) -> RawResponse:
        """Kind and numbers of the codes."""
        self._administrator()
        with pooled(self._pool) as connection:
            codes = read_codes(connection, coupon_id)
        if codes is None:
            raise no_such_coupon(coupon_id)
        return json_response(_view_codes(codes))

    def choose(self, coupon_id: int) -> RawResponse:
        """Choose how the codes come about; the same again changes nothing."""
        who = self._administrator()
        kind = read_body(request, CodesChoice).kind
        with writing(_maybe_chosen(coupon_id)), pooled(self._pool) as connection:
            outcome, codes = choose_codes(connection, coupon_id, kind, who)
        if outcome is not CodesOutcome.DONE or codes is None:
            raise problem_of(outcome, coupon_id)
        return json_response(_view_codes(codes))

    def upload(self, coupon_id: int) -> RawResponse:
        """Add the codes of a file to the pool: all that can be added, or nothing of it."""
        who = self._administrator()
        check_is_text(request, "code")
        lines = read_lines(pieces_of(request), request.mimetype == CSV, has_header(request))
        try:
            with writing(_maybe_uploaded(coupon_id)), self._connect() as connection:
                report = upload_codes(connection, coupon_id, who, lines)
        except CannotUpload as error:
            raise problem_of(error.outcome, coupon_id) from None
        return json_response(_view_upload(report))

    def _administrator(self) -> str:
        """The caller, as the audit trail names them."""
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"


def problem_of(outcome: CodesOutcome, coupon_id: int) -> Problem:
    """Why the kind was not chosen, or nothing was uploaded or removed."""
    if outcome is CodesOutcome.EXIST:
        says = f"Coupon {coupon_id} has codes already, so that their kind cannot change any more."
        return Problem(ProblemType.CODES_EXIST, says)
    if outcome is CodesOutcome.BUSY:
        says = (
            f"Codes are being uploaded or removed, of this coupon or another, or codes of coupon"
            f" {coupon_id} are being given. Try again."
        )
        return Problem(ProblemType.CODES_BUSY, says, {"retry-after": retry_after()})
    if outcome is CodesOutcome.OTHER_KIND:
        says = f"The codes of coupon {coupon_id} do not come from a pool: choose that kind first."
        return Problem(ProblemType.NO_POOL, says)
    return no_such_coupon(coupon_id)


def _maybe_chosen(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. The codes of coupon {coupon_id} may have been chosen."
        " Repeat the call, which is harmless.",
    )


def _maybe_uploaded(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. The codes may be in the pool of coupon {coupon_id}."
        " Upload the file again, which is harmless: codes that are there are not added twice.",
    )


def _view_codes(codes: CouponCodes) -> CodesView:
    return {
        "kind": codes.kind,
        "given": codes.given,
        "free": codes.free,
        "missing": codes.missing,
    }


def _view_upload(report: UploadReport) -> UploadView:
    return {
        "header": report.header,
        "added": report.added,
        "refused": report.refused.total(),
        "reasons": dict(report.refused),
        "first_refused": [{"line": line, "reason": reason} for line, reason in report.first],
    }


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    links = links_to("uploadCodes", id="$request.path.id")
    shown = {"200": response("The coupon's codes in numbers", CodesView, links=links)}
    read = operation(
        "readCodes",
        "Read how many codes a coupon has",
        shown,
        (ProblemType.NOT_FOUND, *READ_PROBLEMS),
        scope=ADMIN,
    )
    changing = (
        ProblemType.NOT_FOUND,
        ProblemType.RETIRED,
        ProblemType.CODES_EXIST,
        ProblemType.CODES_BUSY,
        *WRITE_PROBLEMS,
    )
    choose = operation(
        "chooseCodes",
        "Choose how a coupon's codes come about",
        shown,
        (*BODY_PROBLEMS, *changing),
        scope=ADMIN,
        body=CodesChoice,
    )
    codes = {"parameters": [COUPON_ID], "get": read, "put": choose}
    pool = {"parameters": [COUPON_ID], "post": _describe_upload()}
    return DocumentPart(
        {"/coupons/{id}/codes": codes, "/coupons/{id}/codes/pool": pool},
        bodies=(CodesChoice,),
        views=(CodesView, UploadView),
    )


def _describe_upload() -> dict[str, Any]:
    kinds = (
        ProblemType.MALFORMED_REQUEST,
        ProblemType.NOT_FOUND,
        ProblemType.RETIRED,
        ProblemType.BODY_TIMEOUT,
        ProblemType.NO_POOL,
        ProblemType.CODES_BUSY,
        ProblemType.BODY_TOO_LARGE,
        ProblemType.NOT_TEXT,
        ProblemType.OVERLOADED,
        *WRITE_PROBLEMS,
    )
    uploaded = {"200": response("Uploaded, but for the lines that are named", UploadView)}
    described = operation(
        "uploadCodes", "Add the codes of a file to a pool", uploaded, kinds, scope=ADMIN
    )
    content = {"schema": {"type": "string", "description": "One code a line"}}
    described["requestBody"] = {
        "required": True,
        "description": f"`{CSV}` takes the parameter `header=present` or `header=absent`. Without"
        " it, a first line `code` is the header",
        "content": {TEXT: content, CSV: content},
    }
    return described
