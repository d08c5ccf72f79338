"""Request bodies, checked strictly; and how a body or a query string is read as its form."""

import asyncio
from typing import Annotated, Any, Literal, Self, TypeVar

from flask import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from api.fields import (
    CouponId,
    Discount,
    Group,
    Metadata,
    Moment,
    Name,
    OrderReference,
    Quantity,
    Reason,
    ValidDays,
)
from api.problems import Problem, ProblemType
from api.request_body import await_body
from coupons.codes import CodeKind

MOST_NAMED_ERRORS = 10
LONGEST_NAMED_FIELD = 64
SMALL_BODY_BYTES = 4_096
"""It takes a millisecond at most, whatever is in it: an error is made for each unknown field."""


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NewCoupon(_Body):
    """Body of POST /coupons. With only the required fields, it opens at once and has no end.

    With valid_until and no issue_ends_at, it can be claimed until then.
    state: a draft is not shown to users, and nobody can claim it before it is opened.
    """

    id: CouponId | None = None
    name: Name
    total_quantity: Quantity
    issue_starts_at: Moment | None = None
    issue_ends_at: Moment | None = None
    eligible_group: Group | None = None
    valid_for_days: ValidDays | None = None
    valid_until: Moment | None = None
    discount: Discount | None = None
    metadata: Metadata | None = None
    state: Literal["open", "draft"] = "open"


def _no_default(schema: dict[str, Any]) -> None:
    del schema["default"]


_LEFT_OUT: Any = Field(default=None, json_schema_extra=_no_default)
"""Left out of a change: not the same as null."""


class CouponChange(_Body):
    """Body of PATCH /coupons/{id}, a merge patch (RFC 7396).

    A field that is left out stays as it is. null removes an optional field: an end, a group, a
    term, or a start in the future (the coupon opens at once). Objects are replaced, not merged.
    state: opens a draft, or resumes; it is sent alone.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Name = _LEFT_OUT
    total_quantity: Quantity = _LEFT_OUT
    issue_starts_at: Moment | None = _LEFT_OUT
    issue_ends_at: Moment | None = _LEFT_OUT
    eligible_group: Group | None = _LEFT_OUT
    valid_for_days: ValidDays | None = _LEFT_OUT
    valid_until: Moment | None = _LEFT_OUT
    discount: Discount | None = _LEFT_OUT
    metadata: Metadata | None = _LEFT_OUT
    state: Literal["open"] = _LEFT_OUT

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"at least one of {', '.join(type(self).model_fields)} is required")
        if "state" in self.model_fields_set and len(self.model_fields_set) > 1:
            raise ValueError("send state alone: what you have read is what becomes open")
        return self

    def given(self) -> dict[str, Any]:
        """The fields that the client sent, by name."""
        return self.model_dump(include=self.model_fields_set)


class CouponUse(_Body):
    """Body of POST /issued-coupons/{id}/use and /cancel-use."""

    order_reference: OrderReference


class Revocation(_Body):
    """Body of POST /issued-coupons/{id}/revoke."""

    reason: Reason


class CodesChoice(_Body):
    """Body of PUT /coupons/{id}/codes."""

    # Strict mode takes no text for an enumeration, and JSON has only text.
    kind: Annotated[CodeKind, Field(strict=False)]


class StandbyChoice(_Body):
    """Body of PUT /coupons/{id}/standby-list."""

    is_on: bool


Form = TypeVar("Form", bound=BaseModel)


def read_body(request: Request, form: type[Form]) -> Form:
    """The request's JSON body as `form`. Raises Problem."""
    if not request.is_json:
        raise Problem(
            ProblemType.NOT_JSON, "Send the body as JSON, with Content-Type: application/json."
        )
    try:
        return form.model_validate_json(request.get_data(cache=False))
    except ValidationError as error:
        raise _complaint(error) from None


async def receive_body(request: Request, form: type[Form]) -> Form:
    """The same for a view that runs in the event loop. Only a small body is parsed there."""
    await await_body(request)
    if request.content_length is not None and request.content_length <= SMALL_BODY_BYTES:
        return read_body(request, form)
    return await asyncio.to_thread(read_body, request, form)


def read_query(request: Request, form: type[Form]) -> Form:
    """The request's query string as `form`. Raises Problem."""
    try:
        return form.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise _complaint(error) from None


def _complaint(error: ValidationError) -> Problem:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return Problem(ProblemType.MALFORMED_JSON, errors[0]["msg"])
    named = [
        {"field": _field(detail["loc"]), "message": _message(detail)}
        for detail in errors[:MOST_NAMED_ERRORS]
    ]
    summary = "; ".join(f"{each['field'] or 'body'}: {each['message']}" for each in named)
    if len(errors) > len(named):
        summary += f"; and {len(errors) - len(named)} more"
    return Problem(ProblemType.INVALID, summary, errors=named)


def _message(detail: ErrorDetails) -> str:
    """What is wrong, without the library's own words."""
    if detail["type"] == "extra_forbidden":
        return "There is no such field"
    return detail["msg"].removeprefix("Value error, ")


def _field(location: tuple[int | str, ...]) -> str:
    """The name of a field, cut when it is long: a client may have invented it."""
    name = ".".join(map(str, location))
    return name if len(name) <= LONGEST_NAMED_FIELD else f"{name[:LONGEST_NAMED_FIELD]}..."
