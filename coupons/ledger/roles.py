"""The Postgres roles of the project, and the URL of a server as one of them."""

from urllib.parse import quote, urlunsplit

from coupons.links.host_lists import split_url

DATABASE = "coupon"
OWNER = "coupon_owner"
ROLES = ("owner", "api", "consumer", "reconciler", "monitor", "ops", "cdc", "registry")
"""Each is a Postgres role coupon_<name> with its own password."""


def role_url(url: str, role: str, password: str, database: str) -> str:
    """The same server as another role, in another database."""
    parts = split_url(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{role}:{quote(password, safe='')}@{host}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))
