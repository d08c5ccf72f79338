"""Clients of an API that runs as a process of its own, and of one that answers as it is told to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from chaos.link import Link
from coupon_client import CouponClient
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.model import IssueRequest, Status
from coupons.tokens import SCOPES, mint_token
from tests.client.clock import Clock
from tests.client.scripted_api import ScriptedApi, scripted
from tests.support.api import SECRET
from tests.support.api_process import ADMIN, Server
from tests.support.databases import Database
from tests.support.issued import NOW_US, issue

NewClient = Callable[..., CouponClient]


@pytest.fixture
def environment(environment: dict[str, str], receipt_key_file: Path) -> dict[str, str]:
    """The same API, and it signs receipts."""
    return {**environment, "COUPON_RECEIPT_KEY_FILE": str(receipt_key_file)}


@pytest.fixture
def link(server: Server) -> Iterator[Link]:
    """Between client and API."""
    with closing(Link(f"http://127.0.0.1:{server.port}")) as link:
        yield link


@pytest.fixture
def new_client(link: Link) -> Iterator[NewClient]:
    """Clients through the link: new_client(42, "coupon:redeem")."""
    with ExitStack() as stack:

        def make(user: int, *scopes: str) -> CouponClient:
            token = mint_token(SECRET, user, scopes or SCOPES[:1], 600)
            return stack.enter_context(CouponClient(link.url, token))

        yield make


@pytest.fixture
def admin(new_client: NewClient) -> CouponClient:
    return new_client(ADMIN, *SCOPES)


@pytest.fixture
def issued(database: Database, gate: Gate) -> Callable[[int, int], str]:
    """Issues a user's request as the consumer does; the id of the issued coupon."""

    def issue_one(coupon_id: int, user: int) -> str:
        issue(database, (coupon_id, user))
        gate.settle([IssueRequest(coupon_id, user, NOW_US, Status.ISSUED)])
        return str(request_id(coupon_id, user))

    return issue_one


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """It answers as it is told to."""
    with scripted() as api:
        yield api


@pytest.fixture
def client(api: ScriptedApi) -> Iterator[CouponClient]:
    with CouponClient(api.url, "a-token") as client:
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of all that waits in the client."""
    clock = Clock()
    for module in ("calls", "room_calls", "user_calls"):
        monkeypatch.setattr(f"coupon_client.{module}.monotonic", clock.monotonic)
        monkeypatch.setattr(f"coupon_client.{module}.sleep", clock.sleep)
    return clock
