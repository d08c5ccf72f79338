"""Who calls: bearer tokens (JWT, RFC 7519) verified and remembered until they expire."""

import re
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import jwt
import orjson
from flask import Request
from jwt.exceptions import InvalidKeyError, PyJWTError

from api.problems import Kind, Problem
from api.settings import ApiSettings
from coupons.errors import ConfigurationError
from coupons.ids import MAX_USER_ID
from coupons.tokens import SCOPES

ISSUE, ADMIN, OPS = SCOPES

SHORTEST_SECRET_BYTES = 32
MOST_REMEMBERED_TOKENS = 10_000
MOST_GROUPS = 32

_USER_ID = re.compile(r"[1-9][0-9]{0,18}")
_GROUP = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Caller(NamedTuple):
    """Whom a token speaks for. expires_at: seconds since 1970."""

    user_id: int
    scopes: frozenset[str]
    groups: tuple[str, ...]
    expires_at: float


class TokenVerifier:
    """Verifies bearer tokens (compact JWS, RFC 7515) of one issuer for one audience.

    Signatures are checked by PyJWT's algorithms with a key that is prepared once; `jwt.decode`
    would prepare it for each token, which costs more than all the rest of a claim. Safe to share
    between threads. Raises InvalidKeyError when it is no key of the algorithm.
    """

    def __init__(self, key: bytes, algorithm: str, issuer: str, audience: str) -> None:
        self._algorithm = jwt.get_algorithm_by_name(algorithm)
        self._algorithm_name = algorithm
        self._key = self._algorithm.prepare_key(key)
        self._issuer = issuer
        self._audience = audience
        self._remembered: OrderedDict[str, Caller] = OrderedDict()
        self._lock = Lock()

    def verify(self, token: str) -> Caller:
        """Whom the token speaks for. Raises Problem (401)."""
        caller = self._remembered.get(token)
        try:
            if caller is None:
                caller = self._read(token)
                self._remember(token, caller)
            if caller.expires_at <= time.time():
                raise ValueError("it has expired")
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise _unauthenticated(f"The token is not valid: {error}. Get a new one.") from None
        return caller

    def _remember(self, token: str, caller: Caller) -> None:
        with self._lock:
            if len(self._remembered) >= MOST_REMEMBERED_TOKENS:
                self._remembered.popitem(last=False)
            self._remembered[token] = caller

    def _read(self, token: str) -> Caller:
        signed, _, signature = token.rpartition(".")
        header_part, _, claims_part = signed.partition(".")
        header = orjson.loads(_decoded(header_part))
        if header["alg"] != self._algorithm_name or "crit" in header:
            raise ValueError(f"it is not signed by plain {self._algorithm_name}")
        if not self._algorithm.verify(signed.encode(), self._key, _decoded(signature)):
            raise ValueError("its signature is wrong")
        claims = orjson.loads(_decoded(claims_part))
        audience = claims["aud"]
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise ValueError("it is for another audience")
        if claims["iss"] != self._issuer:
            raise ValueError("it is from another issuer")
        if float(claims.get("nbf", 0)) > time.time():
            raise ValueError("it is not valid yet")
        return _caller(claims)


def load_verifier(settings: ApiSettings) -> TokenVerifier:
    """A verifier as the settings say. Raises ConfigurationError when the key cannot be used."""
    algorithm = settings.jwt_algorithm
    try:
        key = settings.jwt_key_file.read_bytes().strip()
        if algorithm == "HS256" and len(key) < SHORTEST_SECRET_BYTES:
            raise InvalidKeyError(f"it has {len(key)} bytes; {SHORTEST_SECRET_BYTES} are needed")
        return TokenVerifier(key, algorithm, settings.jwt_issuer, settings.jwt_audience)
    except (OSError, ValueError, TypeError, PyJWTError) as error:
        raise ConfigurationError(
            f"COUPON_JWT_KEY_FILE is {str(settings.jwt_key_file)!r}: no key for {algorithm} can be"
            f" read from it: {error}"
        ) from error


class Authenticator:
    """Knows the caller of a request."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def caller(self, request: Request, scope: str | None = None) -> Caller:
        """The caller, who must have `scope` if one is given. Raises Problem (401 or 403)."""
        kind, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _unauthenticated("Send the header Authorization: Bearer <token>.", challenge="")
        caller = self._verifier.verify(token.strip())
        if scope is not None and scope not in caller.scopes:
            raise Problem(
                Kind.INSUFFICIENT_SCOPE,
                f"This needs a token with the scope {scope}.",
                {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )
        return caller


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _caller(claims: dict[str, Any]) -> Caller:
    subject, scope, groups = claims["sub"], claims.get("scope", ""), claims.get("groups", [])
    if not (isinstance(subject, str) and _USER_ID.fullmatch(subject)):
        raise ValueError("sub must be a positive integer as a string")
    if int(subject) > MAX_USER_ID:
        raise ValueError("sub must fit into 63 bits")
    if not isinstance(scope, str):
        raise ValueError("scope must be a string")
    if not (
        isinstance(groups, list)
        and len(groups) <= MOST_GROUPS
        and all(isinstance(group, str) and _GROUP.fullmatch(group) for group in groups)
    ):
        raise ValueError(f"groups must be at most {MOST_GROUPS} names of [A-Za-z0-9_-]")
    return Caller(int(subject), frozenset(scope.split()), tuple(groups), float(claims["exp"]))


def _unauthenticated(detail: str, challenge: str = ' error="invalid_token"') -> Problem:
    return Problem(Kind.UNAUTHENTICATED, detail, {"WWW-Authenticate": f"Bearer{challenge}"})
