"""An issuer of tokens with a key set that is served over HTTP, and fails as it is told to."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from coupons.tokens import AUDIENCE
from tests.support.http_servers import serving

MAKE: dict[str, Callable[[], Any]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}
_AS_JWK: dict[str, Any] = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}


class Key:
    """A private key with the id that its issuer gives it."""

    def __init__(self, kid: str, algorithm: str = "EdDSA") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any = MAKE[algorithm]()

    def jwk(self, **changed: Any) -> dict[str, Any]:
        """The public key. changed: members; None: left out."""
        to_jwk = _AS_JWK[self.algorithm].to_jwk
        members = {**to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, **changed}
        return {name: value for name, value in members.items() if value is not None}

    def token(
        self, issuer: str, user_id: int = 42, scope: str = "coupon:issue", **header: Any
    ) -> str:
        """A token that is valid when this key is the issuer's."""
        now = int(time.time())
        claims = {"iss": issuer, "aud": AUDIENCE, "sub": str(user_id), "iat": now, "exp": now + 600}
        return jwt.encode(
            {**claims, "scope": scope},
            self.private,
            self.algorithm,
            {"kid": self.kid, **header},
        )


def key_set(*keys: Key | Mapping[str, Any]) -> bytes:
    """The document that publishes them."""
    jwks = [each.jwk() if isinstance(each, Key) else dict(each) for each in keys]
    return json.dumps({"keys": jwks}).encode()


class Issuer(ThreadingHTTPServer):
    """body and status: of the next answers. hangs: it answers nothing, until
    that is over. asked: how often it was."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *keys: Key) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = key_set(*keys)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.drips = self.hangs = False
        self.asked = 0
        self.over = Event()

    @property
    def url(self) -> str:
        """Of the key set."""
        return f"http://127.0.0.1:{self.server_address[1]}/jwks.json"


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.hangs:
            self.server.over.wait(30)
            if self.server.hangs:
                return
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if not self.server.drips:
            self.wfile.write(self.server.body)
            return
        for byte in self.server.body:
            if self.server.over.wait(0.05):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Nothing: tests read the log."""


@contextmanager
def issuer(*keys: Key) -> Iterator[Issuer]:
    """An issuer that publishes these keys while the block runs."""
    with serving(Issuer(*keys)) as server:
        try:
            yield server
        finally:
            server.over.set()
