"""ETag and If-Match of a coupon (RFC 9110): who changes it says which version they have seen."""

import re

from flask import Request

from api.problems import Problem, ProblemType
from api.schemas import rfc3339
from coupons.ledger.coupon_actions import CouponAction
from coupons.model import Coupon

LONGEST_SAID = 300

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_DESCRIBED = r"""^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"""
_VERSION = re.compile(r'(?<!W/)"([1-9][0-9]{0,17})"')

IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": 'The ETag of the coupon that you have read, such as `"1795360000123457"`; `*`:'
    " whichever it has",
    "schema": {"type": "string", "pattern": _DESCRIBED},
}
"""The header of a call that takes it when it is sent."""
IF_MATCH_REQUIRED = {**IF_MATCH, "required": True}


def etag_of(coupon: Coupon) -> str:
    """The strong ETag. Counts of requests do not change it."""
    return f'"{coupon.version}"'


def seen_versions(request: Request, *, is_required: bool) -> list[int] | None:
    """The versions that If-Match names; None: whichever the coupon has. Raises Problem."""
    sent = request.environ.get("HTTP_IF_MATCH")
    if sent is None and is_required:
        raise Problem(
            ProblemType.PRECONDITION_REQUIRED,
            "Read the coupon, and send its ETag as the header If-Match: then nobody's change is"
            " overwritten.",
        )
    if sent is None or sent.strip() == "*":
        return None
    if not _TAGS.fullmatch(sent.strip()):
        message = "Use an ETag with its quotes, several with commas between them, or *"
        named = [{"field": "If-Match", "message": message}]
        raise Problem(ProblemType.INVALID, f"If-Match: {message}", errors=named)
    return [int(version) for version in _VERSION.findall(sent)]


def precondition_failed(coupon_id: int, last: CouponAction | None) -> Problem:
    """last: what changed the coupon last; None: not known."""
    said = ""
    if last is not None:
        what = last.detail
        if len(what) > LONGEST_SAID:
            what = f"{what[:LONGEST_SAID]}..."
        said = f" The last change, by {last.acted_by} at {rfc3339(last.acted_at)}: {what}."
    return Problem(
        ProblemType.PRECONDITION_FAILED,
        f"Coupon {coupon_id} has another version than If-Match names: nothing was changed.{said}"
        " Read it again.",
    )
