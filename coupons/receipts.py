"""Receipts: signed statements (JWS, RFC 7515) of an issued coupon, which a till checks offline.

A receipt says what was true when it was signed. It cannot say that the coupon was not used since;
so it is valid for a short time only.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.exceptions import (
    ExpiredSignatureError,
    InvalidIssuerError,
    InvalidSignatureError,
    PyJWTError,
)

from coupons.errors import CouponError
from coupons.key_sets import MOST_KEYS, PublicKey

TYPE = "coupon-receipt+jwt"
"""`typ` of a receipt, so that no other token of the same key can be taken for one."""
ALGORITHM = "EdDSA"
ISSUER = "coupon-cdc"
LONGEST_RECEIPT = 16_384
CLOCKS_DIFFER_SECONDS = 5

_CLAIMS = ("iss", "sub", "coupon_id", "issued_at", "iat", "exp")
_PEM = re.compile(rb"-----BEGIN (PRIVATE|PUBLIC) KEY-----.*?-----END \1 KEY-----", re.S)


class InvalidReceipt(CouponError):
    """A text is not a receipt that is valid now. The error's text says why."""


class SigningKeys(NamedTuple):
    """The key that signs, and all public keys: its own first. kid: the id of the first."""

    signs: Ed25519PrivateKey
    public: Sequence[Ed25519PublicKey]

    @property
    def kid(self) -> str:
        """The id of the key that signs."""
        return key_id(self.public[0])

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A receipt of these claims."""
        # Not by jwt.encode: it writes `é` in six bytes, and a receipt would be longer than may be.
        headers = {"typ": TYPE, "kid": self.kid}
        return jwt.PyJWS().encode(orjson.dumps(claims), self.signs, ALGORITHM, headers)

    def key_set(self) -> dict[str, Any]:
        """The public keys, as a JWKS (RFC 7517)."""
        return {"keys": [_jwk(key) for key in self.public]}


def new_private_key() -> str:
    """A new key in PEM, which only who signs may have."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return pem.decode()


def key_id(key: Ed25519PublicKey) -> str:
    """The thumbprint of a key (RFC 7638): whoever has the key can compute its id."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_text(key)}"}}'
    return urlsafe_b64encode(sha256(members.encode()).digest()).rstrip(b"=").decode()


def load_signing_keys(file: Path) -> SigningKeys:
    """The Ed25519 keys of a file in PEM, one after the other. The first signs: a private one.

    The others are published only, as private or public keys. Raises ValueError with the reason.
    """
    try:
        found = [_key(match[0]) for match in _PEM.finditer(file.read_bytes())]
        if not found or not isinstance(found[0], Ed25519PrivateKey):
            raise ValueError("it does not begin with a private key")
        if len(found) > MOST_KEYS:
            raise ValueError(f"it has more than {MOST_KEYS} keys")
        public = [key.public_key() if isinstance(key, Ed25519PrivateKey) else key for key in found]
        return SigningKeys(found[0], public)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"no key can be read from it: {error}. Make one with `coupon receipt key FILE`"
        ) from error


def read_receipt(receipt: str, keys: Mapping[str, PublicKey], issuer: str) -> dict[str, Any]:
    """The claims of a receipt that one of the keys signed and that is valid now.

    keys: by id, as `parse_key_set` returns them. Raises InvalidReceipt.
    """
    if len(receipt) > LONGEST_RECEIPT:
        raise InvalidReceipt(f"it is longer than {LONGEST_RECEIPT} characters")
    try:
        header = jwt.get_unverified_header(receipt)
    except (PyJWTError, ValueError, TypeError) as error:
        raise InvalidReceipt(
            "it is no receipt: one is a single line of three parts with dots in between, as the API"
            " answers it"
        ) from error
    try:
        if header.get("typ") != TYPE:
            raise InvalidReceipt(f"it is not of the type {TYPE}")
        key = keys.get(header.get("kid", ""))
        if key is None or key.algorithm != ALGORITHM:
            raise InvalidReceipt("none of the keys signed it: get the keys again, or it is forged")
        claims: dict[str, Any] = jwt.decode(
            receipt,
            key.key,
            [ALGORITHM],
            {"require": list(_CLAIMS)},
            issuer=issuer,
            leeway=CLOCKS_DIFFER_SECONDS,
        )
    except ExpiredSignatureError as error:
        raise InvalidReceipt("its time is over: ask the user for a new one") from error
    except InvalidSignatureError as error:
        raise InvalidReceipt("its signature is wrong: it was changed or is forged") from error
    except InvalidIssuerError as error:
        raise InvalidReceipt(f"it is not from the issuer {issuer}") from error
    except (PyJWTError, ValueError, TypeError) as error:
        raise InvalidReceipt(f"it cannot be read: {error}") from error
    return claims


def _key(pem: bytes) -> Ed25519PrivateKey | Ed25519PublicKey:
    is_private = pem.startswith(b"-----BEGIN PRIVATE")
    key = load_pem_private_key(pem, None) if is_private else load_pem_public_key(pem)
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise ValueError("a key of it is not an Ed25519 key")
    return key


def _text(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _text(key),
        "kid": key_id(key),
        "use": "sig",
        "alg": ALGORITHM,
    }
