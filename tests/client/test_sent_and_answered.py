"""What is sent and what is answered is checked: no secret leaves, and a proxy is not the API."""

from pathlib import Path

import pytest

from coupon_client import CouponClient, Refused, Unreachable
from stack.ports import HOST
from tests.client.scripted_api import REQUEST, Answer, ScriptedApi, problem

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize("body", ["<html>", "[]", '{"id": 1}', "null"])
def test_what_is_not_the_api_is_said_to_be_none(
    body: str, api: ScriptedApi, client: CouponClient
) -> None:
    """Such as a proxy's page with status 200."""
    api.answers = [Answer(200, body)] * 2
    with pytest.raises(Unreachable, match="not the coupon API"):
        client.claim_coupon(7)
    with pytest.raises(Unreachable, match="not the coupon API"):
        list(client.list_coupons())


def test_a_page_of_a_proxy_is_a_refusal_without_a_type(
    api: ScriptedApi, client: CouponClient
) -> None:
    """It is not known then whether the API did it. A redirect is not followed with the token."""
    api.answers = [Answer(500, "<html>"), Answer(307, "", {"Location": "http://127.0.0.1:1/"})]
    for status in (500, 307):
        with pytest.raises(Refused) as refused:
            client.claim_coupon(7)
        assert (refused.value.status, refused.value.type) == (status, "about:blank")
        assert refused.value.maybe_done == (status == 500)
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("soon", None), ("-1", None), ("", None)],
)
def test_any_retry_after_is_taken(
    said: str, seconds: float | None, api: ScriptedApi, client: CouponClient
) -> None:
    api.answers = [problem(503, "overloaded", Retry_After=said)]
    with pytest.raises(Refused) as refused:
        client.pause_coupon(7)
    assert refused.value.retry_after_seconds == seconds


def test_the_token_is_not_replaced_by_netrc(
    api: ScriptedApi, client: CouponClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    api.answers = [Answer(202, REQUEST)]
    client.claim_coupon(7)
    assert api.asked[0].headers["Authorization"] == "Bearer a-token"


@pytest.mark.parametrize(
    ("url", "token"),
    [("localhost:80", "a"), ("http://", "a"), ("http://u:secret@x", "a"), ("http://x", "secret\n")],
)
def test_what_cannot_be_an_address_or_a_token_is_refused_without_it(url: str, token: str) -> None:
    """No secret comes into a log with the error."""
    with pytest.raises(ValueError, match=r"The (URL|token)") as error:
        CouponClient(url, token)
    assert "secret" not in str(error.value)


def test_what_cannot_be_sent_is_an_error_at_once(api: ScriptedApi, client: CouponClient) -> None:
    with pytest.raises(ValueError, match="JSON"):
        client.create_coupon("of a test", 3, discount={"percent": float("nan")})
    with pytest.raises(ValueError, match="header"):
        client.create_coupon("of a test", 3, idempotency_key="a\nb")
    assert api.asked == []


@pytest.mark.parametrize("body", ["<html></html>", "", "null", "[]", "{}", '{"keys": 1}'])
def test_what_is_no_receipt_and_are_no_keys_is_not_taken_for_it(
    body: str, api: ScriptedApi, client: CouponClient
) -> None:
    for call in (client.read_keys, lambda: client.read_receipt("x")):
        api.answers = [Answer(200, body)]
        with pytest.raises(Unreachable, match="is not the coupon API"):
            call()
