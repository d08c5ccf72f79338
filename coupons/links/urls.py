"""Checks the URLs of other servers before they are used.

The URL says how a link is secured, by options of the client's library:
  postgresql://role:password@host/database?sslmode=verify-full&sslrootcert=/etc/coupon/ca.pem
  rediss://user:password@host:6379/0?ssl_ca_certs=/etc/coupon/ca.pem
  rediss+sentinel://user:password@host,host,host/0?service=coupon&ssl_ca_certs=/etc/coupon/ca.pem
  https://user:password@host:8081/apis/ccompat/v7?ca_file=/etc/coupon/ca.pem
"""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from coupons.links.certificates import check_ca_file, check_key_pair
from coupons.links.host_lists import split_url
from coupons.links.sentinels import SCHEMES as SENTINEL_SCHEMES
from coupons.links.sentinels import parse_sentinel_url

CA_FILE = "ca_file"
"""The option of an HTTP service's URL; the options of the other URLs are their libraries'."""

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def check_database_url(url: str) -> None:
    """Raises ValueError with the reason, without the URL: it holds a password."""
    import psycopg  # takes long, and who uses only HTTP services does without
    from psycopg.conninfo import conninfo_to_dict

    _check_scheme(url, "postgresql", "postgres")
    try:
        options = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        # libpq's message quotes the wrong part, which may be the password.
        raise ValueError("libpq does not accept it: a part or an option is wrong") from error
    mode = options.get("sslmode", "prefer")
    if mode not in _SSL_MODES:
        raise ValueError(f"its sslmode is {mode}, which is none of {', '.join(_SSL_MODES)}")
    authority = options.get("sslrootcert")
    if authority is not None and authority != "system":
        if not str(mode).startswith("verify-"):
            raise ValueError(f"it has sslrootcert, but sslmode {mode}: use sslmode=verify-full")
        check_ca_file(Path(str(authority)))
    _check_client(options.get("sslcert"), options.get("sslkey"))


def check_redis_url(url: str) -> None:
    """Raises ValueError with the reason, without the URL: it holds a password."""
    _check_scheme(url, "redis", "rediss", "unix", *SENTINEL_SCHEMES)
    parts = split_url(url)
    options = dict(parse_qsl(parts.query))
    parse_sentinel_url(url)
    if not parts.scheme.startswith("rediss") and any(name.startswith("ssl_") for name in options):
        raise ValueError("its ssl_ options need rediss:// instead of redis://")
    if "ssl_ca_certs" in options:
        check_ca_file(Path(options["ssl_ca_certs"]))
    _check_client(options.get("ssl_certfile"), options.get("ssl_keyfile"))


def check_web_url(url: str) -> None:
    """Raises ValueError with the reason, unless it is the URL of a WebService."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL that starts with http:// or https://")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {CA_FILE}):
        raise ValueError(f"its option {unknown[0]} is not known: only {CA_FILE} is")
    if CA_FILE in options:
        if parts.scheme != "https":
            raise ValueError(f"{CA_FILE} is for https:// only")
        check_ca_file(Path(options[CA_FILE]))


def _check_client(certificate: object, key: object) -> None:
    if certificate is not None and key is not None:
        check_key_pair(Path(str(certificate)), Path(str(key)))


def _check_scheme(url: str, *schemes: str) -> None:
    parts = split_url(url)
    if parts.scheme not in schemes or not (parts.netloc or parts.path):
        raise ValueError(f"expected a URL that starts with {schemes[0]}://")
