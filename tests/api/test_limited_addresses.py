"""Whose address a limited claim comes from, and who is believed to say it."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings
from tests.api.limited_claims import ELSEWHERE, HERE, LIMITED, Limited, limit_headers, seconds_left


def test_all_users_of_an_address_share_its_limit(limited: Limited) -> None:
    """Another address has its own. Who is refused for the address keeps what is left as a user."""
    claim = limited(api_claims_per_user="2/minute", api_claims_per_address="2/minute")
    assert [claim(user).status_code for user in (1, 2)] == [202, 202]
    refused = [claim(3) for _ in range(4)][-1]
    assert refused.get_json()["violated-policies"] == ["address"]
    assert limit_headers(refused) == {
        "ratelimit-policy": '"user";q=2;w=60, "address";q=2;w=60',
        "ratelimit": f'"user";r=2;t=60, "address";r=0;t={seconds_left(refused)}',
    }
    assert [claim(3, ELSEWHERE).status_code for _ in range(3)] == [202, 200, LIMITED]


def test_addresses_of_one_ipv6_network_are_one(limited: Limited) -> None:
    """The next network of 64 bits is another one; an IPv4 address is itself in both forms."""
    claim = limited(api_claims_per_address="1/minute")
    assert claim(1, "2001:db8:0:7::1").status_code == 202
    assert claim(2, "2001:db8:0:7:ffff::2").status_code == LIMITED
    assert claim(2, "2001:db8:0:8::1").status_code == 202
    assert claim(3, HERE).status_code == 202
    assert claim(4, f"::ffff:{HERE}").status_code == LIMITED
    assert claim(4, "192.0.2.2").status_code == 202


def test_without_proxies_no_forwarded_address_is_believed(limited: Limited) -> None:
    claim = limited(api_claims_per_address="1/minute")
    assert claim(1).status_code == 202
    for invented in (ELSEWHERE, f"{ELSEWHERE}, {HERE}", "2001:db8::1"):
        spoofed = claim(2, **{"X-Forwarded-For": invented, "Forwarded": f"for={invented}"})
        assert spoofed.status_code == LIMITED, invented


def test_behind_a_proxy_only_what_it_added_is_believed(limited: Limited) -> None:
    """What stands before it came from the client; who is no proxy is believed nothing."""
    claim = limited(api_claims_per_address="1/minute", api_trusted_proxies="10.0.0.0/8, ::1")

    def through(user: int, forwarded: str, proxy: str = "10.1.2.3") -> int:
        return claim(user, proxy, **{"X-Forwarded-For": forwarded}).status_code

    assert through(1, HERE) == 202
    assert through(2, f"{ELSEWHERE}, {HERE}") == LIMITED
    assert through(2, f"10.9.9.9, {HERE}:4711, 10.0.0.2", "::1") == LIMITED
    assert through(2, f"nonsense,{HERE} ,[::1]:80") == LIMITED
    assert through(2, ELSEWHERE) == 202
    assert through(3, "192.0.2.9", proxy=ELSEWHERE) == LIMITED


def test_a_proxy_that_names_nobody_is_counted_itself(limited: Limited) -> None:
    claim = limited(api_claims_per_address="1/minute", api_trusted_proxies="10.0.0.0/8")
    assert claim(1, "10.0.0.1").status_code == 202
    for nobody in ("", "unknown", "_hidden", ",", f"{ELSEWHERE}, unknown"):
        answer = claim(2, "10.0.0.1", **{"X-Forwarded-For": nobody})
        assert answer.status_code == LIMITED, nobody


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("proxy.example", "is no network"),
        ("10.0.0.1/8", "is no network"),
        ("10.0.0.0/8,x", "is no network"),
        ("0.0.0.0/0", "trusts everybody"),
        ("::/0", "trusts everybody"),
    ],
)
def test_what_is_no_proxy_is_refused_at_the_start(
    settings: ApiSettings, wrong: str, why: str
) -> None:
    values: dict[str, Any] = {**settings.model_dump(), "api_trusted_proxies": wrong}
    with pytest.raises(ValidationError, match=why):
        ApiSettings(**values)
