"""Why a coupon was not read or written, as problems."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from flask import request
from psycopg.errors import CheckViolation

from api.problems import Problem, ProblemType
from api.request_ids import X_REQUEST_ID
from coupons.errors import OutcomeUnknown
from coupons.ids import parse_request_id

log = logging.getLogger(__name__)

LARGEST_TERM_BYTES = 4_096

_REFUSED = {
    "coupon_never_oversold": (
        ProblemType.STOCK_BELOW_ISSUED,
        "More coupons are already issued; the total can only be lowered to that number.",
    ),
    "coupon_stock_covers_in_flight": (
        ProblemType.STOCK_BELOW_IN_FLIGHT,
        "More requests are accepted and not final yet than the new total has left. Wait until they"
        " are final, or lower it less; pause the coupon first if claims keep coming.",
    ),
    "coupon_is_over": (
        ProblemType.EXPIRED,
        "Its valid_until has passed: everybody's coupon has expired, and stays so.",
    ),
    "coupon_validity_only_grows": (
        ProblemType.VALIDITY_SHORTENED,
        "Somebody has this coupon, or is about to get it: it can only become valid for longer.",
    ),
    "coupon_rehearsal_stays_one": (
        ProblemType.REHEARSAL,
        "Its group keeps users out, and stays. `coupon rehearse purge` removes a rehearsal.",
    ),
}
_TOO_LARGE = {"coupon_discount_is_small": "discount", "coupon_metadata_is_small": "metadata"}
"""The field of a constraint, see sql/migrations/0014_terms.sql."""


@contextmanager
def writing(maybe_done: Problem) -> Iterator[None]:
    """Turn errors of a write to the coupon table into problems.

    maybe_done: raised when the connection was lost before Postgres answered.
    """
    try:
        yield
    except OutcomeUnknown as error:
        log.warning("%s", error, extra=log_fields())
        raise maybe_done from error
    except CheckViolation as error:
        if error.diag.constraint_name == "coupon_window_is_forward":
            raise _wrong_end(
                "issue_ends_at (if left out: valid_until) must be later than issue_starts_at"
                " (if left out: now)."
            ) from None
        if error.diag.constraint_name == "coupon_claims_end_while_valid":
            raise _wrong_end(
                "issue_ends_at must be set, and not later than valid_until: a coupon that is"
                " claimed after that would be expired when it is issued."
            ) from None
        if error.diag.constraint_name in _REFUSED:
            kind, message = _REFUSED[error.diag.constraint_name]
            raise Problem(kind, message) from None
        if error.diag.constraint_name in _TOO_LARGE:
            field = _TOO_LARGE[error.diag.constraint_name]
            message = f"Use at most {LARGEST_TERM_BYTES:,} bytes as JSON"
            named = [{"field": field, "message": message}]
            raise Problem(ProblemType.INVALID, f"{field}: {message}", errors=named) from None
        raise


def _wrong_end(message: str) -> Problem:
    named = [{"field": "issue_ends_at", "message": message}]
    return Problem(ProblemType.INVALID, message, errors=named)


def log_fields(coupon_id: int | None = None) -> dict[str, object]:
    """The fields of a log line about the current HTTP request."""
    about: dict[str, object] = {"x_request_id": request.environ[X_REQUEST_ID]}
    return about if coupon_id is None else {**about, "coupon_id": coupon_id}


def id_taken(coupon_id: int | None) -> Problem:
    if coupon_id is None:
        return Problem(
            ProblemType.ID_TAKEN,
            "The next ids are all used: they were chosen for other coupons. Choose an id.",
        )
    return Problem(
        ProblemType.ID_TAKEN, f"Coupon {coupon_id} exists, or existed. Choose another id."
    )


def discarded_since(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.ID_TAKEN,
        f"Coupon {coupon_id}, which this Idempotency-Key created, was discarded since. Use another"
        " key for another coupon.",
    )


def maybe_created(coupon_id: int | None, *, has_key: bool) -> Problem:
    which = "A coupon" if coupon_id is None else f"Coupon {coupon_id}"
    if has_key:
        next_step = "Repeat the call with the same Idempotency-Key: there will be one coupon."
    elif coupon_id is None:
        next_step = (
            "Repeating the call may create another one. Send an Idempotency-Key to make it safe to"
            " repeat."
        )
    else:
        next_step = "Repeat the call: if it was created, the response is id-taken."
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. {which} may have been created. {next_step}",
        {} if coupon_id is None else {"location": f"/coupons/{coupon_id}"},
    )


def maybe_changed(coupon_id: int) -> Problem:
    return Problem(
        ProblemType.OUTCOME_UNKNOWN,
        f"Postgres did not answer in time. Coupon {coupon_id} may have been changed."
        " Repeat the call, which is harmless: with If-Match, precondition-failed then says what was"
        " changed last, and by whom.",
    )


def no_such_coupon(coupon_id: int) -> Problem:
    return Problem(ProblemType.NOT_FOUND, f"Coupon {coupon_id} does not exist.")


def coupon_and_user_of(issued_id: UUID) -> tuple[int, int]:
    """The coupon and the user that an issued coupon's id names. Raises Problem (404)."""
    try:
        return parse_request_id(str(issued_id))
    except ValueError:
        raise no_such_issued_coupon(issued_id) from None


def no_such_issued_coupon(issued_id: UUID) -> Problem:
    return Problem(ProblemType.NOT_FOUND, f"There is no issued coupon {issued_id} for you.")
