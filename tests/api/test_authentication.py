"""Who may call, and how everybody else is turned away."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from werkzeug.test import Client

from api.settings import ApiSettings
from coupons.errors import ConfigurationError
from coupons.process.bearer import InvalidToken, TokenVerifier
from coupons.process.token_keys import load_verifier
from coupons.tokens import AUDIENCE, ISSUER
from coupons.waiting import eventually
from tests.support.api import SECRET
from tests.support.api_process import Bearer

VALID: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "42", "scope": "coupon:issue"}


def signed(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {**VALID, "exp": time.time() + 60, **changes}
    present = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(present, key, algorithm=algorithm)


def unsigned() -> str:
    parts = ({"alg": "none"}, {**VALID, "exp": time.time() + 60})
    return (
        ".".join(urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        + "."
    )


def critical() -> str:
    return jwt.encode(
        {**VALID, "exp": time.time() + 60},
        SECRET,
        algorithm="HS256",
        headers={"crit": ["x"], "x": 1},
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: signed(exp=time.time() - 6),
        lambda: signed(exp=...),
        lambda: signed(exp="soon"),
        lambda: signed(exp=float("inf")),
        lambda: signed(nbf=time.time() + 60),
        lambda: signed(iss="another"),
        lambda: signed(iss=...),
        lambda: signed(aud="another"),
        lambda: signed(aud=["another"]),
        lambda: signed(aud=...),
        lambda: signed(sub="0"),
        lambda: signed(sub="-1"),
        lambda: signed(sub="1.5"),
        lambda: signed(sub="٤٢"),
        lambda: signed(sub=str(2**63)),
        lambda: signed(sub="9" * 5000),
        lambda: signed(sub=""),
        lambda: signed(sub=...),
        lambda: signed(scope=["coupon:issue"]),
        lambda: signed(groups="vip"),
        lambda: signed(groups=["a,b"]),
        lambda: signed(groups=[""]),
        lambda: signed(groups=["g"] * 33),
        lambda: signed(key="another-secret-that-has-32-bytes-too"),
        lambda: signed(algorithm="HS512", key=SECRET * 2),
        lambda: signed()[:-2],
        lambda: signed() + ".x",
        unsigned,
        critical,
        lambda: "not-a-token",
        lambda: "a.b.c",
        lambda: "..",
        lambda: "é.é.é",
    ],
)
def test_a_token_that_is_not_valid_is_401(client: Client, make: Callable[[], str]) -> None:
    """Each is made in its test: it would have expired, which is 401 too, before its turn."""
    headers = {"Authorization": f"Bearer {make()}"}
    answer = client.post("/coupons/1/issue-requests", headers=headers)
    assert answer.status_code == 401
    assert answer.get_json()["type"] == "urn:coupon-cdc:problem:unauthenticated"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw"])
def test_without_a_token_it_is_401(client: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for method, path in (
        ("POST", "/coupons"),
        ("GET", "/coupons"),
        ("GET", "/coupons/1"),
        ("GET", "/coupons/1/audit"),
        ("PATCH", "/coupons/1"),
        ("POST", "/coupons/1/pause"),
        ("POST", "/coupons/1/issue-requests"),
        ("GET", "/issue-requests/00000000-0000-8002-8000-000000000001"),
        ("GET", "/users/me/coupons"),
    ):
        answer = client.open(path, method=method, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_without_the_scope_is_403(client: Client, bearer: Bearer) -> None:
    for path, scopes in (
        ("/coupons/1/issue-requests", ("coupon:admin", "coupon:ops")),
        ("/coupons", ("coupon:issue", "coupon:ops")),
        ("/coupons/1/close", ("coupon:issue", "coupon:ops")),
    ):
        answer = client.post(path, json={}, headers=bearer(1, scopes))
        assert answer.status_code == 403
        assert answer.get_json()["type"] == "urn:coupon-cdc:problem:insufficient-scope"
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_a_remembered_token_still_expires(settings: ApiSettings) -> None:
    verifier = load_verifier(settings.model_copy(update={"jwt_leeway_seconds": 0.0}))
    token = signed(exp=time.time() + 2)
    assert verifier.verify(token).user_id == 42
    eventually(lambda: _is_refused(verifier, token), within_s=30, what="the token has expired")


def _is_refused(verifier: TokenVerifier, token: str) -> bool:
    try:
        return verifier.verify(token) is None
    except InvalidToken as problem:
        return "expired" in str(problem)


def test_a_list_of_audiences_with_ours_is_fine(settings: ApiSettings) -> None:
    assert load_verifier(settings).verify(signed(aud=["other", AUDIENCE])).user_id == 42


PRIVATE_KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
def test_with_a_public_key_only_its_owner_can_make_tokens(
    settings: ApiSettings, tmp_path: Path, algorithm: str
) -> None:
    private_key = PRIVATE_KEYS[algorithm]()
    public = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    file = tmp_path / "public.pem"
    file.write_bytes(public)
    changed = settings.model_copy(update={"jwt_key_file": file, "jwt_algorithm": algorithm})
    verifier = load_verifier(changed)
    assert verifier.verify(signed(private_key, algorithm)).user_id == 42
    for forged in (
        signed(PRIVATE_KEYS[algorithm](), algorithm),
        signed(SECRET),
        _signed_with_the_public_key_as_secret(public),
    ):
        with pytest.raises(InvalidToken):
            verifier.verify(forged)


def _signed_with_the_public_key_as_secret(public: bytes) -> str:
    import hashlib
    import hmac

    head, claims, _ = signed().split(".")
    mac = hmac.new(public, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    return f"{head}.{claims}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("content", "algorithm"),
    [(b"short", "HS256"), (b"", "HS256"), (b"no key at all", "RS256"), (None, "HS256")],
)
def test_a_key_that_cannot_be_used_is_refused_at_the_start(
    settings: ApiSettings, tmp_path: Path, content: bytes | None, algorithm: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    changed = settings.model_copy(update={"jwt_key_file": file, "jwt_algorithm": algorithm})
    with pytest.raises(ConfigurationError, match="COUPON_JWT_KEY_FILE"):
        load_verifier(changed)


def test_issuer_and_audience_can_be_set(settings: ApiSettings) -> None:
    changed = settings.model_copy(update={"jwt_issuer": "shop", "jwt_audience": "shop-coupons"})
    verifier: TokenVerifier = load_verifier(changed)
    assert verifier.verify(signed(iss="shop", aud="shop-coupons")).user_id == 42
    with pytest.raises(InvalidToken):
        verifier.verify(signed())
