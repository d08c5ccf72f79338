"""A client of an HTTP service; the URL also says how the link is secured.

  https://user:password@host:port/path?ca_file=/etc/coupon/ca.pem

User and password are sent as basic authentication. ca_file: certificates in PEM to check the
server's certificate with; without it, those of the requests library.
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import requests

from coupons.errors import ConfigurationError
from coupons.links.urls import CA_FILE, check_web_url


class WebService:
    """One service, by the URL of its root. url: without the password, so that it may be shown.

    session, ca_file: what a library needs that makes the requests itself.

    Raises ConfigurationError for a URL that cannot be used.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        try:
            check_web_url(url)
        except ValueError as error:
            raise ConfigurationError(f"{self.url or 'the URL'} cannot be used: {error}") from error
        self.ca_file = dict(parse_qsl(parts.query)).get(CA_FILE)
        self.session = requests.Session()
        if parts.username:
            self.session.auth = (unquote(parts.username), unquote(parts.password or ""))

    def request(
        self, method: str, path: str, timeout: float | tuple[float, float], body: Any = None
    ) -> requests.Response:
        """The response. body: sent as JSON unless None. Raises requests.RequestException."""
        try:
            return self.session.request(
                method, self.url + path, json=body, timeout=timeout, verify=self.ca_file or True
            )
        except OSError as error:
            if isinstance(error, requests.RequestException):
                raise
            # The file of certificates is gone: this is not one of the library's own errors.
            raise requests.ConnectionError(f"{self.url}: {error}") from error


def why_no_response(error: requests.RequestException) -> str:
    """In a few words. The library's own text names its classes."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code}"
    if isinstance(error, requests.JSONDecodeError):
        return "the answer is not JSON"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS failed: {_tls_failure(error)}"
    return str(error.__cause__) if isinstance(error.__cause__, OSError) else "no connection"


def _tls_failure(error: BaseException) -> str:
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return f"certificate verify failed: {below.verify_message}"
        if isinstance(below, ssl.SSLError):
            return below.reason or str(below)
        below = below.__cause__ or below.__context__
    return str(error)
