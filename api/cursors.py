"""Cursors of pages: opaque to clients, and checked when they come back."""

import binascii
import re
from base64 import b64decode, urlsafe_b64encode

from api.problems import Problem, ProblemType


def read_cursor(cursor: str, form: re.Pattern[str]) -> re.Match[str]:
    """What the cursor says. Raises Problem: it does not have this form."""
    try:
        found = form.fullmatch(b64decode(cursor, altchars=b"-_", validate=True).decode())
    except (ValueError, binascii.Error):
        found = None
    if found is None:
        raise foreign_cursor()
    return found


def foreign_cursor() -> Problem:
    """The problem of a cursor that this API cannot have made."""
    message = "This cursor was not made by this API. Start without a cursor."
    return Problem(ProblemType.INVALID, message, errors=[{"field": "cursor", "message": message}])


def write_cursor(text: str) -> str:
    """The cursor that says this."""
    return urlsafe_b64encode(text.encode()).decode()
