"""Key sets (JWKS, RFC 7517): public keys by their ids, each for one asymmetric algorithm."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

LARGEST_BYTES = 262_144
MOST_KEYS = 64
LONGEST_ID = 200
SMALLEST_RSA_BITS = 2048

_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""The one algorithm of a kind of key, by `kty` and `crv`. Shared secrets have none here: whoever
could verify with one could sign with it too."""
_OTHER_NAMES = {"Ed25519": "EdDSA"}
_MEMBERS = ("kty", "crv", "n", "e", "x", "y")
"""What a public key consists of; a private part that somebody published is not read."""


class PublicKey(NamedTuple):
    """A key, as the cryptography library has it, and the one algorithm that it is for."""

    algorithm: str
    key: Any


def parse_key_set(document: bytes) -> dict[str, PublicKey]:
    """The keys by `kid`. Those that are of no use here are left out, as the RFC says.

    Raises ValueError: it is no key set, it is beyond the limits, or no key of it can be used.
    """
    if len(document) > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES} bytes")
    read = orjson.loads(document)
    listed = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list):
        raise ValueError('it is no key set: a JSON object with a list "keys" is expected')
    if len(listed) > MOST_KEYS:
        raise ValueError(f"it has {len(listed)} keys, more than {MOST_KEYS}")
    found: dict[str, PublicKey] = {}
    for jwk in listed:
        if (key := _public_key(jwk)) is not None:
            found.setdefault(jwk["kid"], key)
    if not found:
        raise ValueError(
            "it has no key that can be used: a kid, and RSA of 2048 bits (RS256), P-256 (ES256) or"
            " Ed25519 (EdDSA) are expected"
        )
    return found


def _public_key(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not _is_for_signatures(jwk):
        return None
    algorithm = _algorithm(jwk)
    if algorithm is None:
        return None
    try:
        public = {name: jwk[name] for name in _MEMBERS if name in jwk}
        key = PyJWK(public, algorithm).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < SMALLEST_RSA_BITS:
        return None
    return PublicKey(algorithm, key)


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and 0 < len(kid) <= LONGEST_ID
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


def _algorithm(jwk: Mapping[str, Any]) -> str | None:
    """None: no algorithm that is accepted here. The key decides, so that no token can choose."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    algorithm = next((name for of, name in _ALGORITHMS.items() if of == kind), None)
    named = jwk.get("alg", algorithm)
    return algorithm if algorithm in (named, _OTHER_NAMES.get(str(named))) else None
