"""Discarding a draft."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from flask import Blueprint, request
from typing_extensions import TypedDict

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.openapi_links import links_to
from api.openapi_parts import COUPON_ID, WRITE_PROBLEMS, DocumentPart, operation, response
from api.preconditions import IF_MATCH_REQUIRED, precondition_failed, seen_versions
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import no_such_coupon, writing
from api.schemas import Count, Id, Time, rfc3339
from coupons.errors import NotThere
from coupons.ledger.connection import Connection
from coupons.ledger.coupon_actions import last_change_of
from coupons.ledger.discarded import DraftBusy, DraftChanged, NotADraft, discard_draft


class DiscardedDraftView(TypedDict):
    """A draft that is gone. codes: of its pool; listed_users: of its list, when it had one."""

    id: Id
    discarded_at: Time
    codes: Count
    listed_users: Count


class DraftRoutes:
    """DELETE /coupons/{id}. connect: makes a connection for one call, which may remove a pool."""

    def __init__(
        self,
        authenticator: Authenticator,
        connect: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._authenticator = authenticator
        self._connect = connect

    def blueprint(self) -> Blueprint:
        """The route."""
        views: Views = {"DELETE /coupons/<coupon_id:coupon_id>": self.discard}
        return blueprint_of("drafts", views)

    def discard(self, coupon_id: int) -> RawResponse:
        """Delete the draft as the caller has seen it; again: the same answer.

        The gate never had it: nothing has to be done there.
        """
        who = f"user {self._authenticator.caller(request, ADMIN).user_id}"
        seen = seen_versions(request, is_required=True)
        with writing(_maybe_discarded(coupon_id)), self._connect() as connection:
            try:
                discarded = discard_draft(connection, coupon_id, who, seen)
            except NotThere:
                raise no_such_coupon(coupon_id) from None
            except NotADraft as error:
                raise Problem(ProblemType.NOT_DRAFT, str(error)) from None
            except DraftBusy as error:
                raise Problem(ProblemType.UPLOAD_RUNNING, str(error)) from None
            except DraftChanged:
                last = last_change_of(connection, coupon_id)
                raise precondition_failed(coupon_id, last) from None
        body: DiscardedDraftView = {
            "id": str(coupon_id),
            "discarded_at": rfc3339(discarded.discarded_at),
            "codes": discarded.codes,
            "listed_users": discarded.listed_users,
        }
        return json_response(body)


def _maybe_discarded(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. Draft {coupon_id} may have been discarded. Repeat the"
        " call, which is harmless.",
    )


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    kinds = (
        ProblemType.NOT_FOUND,
        ProblemType.NOT_DRAFT,
        ProblemType.UPLOAD_RUNNING,
        ProblemType.PRECONDITION_FAILED,
        ProblemType.PRECONDITION_REQUIRED,
        ProblemType.INVALID,
    )
    links = links_to("auditCoupon", id="$response.body#/id")
    discard = operation(
        "discardDraft",
        "Discard a draft",
        {"200": response("Discarded, now or before", DiscardedDraftView, links=links)},
        (*kinds, *WRITE_PROBLEMS),
        scope=ADMIN,
        headers=[IF_MATCH_REQUIRED],
    )
    path = {"parameters": [COUPON_ID], "delete": discard}
    return DocumentPart({"/coupons/{id}": path}, views=(DiscardedDraftView,))
