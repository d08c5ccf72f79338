"""URLs with several hosts are read the same on every Python, IPv6 addresses anywhere in them."""

from urllib.parse import urlunsplit

import pytest

from coupons.ledger.roles import role_url
from coupons.links.host_lists import split_url
from coupons.process.settings import ProcessSettings, load_settings


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%40ss@one:1,[::1]:2,[fe80::1]/coupon?target_session_attrs=read-write",
        "redis+sentinel://[::1]:1,two,[::2]:3/0?service=coupon",
    ],
)
def test_a_url_of_several_hosts_is_split_and_joined_without_a_change(url: str) -> None:
    assert urlunsplit(split_url(url)) == url


def test_another_role_keeps_every_host() -> None:
    url = role_url("postgresql://me:x@one,[::1]:2/coupon", "coupon_api", "a/b", "other")
    assert url == "postgresql://coupon_api:a%2Fb@one,[::1]:2/other"


def test_settings_take_an_ipv6_host_that_is_not_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://coupon_api@one,[::1]:2/coupon")
    monkeypatch.setenv("COUPON_REDIS_URL", "redis+sentinel://one,[::1]:2/0?service=coupon")
    settings = load_settings(ProcessSettings)
    assert "[::1]:2" in settings.database_url.get_secret_value()
