"""A client of an HTTP service; the URL also says how the link is secured.

  https://user:password@host:port/path?ca_file=/etc/coupon/ca.pem

User and password are sent as basic authentication. ca_file: certificates in PEM to check the
server's certificate with; without it, those of the requests library.
"""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import requests

from coupons.errors import ConfigurationError
from coupons.links.urls import CA_FILE, check_web_url


class WebService:
    """One service, by the URL of its root. url: without the password, so that it may be shown.

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
        self._verify = dict(parse_qsl(parts.query)).get(CA_FILE, True)
        self._session = requests.Session()
        if parts.username:
            self._session.auth = (unquote(parts.username), unquote(parts.password or ""))

    def request(
        self, method: str, path: str, timeout: float | tuple[float, float], body: Any = None
    ) -> requests.Response:
        """The response. body: sent as JSON unless None. Raises requests.RequestException."""
        try:
            return self._session.request(
                method, self.url + path, json=body, timeout=timeout, verify=self._verify
            )
        except OSError as error:
            if isinstance(error, requests.RequestException):
                raise
            # The file of certificates is gone: this is not one of the library's own errors.
            raise requests.ConnectionError(f"{self.url}: {error}") from error
