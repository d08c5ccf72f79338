"""The session of a browser: who is signed in, and the token that each of its forms carries."""

import secrets
import time
from hmac import compare_digest
from urllib.parse import urlencode

from flask import Response, abort, redirect, render_template, request, session
from werkzeug.wrappers import Response as BaseResponse

from monitor.page.sign_in import Operator

CSRF = "csrf_token"
AFTER = "after"
LONGEST_ADDRESS = 1_500
"""Of a page that is opened after the sign-in: a browser keeps cookies of 4 KB."""


def sign_in(found: Operator) -> None:
    """Begin a new session. Nothing of the last one is kept."""
    session.clear()
    session.permanent = True
    session["operator"] = list(found)


def sign_out() -> None:
    """End the session."""
    session.clear()


def operator() -> Operator | None:
    """Who is signed in; None: nobody, or the session is over."""
    kept = session.get("operator")
    found = Operator(*kept) if kept else None
    return found if found is not None and found.until_s > time.time() else None


def csrf_token() -> str:
    """The token of this session's forms: another site cannot know it."""
    if CSRF not in session:
        session[CSRF] = secrets.token_urlsafe(16)
    return str(session[CSRF])


def require_sign_in() -> BaseResponse | tuple[str, int] | None:
    """Before every request: a form needs its token, and a page needs somebody who is signed in."""
    if request.endpoint is None:
        return None  # there is no such page
    is_open = request.endpoint == "static" or request.endpoint.startswith("sign_in.")
    if not is_open and operator() is None:
        return _sign_in_first()
    if request.method == "POST" and not _has_token():
        abort(400, "This form is too old, or of another page. Go back, load it again, and send it.")
    return None


def is_over() -> bool:
    """Whether somebody was signed in here whose session is over."""
    return bool(session.get("operator")) and operator() is None


def page_after_sign_in() -> str:
    """Where somebody wanted to go who had to sign in first, with what they had typed."""
    return str(session.get(AFTER, "/"))


def _sign_in_first() -> BaseResponse | tuple[str, int]:
    """A page that is open stays as it is; a form is shown, not lost."""
    if request.headers.get("HX-Request"):
        return Response(status=401)
    typed = {name: value for name, value in request.form.items() if name != CSRF}
    address = f"{request.path}?{urlencode(typed or request.args)}".rstrip("?")
    if len(address) <= LONGEST_ADDRESS and not request.path.endswith("/live"):
        session[AFTER] = address
    if request.method == "POST":
        return render_template("session_over.html", typed=typed), 401
    return redirect("/sign-in", 303)


def _has_token() -> bool:
    sent, known = request.form.get(CSRF, ""), session.get(CSRF, "")
    return bool(known) and compare_digest(sent.encode(), str(known).encode())
