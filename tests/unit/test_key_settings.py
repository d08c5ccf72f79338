"""A setting of the keys that verify tokens is named when it is wrong."""

import pytest

from coupons.errors import ConfigurationError
from coupons.process.settings import load_settings
from coupons.process.token_keys import TokenSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://x@localhost/x")
    monkeypatch.setenv("COUPON_REDIS_URL", "redis://localhost/0")
    return monkeypatch


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("https://a.example", "ISSUER=FILE"),
        ("=x", "ISSUER=FILE"),
        ("a=http://h/j,", "ISSUER=FILE"),
        ("a=http://h/j,a=http://h/k", "twice"),
        ("a=ftp://h/j", "http://"),
        ("a=http://h/j?x=1", "option x is not known"),
        ("a=/nowhere/jwks.json", r"/nowhere/jwks\.json: No such file"),
        (",".join(f"a{number}=http://h/j" for number in range(17)), "more than 16"),
    ],
)
def test_a_wrong_setting_is_named(environment: pytest.MonkeyPatch, value: str, why: str) -> None:
    """When the process starts."""
    environment.setenv("COUPON_JWT_KEY_SETS", value)
    with pytest.raises(ConfigurationError, match=f"COUPON_JWT_KEY_SETS.*{why}"):
        load_settings(TokenSettings)


def test_settings_that_exclude_each_other_are_named(environment: pytest.MonkeyPatch) -> None:
    """One kind of keys; and keys that live until they are read again."""
    environment.setenv("COUPON_JWT_KEY_SETS", "a=http://h/j")
    load_settings(TokenSettings)
    environment.setenv("COUPON_JWT_KEYS_MAX_AGE_SECONDS", "500")
    with pytest.raises(ConfigurationError, match="COUPON_JWT_KEYS_MAX_AGE_SECONDS"):
        load_settings(TokenSettings)
    environment.delenv("COUPON_JWT_KEYS_MAX_AGE_SECONDS")
    environment.setenv("COUPON_JWT_KEY_FILE", "/some/file")
    with pytest.raises(ConfigurationError, match="both set"):
        load_settings(TokenSettings)
