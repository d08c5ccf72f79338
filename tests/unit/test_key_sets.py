"""A key set is read within limits, and only what can verify one way is a key."""

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from coupons.errors import ConfigurationError, KeysUnavailable
from coupons.key_sets import LARGEST_BYTES, MOST_KEYS, parse_key_set
from coupons.links import key_sets
from coupons.links.key_sets import read_key_set
from stack.ports import HOST, free_ports
from tests.support.issuers import Key, issuer, key_set

GOOD = Key("good")
SECRET = base64.urlsafe_b64encode(b"a-secret-of-the-tests-only-32-bytes").rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_key_has_the_algorithm_of_its_kind(algorithm: str) -> None:
    """Whether the set names the algorithm or not."""
    key = Key("k", algorithm)
    for named in (None, algorithm):
        found = parse_key_set(key_set(key.jwk(alg=named)))
        assert found["k"].algorithm == algorithm
        assert found["k"].key == key.private.public_key()


def _short_rsa() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 1024).public_key()
    return {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": "k"}


@pytest.mark.parametrize(
    "of_no_use",
    [
        {"kty": "oct", "k": SECRET, "kid": "k", "alg": "HS256"},
        {"kty": "oct", "k": SECRET, "kid": "k"},
        Key("k", "RS256").jwk(alg="HS256"),
        Key("k", "RS256").jwk(alg="RS512"),
        Key("k", "RS256").jwk(alg="none"),
        Key("k").jwk(use="enc"),
        Key("k").jwk(key_ops=["sign"]),
        Key("k").jwk(key_ops="verify"),
        Key("k").jwk(kid=None),
        Key("").jwk(),
        Key("k").jwk(kid=7),
        Key("k" * 201).jwk(),
        Key("k").jwk(x="AA"),
        Key("k").jwk(x=7),
        Key("k").jwk(crv="Ed448"),
        Key("k").jwk(crv=["Ed25519"]),
        Key("k", "ES256").jwk(crv="P-384"),
        {**Key("k", "ES256").jwk(), "y": Key("k", "ES256").jwk()["y"]},
        _short_rsa(),
        {"kid": "k"},
        {},
        None,
        "a key",
        [1],
    ],
)
def test_a_key_of_no_use_is_left_out(of_no_use: Any) -> None:
    """Above all a shared secret: whoever can verify with it can sign. The others stay."""
    document = json.dumps({"keys": [of_no_use, GOOD.jwk()]}).encode()
    assert set(parse_key_set(document)) == {"good"}
    with pytest.raises(ValueError, match="no key that can be used"):
        parse_key_set(json.dumps({"keys": [of_no_use]}).encode())


def test_a_private_part_is_not_read() -> None:
    """An issuer that published it by mistake is verified with the public key."""
    d = base64.urlsafe_b64encode(GOOD.private.private_bytes_raw()).rstrip(b"=").decode()
    found = parse_key_set(json.dumps({"keys": [GOOD.jwk(d=d)]}).encode())
    assert found["good"].key == GOOD.private.public_key()


@pytest.mark.parametrize(
    "document",
    [b"[]", b"{}", b'"x"', b'{"keys": {}}', b'{"keys": []}', b'{"keys": null}', b"1", b"null"],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    """A JSON document of another kind."""
    with pytest.raises(ValueError, match="key"):
        parse_key_set(document)


def test_a_key_set_is_bounded_in_size_and_keys() -> None:
    """Beyond the limits it is refused as a unit."""
    with pytest.raises(ValueError, match="larger"):
        parse_key_set(key_set(GOOD) + b" " * LARGEST_BYTES)
    many = [GOOD.jwk(kid=str(number)) for number in range(MOST_KEYS + 1)]
    with pytest.raises(ValueError, match=f"more than {MOST_KEYS}"):
        parse_key_set(key_set(*many))
    assert len(parse_key_set(key_set(*many[1:]))) == MOST_KEYS


def test_a_file_and_a_url_hold_the_same(tmp_path: Path) -> None:
    """The keys by their ids."""
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(GOOD))
    with issuer(GOOD) as server:
        assert read_key_set(str(file)) == read_key_set(server.url)


@pytest.mark.parametrize("content", [None, b"", b"not JSON", b"\xff", b'{"keys": []}'])
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """None: there is no file."""
    file = tmp_path / "jwks.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"jwks\.json: "):
        read_key_set(str(file))
    with pytest.raises(ConfigurationError):
        read_key_set(str(tmp_path))


def test_what_a_server_answers_in_place_of_keys_is_named() -> None:
    """Garbage, another status, too much, a redirect: none is followed."""
    with issuer(GOOD) as server, issuer(GOOD) as other:
        server.body = b"<html>"
        with pytest.raises(ConfigurationError, match="not JSON"):
            read_key_set(server.url)
        server.body = key_set(GOOD) + b" " * LARGEST_BYTES
        with pytest.raises(ConfigurationError, match="larger"):
            read_key_set(server.url)
        server.body, server.status = key_set(GOOD), 404
        with pytest.raises(ConfigurationError, match="404"):
            read_key_set(server.url)
        server.status = 503
        with pytest.raises(KeysUnavailable, match="503"):
            read_key_set(server.url)
        server.status, server.headers = 302, {"Location": other.url}
        with pytest.raises(ConfigurationError, match="302"):
            read_key_set(server.url)
        assert other.asked == 0


def test_compressed_garbage_is_bounded_as_it_is_read() -> None:
    """A few bytes that become many are not kept."""
    with issuer(GOOD) as server:
        server.body = gzip.compress(b" " * 50_000_000)
        server.headers = {"Content-Encoding": "gzip"}
        with pytest.raises(ConfigurationError, match="larger"):
            read_key_set(server.url)
        server.body = b"not gzip"
        with pytest.raises(KeysUnavailable, match="broke off"):
            read_key_set(server.url)


@pytest.mark.parametrize("how", ["hangs", "drips"])
def test_a_server_that_is_slow_is_given_up(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when each byte comes in time."""
    monkeypatch.setattr(key_sets, "SECONDS", 0.5)
    with issuer(GOOD) as server:
        setattr(server, how, True)
        server.body = key_set(GOOD) + b" " * 1_000
        began = time.monotonic()
        with pytest.raises(KeysUnavailable, match="no answer in time"):
            read_key_set(server.url)
        assert time.monotonic() - began < 10


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    """The URL may hold one."""
    port = free_ports(["nobody"])["nobody"]
    with pytest.raises(KeysUnavailable) as failed:
        read_key_set(f"http://user:secret@{HOST}:{port}/jwks.json")
    assert f"{HOST}:{port}/jwks.json" in str(failed.value)
    assert "secret" not in str(failed.value)
