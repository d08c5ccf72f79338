"""Reads the parts of a token (compact JWS, RFC 7515); nothing of them is verified here."""

from binascii import a2b_base64
from typing import Any

import orjson

_AS_BASE64 = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"", b"==", b"=")
_LAST_DIGITS = ("", "", "AQgw", "AEIMQUYcgkosw048")
"""By the length of a text modulo 4: the last digits that leave no bit unused."""


def key_of(token: str) -> tuple[object, object]:
    """Issuer and id of the key that a token names; nothing of it is verified yet.

    Raises ValueError when the token cannot be read, or names none.
    """
    header_part, _, rest = token.partition(".")
    header, claims = read_object(header_part), read_object(rest.partition(".")[0])
    if "kid" not in header or "iss" not in claims:
        raise ValueError("it does not name its key (kid) and its issuer (iss)")
    return claims["iss"], header["kid"]


def read_object(part: str) -> dict[str, Any]:
    """The header or the claims. Raises ValueError."""
    read = orjson.loads(decoded(part))
    if not isinstance(read, dict):
        raise ValueError("its header and its claims must be JSON objects")
    return read


def decoded(part: str) -> bytes:
    """The bytes of unpadded base64url (RFC 7515, section 2). Only one text is accepted for them."""
    rest = len(part) % 4
    if rest and part[-1] not in _LAST_DIGITS[rest]:
        raise ValueError("a part is not base64url without padding")
    digits = part.encode("ascii").translate(_AS_BASE64)
    return a2b_base64(digits + _PADDING[rest], strict_mode=True)
