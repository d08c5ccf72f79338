"""The Flask application of the page, and what holds for every page of it."""

import logging
import re
import secrets
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from flask import Blueprint, Flask, Request, Response, abort, render_template, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from coupons.errors import CouponError, NotThere
from coupons.process.settings import split_list
from monitor.page.advice import Advice
from monitor.page.figures import FILTERS
from monitor.page.server import LARGEST_BODY_BYTES
from monitor.page.session import csrf_token, operator, require_sign_in
from monitor.page.sign_in import SESSION_SECONDS
from monitor.settings import MonitorSettings

log = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")
_HOST = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::[0-9]{1,5})?", re.ASCII
)
REMEMBERED_SECONDS = 86_400
"""So long after its end a session is known to be over."""
EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104
"""Where a server may listen, and no name of it."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src"
    " 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class _Cookies(SecureCookieSessionInterface):
    """Under the name of another machine the cookie needs HTTPS."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """The session of the cookie; an empty one if it has none of ours.

        Its age does not count: what is in it says when it ends. Flask drops a cookie from the
        future, which each one is after the clock was set back.
        """
        serializer = self.get_signing_serializer(app)
        try:
            sent = request.cookies.get(self.get_cookie_name(app), "")
            return self.session_class(serializer.loads(sent) if serializer else {})
        except BadSignature:
            return self.session_class()

    def get_cookie_secure(self, _app: Flask) -> bool:
        """Whether the cookie of this response is sent over HTTPS only."""
        return not _is_loopback(_host())


def create_app(settings: MonitorSettings, blueprints: Iterable[Blueprint]) -> Flask:
    """The application of these pages."""
    app = Flask("monitor.page")
    app.secret_key = _session_key(settings)
    app.session_interface = _Cookies()
    app.config.update(
        # Cookies are not kept apart by port: two stacks on this machine share them.
        SESSION_COOKIE_NAME=f"coupon_page_{settings.monitor_port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_SECONDS + REMEMBERED_SECONDS,
        SEND_FILE_MAX_AGE_DEFAULT=31_536_000,
        MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES,
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    advice = Advice(settings.monitor_state_dir)
    app.jinja_env.filters.update(FILTERS, typed=advice.typed, with_code=advice.with_code)
    app.jinja_env.globals.update(asset=_asset_urls(), csrf_token=csrf_token, operator=operator)
    app.before_request(partial(_require_known_host, _hosts(settings)))
    app.before_request(require_sign_in)
    app.after_request(_with_headers)
    app.register_error_handler(Exception, _error_page)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _session_key(settings: MonitorSettings) -> str:
    """Without a key for links, sessions end with this process."""
    key = settings.monitor_link_key
    return key.get_secret_value() if key else secrets.token_urlsafe(32)


def _hosts(settings: MonitorSettings) -> frozenset[str]:
    """The names of the page, besides the loopback names."""
    own = settings.monitor_host
    listed = (f"[{own}]" if ":" in own else own, *split_list(settings.monitor_page_hosts))
    return frozenset(map(_name_in, listed)) - EVERY_ADDRESS


def _require_known_host(known: frozenset[str]) -> None:
    """A page of somebody else under a name that leads here (DNS rebinding) is refused.

    Flask's TRUSTED_HOSTS refuses every IPv6 address.
    """
    host = _host()
    if not host or not (_is_loopback(host) or host in known):
        abort(400, "The page has another name: see COUPON_MONITOR_PAGE_HOSTS.")


def _host() -> str:
    return _name_in(request.environ.get("HTTP_HOST", ""))


def _name_in(host: str) -> str:
    """The name or address, without its port and in lower case; empty: it is none."""
    found = _HOST.fullmatch(host.strip())
    return (found["address"] or found["name"]).lower() if found else ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _asset_urls() -> Callable[[str], str]:
    """The address of a static file, which changes with its content: browsers keep it for good."""
    versions = {file.name: sha256(file.read_bytes()).hexdigest()[:10] for file in STATIC.iterdir()}
    return lambda name: f"/static/{name}?v={versions[name]}"


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if not response.cache_control.max_age:
        response.headers["Cache-Control"] = "no-store"
    return response


def _error_page(error: Exception) -> tuple[str, int]:
    """What happened, in a sentence. Never a traceback: that is in the log."""
    if isinstance(error, HTTPException):
        code = error.code or 500
        says = _SAYS.get(code) or error.description or error.name
    elif isinstance(error, CouponError):
        code = 404 if isinstance(error, NotThere) else 503
        says = str(error).strip()
    else:
        log.error("a page failed", exc_info=error)
        code, says = 500, "The page failed. The monitor's log says why."
    return render_template("error.html", code=code, says=says), code


_SAYS = {
    404: "There is no such page.",
    405: "This address takes no such request.",
    413: "That is too long.",
}
