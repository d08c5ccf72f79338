"""The link of `coupon monitor` leads to where a browser reaches the monitor."""

from pathlib import Path

import pytest

from cli.page_link import page_link
from coupons.endpoints import LINK_KEY, MONITOR_URL, PAGE_URL, Endpoints
from coupons.sign_in_links import SHORTEST_KEY

WATCHED = "http://monitor:9400"
FOR_BROWSERS = "http://127.0.0.1:9430"


@pytest.mark.parametrize(
    ("given", "root"), [({}, WATCHED), ({PAGE_URL: f"{FOR_BROWSERS}/"}, FOR_BROWSERS)]
)
def test_a_link_leads_to_the_address_for_browsers_if_there_is_one(
    given: dict[str, str], root: str, tmp_path: Path
) -> None:
    key = tmp_path / "link.key"
    key.write_text("k" * SHORTEST_KEY)
    where = Endpoints({MONITOR_URL: WATCHED, LINK_KEY: str(key), **given}, "ops")
    assert page_link(where, acts=True).startswith(f"{root}/sign-in/")
