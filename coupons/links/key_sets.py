"""Reads a key set (JWKS) from a file or from an http(s) URL.

https://issuer.example/jwks.json?ca_file=/etc/coupon/ca.pem
"""

import time
from http import HTTPStatus
from pathlib import Path

import orjson
import requests
from urllib3.exceptions import HTTPError

from coupons.errors import ConfigurationError, KeysUnavailable
from coupons.key_sets import LARGEST_BYTES, PublicKey, parse_key_set
from coupons.links.urls import check_web_url
from coupons.links.web import WebService, why_no_response

CONNECT_SECONDS = 2.0
SECONDS = 5.0
_PIECE_BYTES = 16_384


def is_url(source: str) -> bool:
    """Whether a source is a URL; else it is a file."""
    return "://" in source


def check_source(source: str) -> None:
    """Raises ValueError unless it is a URL that can be used, or a file with a key set."""
    try:
        if is_url(source):
            check_web_url(source)
        else:
            read_key_set(source)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error


def read_key_set(source: str) -> dict[str, PublicKey]:
    """The keys by their ids. Takes up to about SECONDS, twice.

    Raises KeysUnavailable when the server does not answer, ConfigurationError when what is read is
    no key set. Neither text has a password in it.
    """
    named = source
    try:
        if is_url(source):
            service = WebService(source)
            named = service.url
            return parse_key_set(_fetched(service))
        with Path(source).open("rb") as file:
            return parse_key_set(file.read(LARGEST_BYTES + 1))
    except requests.RequestException as error:
        raise KeysUnavailable(f"{named}: {why_no_response(error)}") from error
    except HTTPError as error:
        raise KeysUnavailable(f"{named}: the answer broke off") from error
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{named}: it is not JSON") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"{named}: {why}") from error


def _fetched(service: WebService) -> bytes:
    """The body, bounded in size and in time however slowly it comes. No redirect is followed."""
    until = time.monotonic() + SECONDS
    with service.session.get(
        service.url,
        timeout=(CONNECT_SECONDS, SECONDS),
        verify=service.ca_file or True,
        stream=True,
        allow_redirects=False,
    ) as response:
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise requests.HTTPError(response=response)
        if response.status_code != HTTPStatus.OK:
            raise ValueError(f"it answers {response.status_code}")
        body = b""
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
            body += piece
            if len(body) > LARGEST_BYTES:
                raise ValueError(f"it is larger than {LARGEST_BYTES} bytes")
            if time.monotonic() > until:
                raise requests.Timeout
    return body
