"""Splits URLs that may name several hosts, as Postgres and the sentinels of Redis accept them.

`urllib.parse.urlsplit` is made for one host. Some releases of Python (3.11.2 of Debian 12, for
example) refuse a list in which an IPv6 address in brackets is not the first host.
"""

import re
from urllib.parse import SplitResult

_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
"""The regular expression of RFC 3986, appendix B."""


def split_url(url: str) -> SplitResult:
    """Split as `urlsplit` does, without a check of the hosts: `netloc` stays as it is."""
    found = _PARTS.fullmatch(url)
    assert found is not None, "every part is optional"
    scheme, netloc, path, query, fragment = (part or "" for part in found.groups())
    return SplitResult(scheme.lower(), netloc, path, query, fragment)
