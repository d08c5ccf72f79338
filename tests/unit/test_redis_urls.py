"""A URL of sentinels is read whole, and one that is wrong is refused with what is wrong in it."""

import pytest

from coupons.errors import ConfigurationError
from coupons.links.sentinels import SentinelUrl, parse_sentinel_url
from coupons.process.settings import ProcessSettings, load_settings


def test_everything_that_a_sentinel_url_may_hold_is_read() -> None:
    assert parse_sentinel_url(
        "rediss+sentinel://me:p%40ss@s1:26380,s2,[::1]:5/3?service=coupon&ssl_ca_certs=ca.pem"
    ) == SentinelUrl(
        (("s1", 26380), ("s2", 26379), ("::1", 5)),
        "coupon",
        3,
        "me",
        "p@ss",
        tls={"ssl": True, "ssl_ca_certs": "ca.pem"},
    )
    bare = parse_sentinel_url("redis+sentinel://s1?service=coupon")
    assert bare == SentinelUrl((("s1", 26379),), "coupon", 0, None, None, tls={})


def test_a_url_of_one_server_is_not_for_sentinels() -> None:
    assert parse_sentinel_url("redis://s1:6379/0") is None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis+sentinel://s1,s2/0", "no ?service=NAME"),
        ("redis+sentinel://s1,,s2/0?service=c", "a sentinel without a host"),
        ("redis+sentinel://s1:port/0?service=c", "'port' is not the port of a sentinel"),
        ("redis+sentinel://s1/main?service=c", "'main' is not the number of a database"),
        ("redis+sentinel://s1/0?service=c&retries=3", "unknown option retries"),
        ("sentinel://s1/0", "expected a URL that starts with redis://"),
    ],
)
def test_a_wrong_sentinel_url_stops_the_start_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, url: str, complaint: str
) -> None:
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://coupon_api@a,b/coupon")
    monkeypatch.setenv("COUPON_REDIS_URL", url)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(ProcessSettings)
    assert str(refused.value).startswith("COUPON_REDIS_URL is")
    assert complaint in str(refused.value)
