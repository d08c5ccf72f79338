"""Files of lines as request bodies: text, or CSV with one column."""

from flask import Request

from api.problems import Problem, ProblemType

TEXT, CSV = "text/plain", "text/csv"


def check_is_text(request: Request, what: str) -> None:
    """Raises Problem unless the body is one of `what` a line."""
    if request.mimetype not in (TEXT, CSV) or request.content_encoding:
        raise Problem(
            ProblemType.NOT_TEXT,
            f"Send one {what} a line, as {TEXT} or {CSV}, and not compressed.",
        )


def has_header(request: Request) -> bool | None:
    """Whether the client says that the file begins with a header (RFC 4180); None: it does not say.

    Raises Problem: a line that was taken for a line of the file by mistake could not be removed.
    """
    said = request.mimetype_params.get("header")
    if said is None:
        return None
    if request.mimetype != CSV or said not in ("present", "absent"):
        raise Problem(
            ProblemType.NOT_TEXT, f"A header is `{CSV}; header=present` or `{CSV}; header=absent`."
        )
    return said == "present"
