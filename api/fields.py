"""The types of values that clients send, parsed strictly: what is accepted reads back the same.

Python's own parsers accept more than the API promises: "20261231" as seconds since 1970, "1_000"
and digits of other scripts as numbers.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from unicodedata import category

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from coupons.ids import MAX_COUPON_ID, REHEARSAL_GROUP
from coupons.model import EARLIEST_MOMENT, LARGEST_QUANTITY, LATEST_MOMENT
from coupons.moments import parse_rfc3339

LONGEST_NAME = 200
DEEPEST_JSON = 8
LARGEST_NUMBER = 2**53 - 1
LONGEST_ORDER_REFERENCE = 100
LONGEST_REASON = 500
"""The ledger's constraints say the same."""

_TEXT = "No control characters, none that reorder text, at least one visible character"
_TEXT_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufffe\uffff]*$"
"""As much of that as a pattern says in few characters."""

ID_PATTERN = "^[1-9][0-9]{0,18}$"

_ID = re.compile(r"[1-9][0-9]{0,18}")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_DECIMAL_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?")
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BLANK_BUT_NOT_BY_CATEGORY = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
"""Fillers and blanks that Unicode classifies as letters or symbols."""


def _wrong(kind: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(kind, message.replace("{", "{{"))


def _moment(value: Any) -> datetime:
    try:
        moment = parse_rfc3339(value if isinstance(value, str) else "")
    except OverflowError:
        moment = LATEST_MOMENT  # UTC has no such year
    except ValueError as error:
        raise _wrong("date_time", str(error)) from None
    if not EARLIEST_MOMENT <= moment < LATEST_MOMENT:
        raise _wrong(
            "date_time",
            f"Use a time from {EARLIEST_MOMENT:%Y-%m-%d} to before {LATEST_MOMENT:%Y-%m-%d} in UTC",
        )
    return moment


def _text(value: str) -> str:
    """Refuses a text that shows nothing, or that changes how the text around it is shown."""
    for character in value:
        of = category(character)
        if of in ("Cc", "Cs", "Zl", "Zp") or ord(character) & 0xFFFE == 0xFFFE:
            raise _wrong("text", f"U+{ord(character):04X} is a control character: leave it out")
        if character in _REORDERING:
            raise _wrong(
                "text", f"U+{ord(character):04X} reorders the text around it: leave it out"
            )
    if not any(map(_is_visible, value)):
        raise _wrong("text", "Use at least one visible character")
    return value


def _is_visible(character: str) -> bool:
    # Marks (M) are only visible on a letter; Cf are joiners and direction marks. An unassigned
    # character (Cn) may be a newer emoji.
    of = category(character)
    is_drawn = of[0] in "LNPS" or of in ("Co", "Cn")
    return is_drawn and character not in _BLANK_BUT_NOT_BY_CATEGORY


def _id(value: Any) -> Any:
    """An id as a string of digits; numbers pass as they are."""
    if isinstance(value, str):
        if not _ID.fullmatch(value):
            raise _wrong(
                "id", "Use a positive whole number in digits from 0 to 9, without a leading zero"
            )
        return int(value)
    return value


def _whole_number(value: Any) -> Any:
    if not isinstance(value, str) or not _WHOLE_NUMBER.fullmatch(value):
        raise _wrong("whole_number", "Use a whole number in digits from 0 to 9")
    return int(value)


def _decimal_number(value: Any) -> Any:
    if not isinstance(value, str) or not _DECIMAL_NUMBER.fullmatch(value):
        raise _wrong("number", 'Use a number in digits from 0 to 9, such as "10" or "2.5"')
    return float(value)


def _group(value: str) -> str:
    if value == REHEARSAL_GROUP:
        raise _wrong("group", "This group is reserved for rehearsals: use another name")
    return value


def _json(value: Any, depth: int = 0) -> Any:
    """Refuses what Postgres cannot store, or what not every client reads back the same."""
    if depth > DEEPEST_JSON:
        raise _wrong("json", f"Nest objects and lists at most {DEEPEST_JSON} deep")
    if isinstance(value, str) and "\0" in value:
        raise _wrong("json", "U+0000 cannot be stored: leave it out")
    # Also refuses infinity and what is not a number.
    if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
        raise _wrong("json", "Numbers end at 2^53, as those of JavaScript: use a string")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _json(name, depth)
            _json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _json(inner, depth + 1)
    return value


def text_schema(longest: int) -> dict[str, Any]:
    """How the API's description has such a text."""
    lengths = {"minLength": 1, "maxLength": longest}
    return {"type": "string", **lengths, "pattern": _TEXT_PATTERN, "description": _TEXT}


CouponId = Annotated[
    int,
    Field(ge=1, le=MAX_COUPON_ID),
    BeforeValidator(_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": ID_PATTERN},
                {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_COUPON_ID},
            ]
        }
    ),
]
"""In a body. A string is accepted too: JavaScript cannot write numbers above 2^53."""

Name = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_text),
    WithJsonSchema(text_schema(LONGEST_NAME)),
]
OrderReference = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_ORDER_REFERENCE),
    AfterValidator(_text),
    WithJsonSchema(text_schema(LONGEST_ORDER_REFERENCE)),
]
"""What a shop calls an order."""
Reason = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_REASON),
    AfterValidator(_text),
    WithJsonSchema(text_schema(LONGEST_REASON)),
]
"""Why a person did something."""
Quantity = Annotated[int, Field(ge=1, le=LARGEST_QUANTITY)]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 with an offset, to the microsecond, from"
            f" {EARLIEST_MOMENT:%Y-%m-%d} to before {LATEST_MOMENT:%Y-%m-%d} in UTC",
        }
    ),
]
Group = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="1 to 64 letters, digits, `_` or `-`"),
    AfterValidator(_group),
]
ValidDays = Annotated[
    int, Field(ge=1, le=36_500, description="An issued coupon is valid so many times 24 hours")
]
Discount = Annotated[
    dict[str, Any],
    AfterValidator(_json),
    Field(
        description="Any object, for the shop; nothing interprets it. At most 4,096 bytes as JSON,"
        f" nested at most {DEEPEST_JSON} deep, numbers below 2^53"
    ),
]
Metadata = Annotated[
    dict[str, str],
    AfterValidator(_json),
    Field(description="Strings by name, for the shop. At most 4,096 bytes as JSON"),
]
WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
"""In a query."""
DecimalNumber = Annotated[float, BeforeValidator(_decimal_number)]
"""In a query; bounded, so that it is never infinite."""
