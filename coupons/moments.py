"""Parses times strictly by RFC 3339."""

import re
from datetime import UTC, datetime

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def parse_rfc3339(text: str) -> datetime:
    """The time in UTC, to the microsecond. T and Z may be lower case, as in the RFC.

    Raises ValueError that says what to write instead; OverflowError: UTC has no such year.
    """
    if not _RFC_3339.fullmatch(text):
        raise ValueError(
            "Use RFC 3339 with an offset and at most six digits of a second's fraction, such as"
            ' "2026-12-31T09:00:00Z"'
        )
    if text[17:19] == "60":
        raise ValueError("Leap seconds cannot be stored: use second 59")
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"There is no such time: {error}") from None
    return moment.astimezone(UTC)
