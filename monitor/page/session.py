"""The session of a browser: who is signed in, and the token that each of its forms carries."""

import secrets
import time
from hmac import compare_digest

from flask import Response, abort, redirect, request, session
from werkzeug.wrappers import Response as BaseResponse

from monitor.page.sign_in import Operator

CSRF = "csrf_token"


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


def require_sign_in() -> BaseResponse | None:
    """Before every request: a form needs its token, and a page needs somebody who is signed in."""
    if request.endpoint is None:
        return None  # there is no such page, or the host is not ours
    if request.method == "POST" and not _has_token():
        abort(400, "This form is too old, or of another page. Go back, load it again, and send it.")
    is_open = request.endpoint == "static" or request.endpoint.startswith("sign_in.")
    if is_open or operator():
        return None
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": "/sign-in"})
    return redirect("/sign-in", 303)


def _has_token() -> bool:
    sent, known = request.form.get(CSRF, ""), session.get(CSRF, "")
    return bool(known) and compare_digest(sent.encode(), str(known).encode())
