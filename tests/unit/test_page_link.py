"""The link of `coupon monitor` leads to where a browser reaches the monitor."""

from pathlib import Path

import pytest

from cli.page_link import OPERATOR, page_link
from coupons.endpoints import LINK_KEY, MONITOR_URL, PAGE_URL, Endpoints
from coupons.errors import ConfigurationError
from coupons.sign_in_links import SHORTEST_KEY, read_code

WATCHED = "http://monitor:9400"
FOR_BROWSERS = "http://127.0.0.1:9430"
KEY = "k" * SHORTEST_KEY
IN_A_CONTAINER = {PAGE_URL: f"{FOR_BROWSERS}/"}


def endpoints(folder: Path, given: dict[str, str]) -> Endpoints:
    file = folder / "link.key"
    file.write_text(KEY)
    return Endpoints({MONITOR_URL: WATCHED, LINK_KEY: str(file), **given}, "ops")


@pytest.mark.parametrize(("given", "root"), [({}, WATCHED), (IN_A_CONTAINER, FOR_BROWSERS)])
def test_a_link_leads_to_the_address_for_browsers_if_there_is_one(
    given: dict[str, str], root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPERATOR, "ana")
    link = page_link(endpoints(tmp_path, given), acts=True)
    before, _, code = link.rpartition("/")
    assert before == f"{root}/sign-in"
    assert read_code(KEY, code).who == "ana"


def test_in_a_container_who_acts_has_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user is the same for everybody."""
    monkeypatch.delenv(OPERATOR, raising=False)
    where = endpoints(tmp_path, IN_A_CONTAINER)
    with pytest.raises(ConfigurationError, match="COUPON_OPERATOR is not set"):
        page_link(where, acts=True)
    assert page_link(where, acts=False)
    assert page_link(endpoints(tmp_path, {}), acts=True)
