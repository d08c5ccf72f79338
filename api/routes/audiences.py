"""The audience of a coupon, for administrators: everybody, or a list that is uploaded in parts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.audience_schemas import view_audience, view_upload
from api.audience_uploads import (
    LARGEST_AUDIENCE,
    AudienceTooLarge,
    Source,
    UploadMoved,
    finish_upload,
    take_file,
)
from api.authentication import ADMIN, Authenticator
from api.problems import Problem, ProblemType
from api.request_body import pieces_of
from api.responses import RawResponse, json_response
from api.routes.audience_parts import LARGEST_OFFSET, describe_audiences
from api.routes.coupon_problems import no_such_coupon, writing
from api.text_files import CSV, check_is_text, has_header
from coupons.gate import Gate
from coupons.ledger.audience_uploads import (
    AudienceUpload,
    begin_audience_upload,
    find_audience_upload,
)
from coupons.ledger.audiences import Audience, AudienceOutcome, find_audience, remove_audience
from coupons.ledger.connection import Connection, LedgerPool, pooled
from coupons.model import GateState
from coupons.waiting import attempts

GATE_SECONDS = 15.0
"""So long a response waits until the gate has the list; the reconciler brings it."""
_GATE_PAUSE_SECONDS = 0.1

openapi_part = describe_audiences


class AudienceRoutes:
    """GET and DELETE /coupons/{id}/audience; the uploads below /coupons/{id}/audience-uploads.

    connect: makes a connection for one upload.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        gate: Gate,
        pool: LedgerPool,
        connect: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool
        self._connect = connect

    def blueprint(self) -> Blueprint:
        """The routes."""
        of_coupon = "/coupons/<coupon_id:coupon_id>"
        upload = f"{of_coupon}/audience-uploads/<uuid:upload_id>"
        views: Views = {
            f"GET {of_coupon}/audience": self.read,
            f"DELETE {of_coupon}/audience": self.remove,
            f"POST {of_coupon}/audience-uploads": self.begin,
            f"GET {upload}": self.read_upload,
            f"PATCH {upload}": self.take,
            f"POST {upload}/finish": self.finish,
        }
        return blueprint_of("audiences", views)

    def read(self, coupon_id: int) -> RawResponse:
        """The audience, and whether it is effective."""
        self._administrator()
        return self._audience(coupon_id, wait_s=0.0)

    def remove(self, coupon_id: int) -> RawResponse:
        """Everybody again; repeating it changes nothing."""
        who = self._administrator()
        with writing(_maybe_set(coupon_id)), pooled(self._pool) as connection:
            outcome = remove_audience(connection, coupon_id, who)
        if outcome is AudienceOutcome.NOT_FOUND:
            raise no_such_coupon(coupon_id)
        return self._audience(coupon_id, GATE_SECONDS)

    def begin(self, coupon_id: int) -> RawResponse:
        """Begin an upload; the one before it is gone."""
        self._administrator()
        with writing(_maybe_begun()), pooled(self._pool) as connection:
            outcome, upload_id = begin_audience_upload(connection, coupon_id)
        if upload_id is None:
            raise _problem(outcome, coupon_id, None)
        location = {"location": f"/coupons/{coupon_id}/audience-uploads/{upload_id}"}
        return json_response(view_upload(upload_id, AudienceUpload()), 201, location)

    def read_upload(self, coupon_id: int, upload_id: UUID) -> RawResponse:
        """How far it has come."""
        self._administrator()
        with pooled(self._pool) as connection:
            upload = find_audience_upload(connection, coupon_id, upload_id)
        return json_response(view_upload(upload_id, _found(upload, coupon_id, upload_id)))

    def take(self, coupon_id: int, upload_id: UUID) -> RawResponse:
        """Take a part of the file; what was taken stays when the rest does not arrive."""
        self._administrator()
        offset = _offset()
        check_is_text(request, "user id")
        source = Source(request.mimetype == CSV, has_header(request))
        with writing(_maybe_taken()), self._connect() as connection:
            found = find_audience_upload(connection, coupon_id, upload_id)
            upload = _found(found, coupon_id, upload_id)
            if upload.taken_bytes != offset:
                raise _moved(upload.taken_bytes)
            pieces = pieces_of(request)
            try:
                upload = take_file(connection, coupon_id, upload_id, upload, pieces, source)
            except UploadMoved:
                raise _moved(None) from None
            except AudienceTooLarge:
                raise _too_large() from None
        return json_response(view_upload(upload_id, upload))

    def finish(self, coupon_id: int, upload_id: UUID) -> RawResponse:
        """Make the upload the audience, instead of the one before; repeating it is harmless."""
        who = self._administrator()
        try:
            with writing(_maybe_set(coupon_id)), self._connect() as connection:
                outcome = finish_upload(connection, coupon_id, upload_id, who)
        except UploadMoved:
            raise _moved(None) from None
        except AudienceTooLarge:
            raise _too_large() from None
        if outcome not in (AudienceOutcome.DONE, AudienceOutcome.REPEATED):
            raise _problem(outcome, coupon_id, upload_id)
        return self._audience(coupon_id, GATE_SECONDS)

    def _audience(self, coupon_id: int, wait_s: float) -> RawResponse:
        """As the ledger has it: 200; 202 when it was waited for and is not effective yet."""
        with pooled(self._pool) as connection:
            audience = find_audience(connection, coupon_id)
        if audience is None:
            raise no_such_coupon(coupon_id)
        is_effective = self._is_effective(coupon_id, audience)
        for _ in attempts(wait_s, _GATE_PAUSE_SECONDS):
            if is_effective is not False:
                break
            is_effective = self._is_effective(coupon_id, audience)
        status = 202 if wait_s and not is_effective else 200
        return json_response(view_audience(audience, bool(is_effective)), status)

    def _is_effective(self, coupon_id: int, audience: Audience) -> bool | None:
        """None: the gate does not have the coupon, such as a draft: it is not waited for."""
        [figures] = self._gate.figures([coupon_id])
        if figures is None:
            return None
        return figures.state is GateState.OPEN and figures.audience == audience.form

    def _administrator(self) -> str:
        """The caller, as the audit trail names them."""
        return f"user {self._authenticator.caller(request, ADMIN).user_id}"


def _offset() -> int:
    sent = request.headers.get("Upload-Offset", "")
    if not (sent.isascii() and sent.isdigit()) or len(sent) > 19 or int(sent) > LARGEST_OFFSET:
        named = [{"field": "Upload-Offset", "message": "Bytes of the file before this part."}]
        detail = "Upload-Offset: say how many bytes of the file are before this part."
        raise Problem(ProblemType.INVALID, detail, errors=named)
    return int(sent)


def _found(upload: AudienceUpload | None, coupon_id: int, upload_id: UUID) -> AudienceUpload:
    if upload is None:
        raise _problem(AudienceOutcome.NOT_FOUND, coupon_id, upload_id)
    return upload


def _moved(offset: int | None) -> Problem:
    where = "Read the upload" if offset is None else f"It goes on at byte {offset}"
    says = f"The upload is not where this part begins. {where}."
    return Problem(ProblemType.UPLOAD_OFFSET, says, offset=offset)


def _too_large() -> Problem:
    return Problem(
        ProblemType.BODY_TOO_LARGE, f"A list has at most {LARGEST_AUDIENCE:,} users: begin again."
    )


def _problem(outcome: AudienceOutcome, coupon_id: int, upload_id: UUID | None) -> Problem:
    if outcome is AudienceOutcome.CLOSED:
        says = f"Coupon {coupon_id} is closed, which is final."
        return Problem(ProblemType.CLOSED, says)
    if outcome is AudienceOutcome.ARCHIVED:
        return Problem(ProblemType.ARCHIVED, f"Coupon {coupon_id} is archived, which is final.")
    if outcome is AudienceOutcome.EMPTY:
        says = "No user is in the upload: nobody could claim the coupon. Pause it for that."
        return Problem(ProblemType.EMPTY_AUDIENCE, says)
    if outcome is AudienceOutcome.UNEVEN:
        says = "Too many of these ids are equal but for a large factor, so that they are no list."
        return Problem(ProblemType.INVALID, says)
    if upload_id is None:
        return no_such_coupon(coupon_id)
    says = f"There is no upload {upload_id} to coupon {coupon_id}: another began, or it was left."
    return Problem(ProblemType.NOT_FOUND, says)


def _maybe_begun() -> Problem:
    says = "Postgres did not answer in time. Repeat the call, which is harmless."
    return Problem(ProblemType.OUTCOME_UNKNOWN, says)


def _maybe_taken() -> Problem:
    says = "Postgres did not answer in time. Read the upload: it says where it goes on."
    return Problem(ProblemType.OUTCOME_UNKNOWN, says)


def _maybe_set(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. The audience of coupon {coupon_id} may have been"
        " changed. Repeat the call, which is harmless.",
    )
