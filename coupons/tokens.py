"""Bearer tokens: what the API expects in them, and making one for development."""

import time
from collections.abc import Sequence

import jwt

ISSUER = "coupon-cdc"
AUDIENCE = "coupon-api"
ISSUE, ADMIN = "coupon:issue", "coupon:admin"
OPS, REDEEM = "coupon:ops", "coupon:redeem"
SCOPES = (ISSUE, ADMIN, OPS, REDEEM)


def mint_token(
    key: str,
    user_id: int,
    scopes: Sequence[str],
    expires_seconds: int,
    *,
    groups: Sequence[str] = (),
    algorithm: str = "HS256",
) -> str:
    """Return a signed JWT (RFC 7519) for a user.

    key: the shared secret, or a private key in PEM for the other algorithms. In production an
    identity provider makes tokens; the embedded stack, tests and benchmarks make their own.
    """
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + expires_seconds,
    }
    if groups:
        claims["groups"] = list(groups)
    return jwt.encode(claims, key, algorithm=algorithm)
