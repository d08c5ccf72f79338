"""Bearer tokens (JWT, RFC 7519): verifying them, and remembering those that are valid."""

import hmac
import re
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from threading import Lock
from typing import Any, NamedTuple

import jwt
from jwt.algorithms import Algorithm, HMACAlgorithm

from coupons.errors import CouponError
from coupons.ids import FIRST_ERASED_ID, FIRST_REHEARSAL_ID, REHEARSAL_GROUP
from coupons.process.token_parts import decoded, read_object
from coupons.tokens import ISSUE, REHEARSAL_ISSUER, SCOPES

LONGEST_TOKEN = 8_192
MOST_CACHED_BYTES = 16 * 2**20
MOST_GROUPS = 32

_CACHED_TOKEN_BYTES = 500
"""About the memory of a cached token, without its groups."""

_USER_ID = re.compile(r"[1-9][0-9]{0,18}")
_GROUP = re.compile(r"[A-Za-z0-9_-]{1,64}")

_SCOPES = frozenset(SCOPES)


class InvalidToken(CouponError):
    """A token is not valid. The text says why."""


class Caller(NamedTuple):
    """The user of a token, with the scopes that this project knows.

    expires_at: seconds since 1970, with the leeway.
    """

    user_id: int
    scopes: frozenset[str]
    groups: tuple[str, ...]
    expires_at: float


class TokenVerifier(ABC):
    """Verifies bearer tokens (compact JWS, RFC 7515). Safe to share between threads."""

    def __init__(self) -> None:
        self._cache = _CallerCache()

    def verify(self, token: str) -> Caller:
        """The user of the token. Raises InvalidToken, or KeysUnavailable when it may be valid."""
        try:
            if len(token) > LONGEST_TOKEN:
                raise ValueError(f"it is longer than {LONGEST_TOKEN} characters")
            digest = sha256(token.encode()).digest()
            cache = self._cache
            caller = cache.get(digest)
            if caller is not None and caller.expires_at > time.time():
                return caller
            caller = self.read(token)
            cache.add(digest, caller)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise InvalidToken(f"The token is not valid: {error}. Get a new one.") from None
        return caller

    @abstractmethod
    def read(self, token: str) -> Caller:
        """The same without remembering. Raises ValueError, TypeError, KeyError, OverflowError."""

    def check(self) -> None:  # noqa: B027  # a single key is always there
        """Raises KeysUnavailable when no token can be verified now."""

    def close(self) -> None:  # noqa: B027  # a single key runs nothing
        """End what runs in the background."""

    def _forget(self) -> None:
        """Verify every token again. Call it after keys were replaced, never before.

        A token that is being verified by an old key is remembered in the old cache only.
        """
        self._cache = _CallerCache()


class OneKeyVerifier(TokenVerifier):
    """Verifies the tokens of one issuer for one audience, with one key.

    PyJWT's algorithms check the signatures with a key that is prepared once. `jwt.decode` would
    prepare it for each token, and its `decode_complete` parses header and claims a second time:
    either costs more than all the rest of a claim's authentication, and both accept times that are
    strings. key: the shared secret, or a public key, in PEM or as the cryptography library has it.
    leeway_seconds: how far the issuer's clock may differ. Raises InvalidKeyError when the key does
    not fit the algorithm.
    """

    def __init__(
        self, key: Any, algorithm: str, issuer: str, audience: str, leeway_seconds: float = 0.0
    ) -> None:
        super().__init__()
        self._algorithm = _algorithm(algorithm)
        self._algorithm_name = algorithm
        self._key = self._algorithm.prepare_key(key)
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds

    def read(self, token: str) -> Caller:
        """The user of the token, by its signature and its claims."""
        signed, _, signature = token.rpartition(".")
        header_part, _, claims_part = signed.partition(".")
        if not _is_plain(header_part, self._algorithm_name):
            raise ValueError(f"it is not signed by plain {self._algorithm_name}")
        if not self._algorithm.verify(signed.encode(), self._key, decoded(signature)):
            raise ValueError("its signature is wrong")
        claims = read_object(claims_part)
        audience = claims["aud"]
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise ValueError("it is for another audience")
        if claims["iss"] != self._issuer:
            raise ValueError("it is from another issuer")
        return _caller(claims, self._expiry(claims))

    def _expiry(self, claims: dict[str, Any]) -> float:
        """When the token expires. Raises ValueError when it has, or is not valid yet."""
        now = time.time()
        for name in ("nbf", "iat"):
            if name in claims and _moment(claims, name) > now + self._leeway_seconds:
                raise ValueError(f"it is not valid yet ({name})")
        expires_at = _moment(claims, "exp") + self._leeway_seconds
        if expires_at <= now:
            raise ValueError("it has expired")
        return expires_at


class _OneCallHmac(HMACAlgorithm):
    """HS256 by the one call that Python has for it: the library's two take twice as long."""

    def __init__(self) -> None:
        super().__init__(sha256)

    def sign(self, msg: bytes, key: bytes) -> bytes:
        """The signature."""
        return hmac.digest(key, msg, "sha256")


def _algorithm(name: str) -> Algorithm:
    return _OneCallHmac() if name == "HS256" else jwt.get_algorithm_by_name(name)


@lru_cache(maxsize=64)
def _is_plain(header_part: str, algorithm: str) -> bool:
    """Whether the header names this algorithm, and nothing that one has to understand.

    All tokens of an issuer have the same header, or few. Only the answer is kept: what is in the
    headers of strangers would take megabytes.
    """
    header = read_object(header_part)
    return header["alg"] == algorithm and "crit" not in header


@lru_cache(maxsize=64)
def _known_scopes(scope: str) -> frozenset[str]:
    return _SCOPES.intersection(scope.split())


class _CallerCache:
    """Callers by the SHA-256 of their token: the newest ones, up to MOST_CACHED_BYTES.

    Only verified tokens are added, so only clients with valid tokens can evict others.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[bytes, Caller] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, digest: bytes) -> Caller | None:
        """The caller of a token seen before."""
        return self._callers.get(digest)

    def add(self, digest: bytes, caller: Caller) -> None:
        """Add the caller of a valid token."""
        with self._lock:
            if digest in self._callers:
                return
            self._callers[digest] = caller
            self._bytes += _size(caller)
            while self._bytes > MOST_CACHED_BYTES:
                self._bytes -= _size(self._callers.popitem(last=False)[1])


def _size(caller: Caller) -> int:
    return _CACHED_TOKEN_BYTES + sum(60 + len(group) for group in caller.groups)


def _moment(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, section 2), in seconds since 1970."""
    moment = claims[name]
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not isfinite(moment):
        raise ValueError(f"{name} must be a number of seconds")
    return float(moment)


def _caller(claims: dict[str, Any], expires_at: float) -> Caller:
    subject, scope, groups = claims["sub"], claims.get("scope", ""), claims.get("groups", [])
    if not (isinstance(subject, str) and _USER_ID.fullmatch(subject)):
        raise ValueError("sub must be a positive integer as a string")
    user_id = int(subject)
    if user_id >= FIRST_ERASED_ID:
        raise ValueError(f"sub must be below {FIRST_ERASED_ID}")
    if not isinstance(scope, str):
        raise ValueError("scope must be a string")
    if not (
        isinstance(groups, list)
        and len(groups) <= MOST_GROUPS
        and all(isinstance(group, str) and _GROUP.fullmatch(group) for group in groups)
    ):
        raise ValueError(f"groups must be at most {MOST_GROUPS} names of [A-Za-z0-9_-]")
    if (REHEARSAL_GROUP in groups) != (user_id >= FIRST_REHEARSAL_ID):
        raise ValueError(
            f"sub from {FIRST_REHEARSAL_ID} on and the group {REHEARSAL_GROUP} belong together"
        )
    if claims["iss"] == REHEARSAL_ISSUER and not (
        user_id >= FIRST_REHEARSAL_ID and _known_scopes(scope) <= {ISSUE}
    ):
        raise ValueError(f"the issuer {REHEARSAL_ISSUER} is for synthetic users, with {ISSUE} only")
    return Caller(user_id, _known_scopes(scope), tuple(groups), expires_at)
