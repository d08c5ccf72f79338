"""Links that sign in to the monitor's page."""

import os

from cli.operators import login_name
from coupons.endpoints import MONITOR_URL, PAGE_URL, Endpoints, link_key
from coupons.errors import ConfigurationError
from coupons.sign_in_links import make_code

OPERATOR = "COUPON_OPERATOR"


def page_link(where: Endpoints, acts: bool) -> str:
    """A new link, for the user who is logged in. acts: whether it may act, or only look.

    Raises ConfigurationError when the monitor, the key or who acts is not known, and
    PartNotRunningError.
    """
    # A command in a container reaches the monitor by another address than a browser.
    url = where[PAGE_URL if PAGE_URL in set(where) else MONITOR_URL].rstrip("/")
    name = os.environ.get(OPERATOR)
    if acts and not name and PAGE_URL in set(where):
        raise ConfigurationError(
            f"{OPERATOR} is not set: in a container everybody is the same user, and the audit trail"
            " would not say who acted. Set it to your name, or add --look"
        )
    code = make_code(link_key(where), name or login_name(), acts)
    return f"{url}/sign-in/{code}"
