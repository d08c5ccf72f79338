"""Bearer tokens: what the API expects in them, and making one for development."""

import time
from collections.abc import Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "coupon-cdc"
AUDIENCE = "coupon-api"
ISSUE, ADMIN = "coupon:issue", "coupon:admin"
OPS, REDEEM = "coupon:ops", "coupon:redeem"
SCOPES = (ISSUE, ADMIN, OPS, REDEEM)
REHEARSAL_ISSUER = "coupon-rehearsal"
"""The issuer of rehearsals' tokens: a token of it is of a synthetic user, and claims only."""


def mint_token(
    key: str | Ed25519PrivateKey,
    user_id: int,
    scopes: Sequence[str],
    expires_seconds: int,
    *,
    groups: Sequence[str] = (),
    algorithm: str = "HS256",
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    key_id: str | None = None,
) -> str:
    """Return a signed JWT (RFC 7519) for a user.

    key: the shared secret, or a private key for the other algorithms. key_id: its `kid`. In
    production an identity provider makes tokens; the embedded stack, tests and benchmarks make
    their own.
    """
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": str(user_id),
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + expires_seconds,
    }
    if groups:
        claims["groups"] = list(groups)
    headers = None if key_id is None else {"kid": key_id}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)
