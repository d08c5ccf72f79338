"""Parses redis+sentinel:// URLs: which sentinels to ask for which master."""

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from coupons.links.host_lists import split_url

SCHEMES = ("redis+sentinel", "rediss+sentinel")
"""rediss+sentinel: TLS to the servers and to the sentinels."""

TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

DEFAULT_PORT = 26379


class SentinelUrl(NamedTuple):
    """sentinels: (host, port) of each. username, password: for the servers that they watch.

    tls: keyword arguments of redis-py, empty without TLS.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    username: str | None
    password: str | None
    tls: dict[str, str | bool]


def parse_sentinel_url(url: str) -> SentinelUrl | None:
    """Read redis+sentinel://[user:password@]host[:port],.../[database]?service=NAME.

    rediss+sentinel:// accepts TLS_OPTIONS too. None: the URL has another scheme. Raises ValueError
    with the reason, without secrets.
    """
    parts = split_url(url)
    if parts.scheme not in SCHEMES:
        return None
    options = dict(parse_qsl(parts.query))
    login, at, hosts = parts.netloc.rpartition("@")
    username, colon, password = login.partition(":")
    return SentinelUrl(
        tuple(_sentinel(host) for host in hosts.split(",")),
        _service(options),
        _database(parts.path),
        unquote(username) or None,
        unquote(password) if at and colon else None,
        _tls(parts.scheme, options),
    )


def _sentinel(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    if not host:
        raise ValueError("a sentinel without a host; expected host:port,host:port,host:port")
    if not port:
        return host, DEFAULT_PORT
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{port!r} is not the port of a sentinel")
    return host, int(port)


def _service(options: dict[str, str]) -> str:
    if unknown := sorted(options.keys() - {"service", *TLS_OPTIONS}):
        raise ValueError(f"unknown option {unknown[0]}; a sentinel URL takes service")
    if not options.get("service"):
        raise ValueError("no ?service=NAME; it is the sentinels' name of the master")
    return options["service"]


def _tls(scheme: str, options: dict[str, str]) -> dict[str, str | bool]:
    if scheme != "rediss+sentinel":
        return {}
    return {"ssl": True, **{name: options[name] for name in TLS_OPTIONS if name in options}}


def _database(path: str) -> int:
    number = path.removeprefix("/") or "0"
    if not number.isdecimal():
        raise ValueError(f"{number!r} is not the number of a database")
    return int(number)
