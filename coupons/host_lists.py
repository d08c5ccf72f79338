"""Splits URLs that may name several hosts, as Postgres and the sentinels of Redis take them.

`urllib.parse.urlsplit` is made for one host: some releases of Python refuse a list in which an
IPv6 address in brackets is not the first (3.11.2, Debian 12's, is one of them).
"""

import re
from urllib.parse import SplitResult

_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
"""The regular expression of RFC 3986, appendix B."""


def split_url(url: str) -> SplitResult:
    """Split as `urlsplit` does, without a look at the hosts, which stay as they are in `netloc`."""
    found = _PARTS.fullmatch(url)
    assert found is not None, "every part is optional"
    scheme, netloc, path, query, fragment = (part or "" for part in found.groups())
    return SplitResult(scheme.lower(), netloc, path, query, fragment)
