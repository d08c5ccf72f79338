"""Every Python block of docs/how-to/use-the-client.md runs, and prints what the page says."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.link import Link
from coupon_client import CouponClient
from coupons.tokens import SCOPES, mint_token
from coupons.waiting import eventually
from tests.support.api import SECRET
from tests.support.api_process import ADMIN
from tests.support.typed import ROOT
from tests.unit.test_pasted_commands import text_of

PAGE = ROOT / "docs" / "how-to" / "use-the-client.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", text_of(PAGE), re.MULTILINE | re.DOTALL)
TOKENS = {
    "USER_TOKEN": (4711, SCOPES[:1]),
    "TILL_TOKEN": (900, ("coupon:redeem",)),
    "COUPON_TOKEN": (ADMIN, ("coupon:admin",)),
}


def test_the_blocks_of_the_page_do_what_it_says(
    admin: CouponClient,
    link: Link,
    issued: Callable[[int, int], str],
    rows: Callable[[int], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the order of the page, while the coupon is issued as the consumer does."""
    monkeypatch.setenv("COUPON_API_URL", link.url)
    for name, (user, scopes) in TOKENS.items():
        monkeypatch.setenv(name, mint_token(SECRET, user, scopes, 600))
    admin.create_coupon("For the client", 10, id=3200, discount={"percent": 10})

    def issue() -> None:
        eventually(lambda: rows(3200) == 1, 30, "the coupon is claimed")
        issued(3200, 4711)

    with ThreadPoolExecutor(1) as thread:
        issuing = thread.submit(issue)
        for block in BLOCKS:
            exec(compile(block, str(PAGE), "exec"), {})
        issuing.result()
    assert capsys.readouterr().out.splitlines() == [
        "used {'percent': 10}",
        "For the client None",
        "precondition-failed",
    ]
