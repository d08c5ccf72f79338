"""The Flask application of the page, and what holds for every page of it."""

import logging
import secrets
from collections.abc import Callable, Iterable
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, render_template, request
from flask.sessions import SecureCookieSessionInterface
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from coupons.errors import CouponError, NotThere
from monitor.page.figures import FILTERS
from monitor.page.server import LARGEST_BODY_BYTES
from monitor.page.session import csrf_token, operator, require_sign_in
from monitor.page.sign_in import SESSION_SECONDS
from monitor.settings import MonitorSettings, split_list

log = logging.getLogger(__name__)

STATIC = Path(__file__).with_name("static")
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
        PERMANENT_SESSION_LIFETIME=SESSION_SECONDS,
        SEND_FILE_MAX_AGE_DEFAULT=31_536_000,
        MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES,
        TRUSTED_HOSTS=_hosts(settings),
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(asset=_asset_urls(), csrf_token=csrf_token, operator=operator)
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


def _hosts(settings: MonitorSettings) -> list[str]:
    """A page of somebody else under a name that leads here (DNS rebinding) is refused."""
    own = [settings.monitor_host] if settings.monitor_host not in ("0.0.0.0", "::") else []  # noqa: S104
    return ["localhost", "127.0.0.1", "[::1]", *own, *split_list(settings.monitor_page_hosts)]


def _host() -> str:
    return urlsplit(f"//{request.environ.get('HTTP_HOST', '')}").hostname or ""


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
