"""Tokens whose keys are in a key set: none chooses its own key or algorithm."""

import hmac
import json
from base64 import urlsafe_b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coupons.errors import KeysUnavailable
from coupons.ids import FIRST_REHEARSAL_ID, REHEARSAL_GROUP
from coupons.process.rotating_keys import KeySetVerifier
from coupons.tokens import ADMIN, AUDIENCE, ISSUE, REHEARSAL_ISSUER, mint_token
from tests.support.issuers import Issuer, issuer, key_set
from tests.unit.conftest import NEW, OLD, OTHER, A, B, Verifies, answer


def test_a_key_of_one_issuer_is_none_of_another(verifies: Verifies, server: Issuer) -> None:
    """Also when both have a key of that id."""
    with issuer(OTHER) as other:
        verifier = verifies(a=server.url, b=other.url)
        assert answer(verifier, OLD.token(A)) == answer(verifier, OTHER.token(B)) == "user 42"
        for token in (OLD.token(B), OTHER.token(A), OLD.token("https://c.example")):
            assert answer(verifier, token) == "invalid"


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256"])
def test_a_token_cannot_choose_its_algorithm(
    verifies: Verifies, server: Issuer, algorithm: str
) -> None:
    """Not HS256 with the public key as the secret, which everybody has (algorithm confusion)."""
    verifier = verifies(a=server.url)
    public = OLD.private.public_key()
    claims = jwt.decode(OLD.token(A), options={"verify_signature": False})
    secrets = [
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ]
    if algorithm == "HS256":  # by hand: the library refuses to sign with such a secret
        signed = _encoded({"alg": "HS256", "kid": "old"}, claims)
        forged = [
            f"{signed}.{_text(hmac.digest(key, signed.encode(), 'sha256'))}" for key in secrets
        ]
    else:
        key: Any = NEW.private if algorithm == "ES256" else None
        forged = [jwt.encode(claims, key, algorithm, {"kid": "old"})]
    assert {answer(verifier, token) for token in forged} == {"invalid"}


@pytest.mark.parametrize("header", [{"kid": None}, {"kid": 7}, {"kid": ["old"]}, {"crit": ["x"]}])
def test_a_token_names_its_key_in_plain(
    verifies: Verifies, server: Issuer, header: dict[str, object]
) -> None:
    """A kid of another type is none, and nothing critical is ignored."""
    verifier = verifies(a=server.url)
    claims = jwt.decode(OLD.token(A), options={"verify_signature": False})
    plain = {"alg": "EdDSA", "typ": "JWT", "kid": "old"}
    for changed, expected in (({}, "user 42"), (header, "invalid")):
        signed = _encoded({**plain, **changed}, claims)
        token = f"{signed}.{_text(OLD.private.sign(signed.encode()))}"
        assert answer(verifier, token) == expected


def _encoded(*parts: object) -> str:
    return ".".join(_text(json.dumps(part).encode()) for part in parts)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


@pytest.mark.parametrize("token", ["", "x", "..", "a.b.c", "e30.e30.", "é", "\x00", "." * 100])
def test_what_is_no_token_is_refused(verifies: Verifies, server: Issuer, token: str) -> None:
    """Without reading anything."""
    verifier = verifies(a=server.url)
    assert answer(verifier, token) == "invalid"
    assert server.asked == 1


@pytest.mark.parametrize(
    ("user_id", "scopes", "groups", "expected"),
    [
        (FIRST_REHEARSAL_ID, [ISSUE], [REHEARSAL_GROUP], f"user {FIRST_REHEARSAL_ID}"),
        (FIRST_REHEARSAL_ID, [ISSUE, ADMIN], [REHEARSAL_GROUP], "invalid"),
        (42, [ISSUE], [], "invalid"),
        (42, [ADMIN], [REHEARSAL_GROUP], "invalid"),
    ],
)
def test_the_issuer_of_rehearsals_speaks_for_synthetic_users_only(
    tmp_path: Path, user_id: int, scopes: list[str], groups: list[str], expected: str
) -> None:
    """Who has its key can claim as one of them, and nothing else."""
    keys = tmp_path / "jwks.json"
    keys.write_bytes(key_set(OLD))
    sources = {REHEARSAL_ISSUER: str(keys)}
    with closing(KeySetVerifier(sources, AUDIENCE, 0.0, 3_600.0, 86_400.0)) as verifier:
        token = mint_token(
            *(OLD.private, user_id, scopes, 60),
            groups=groups,
            algorithm="EdDSA",
            issuer=REHEARSAL_ISSUER,
            key_id=OLD.kid,
        )
        assert answer(verifier, token) == expected


def test_the_key_of_rehearsals_alone_makes_no_process_ready(server: Issuer, tmp_path: Path) -> None:
    """It is a file beside the process, and says nothing of the keys of users."""
    keys = tmp_path / "jwks.json"
    keys.write_bytes(key_set(OLD))
    server.status = 503
    sources = {REHEARSAL_ISSUER: str(keys), A: server.url}
    with (
        closing(KeySetVerifier(sources, AUDIENCE, 0.0, 3_600.0, 86_400.0)) as verifier,
        pytest.raises(KeysUnavailable, match="503"),
    ):
        verifier.check()
    sources.pop(A)
    with closing(KeySetVerifier(sources, AUDIENCE, 0.0, 3_600.0, 86_400.0)) as verifier:
        verifier.check()
