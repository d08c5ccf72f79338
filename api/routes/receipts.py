"""Receipts of issued coupons, and the public keys that check them."""

from datetime import datetime
from time import time
from typing import Any
from uuid import UUID

import orjson
from flask import Blueprint, request

from api.app import Views, blueprint_of, in_event_loop
from api.authentication import Authenticator
from api.openapi_parts import READ_PROBLEMS, REQUEST_ID, DocumentPart, operation, public_operation
from api.problems import Problem, ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import coupon_and_user_of, no_such_issued_coupon
from api.routes.retired import gone_or
from api.schemas import rfc3339
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.owned_coupons import OwnedCoupon, find_owned_coupon
from coupons.model import IssuedState
from coupons.receipts import SigningKeys

KEYS_SECONDS = 300
"""How long a key set may be cached: a new key has to be published so long before it signs."""

_NOT_ACTIVE = {
    IssuedState.USED: (ProblemType.USED, "is used"),
    IssuedState.EXPIRED: (ProblemType.EXPIRED, "has expired"),
    IssuedState.REVOKED: (ProblemType.REVOKED, "is revoked"),
}


class ReceiptRoutes:
    """GET /issued-coupons/{id}/receipt and /.well-known/jwks.json.

    keys: None: this API signs no receipts. life_seconds: how long a receipt is valid.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        pool: LedgerPool,
        keys: SigningKeys | None,
        issuer: str,
        life_seconds: int,
    ) -> None:
        self._authenticator = authenticator
        self._pool = pool
        self._keys = keys
        self._issuer = issuer
        self._life_seconds = life_seconds
        self._key_set = {"keys": []} if keys is None else keys.key_set()

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /issued-coupons/<uuid:given_id>/receipt": self.read,
            "GET /.well-known/jwks.json": self.read_keys,
        }
        return blueprint_of("receipts", views)

    def read(self, given_id: UUID) -> RawResponse:
        """A receipt of the caller's own coupon; 404 for everybody else's."""
        caller = self._authenticator.caller(request)
        if self._keys is None:
            raise Problem(
                ProblemType.RECEIPTS_OFF,
                "This API has no key for receipts: its operator sets COUPON_RECEIPT_KEY_FILE.",
            )
        coupon_id, user_id = coupon_and_user_of(given_id)
        if user_id != caller.user_id:
            raise no_such_issued_coupon(given_id)
        with pooled(self._pool) as connection:
            found = find_owned_coupon(connection, user_id, coupon_id)
        if found is None:
            raise gone_or(self._pool, coupon_id, no_such_issued_coupon(given_id))
        receipt = self._keys.sign(self._claims(given_id, found))
        headers = [("content-type", "application/jwt"), ("cache-control", "no-store")]
        return RawResponse(200, headers, receipt.encode())

    def _claims(self, given_id: UUID, coupon: OwnedCoupon) -> dict[str, Any]:
        """Raises Problem unless the coupon is active. No receipt outlives its coupon."""
        now = int(time())
        ends = now + self._life_seconds
        if coupon.expires_at is not None:
            ends = min(ends, int(coupon.expires_at.timestamp()))
        is_over = coupon.state is IssuedState.ACTIVE and ends <= now
        state = IssuedState.EXPIRED if is_over else coupon.state
        if state in _NOT_ACTIVE:
            kind, says = _NOT_ACTIVE[state]
            raise Problem(kind, f"The issued coupon {given_id} {says}, so it has no receipt.")
        return {
            "iss": self._issuer,
            "sub": str(given_id),
            "coupon_id": str(coupon.coupon_id),
            "coupon_name": coupon.coupon_name,
            "issued_at": rfc3339(coupon.issued_at),
            "expires_at": _text(coupon.expires_at),
            "discount": None if coupon.discount is None else orjson.loads(coupon.discount),
            "iat": now,
            "exp": ends,
        }

    @in_event_loop
    def read_keys(self) -> RawResponse:
        """The public keys, for everybody; none when this API signs no receipts."""
        headers = {"cache-control": f"public, max-age={KEYS_SECONDS}"}
        return json_response(self._key_set, 200, headers)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    signed = {
        "description": "The receipt: a JWS in compact form, of the type `coupon-receipt+jwt`",
        "content": {"application/jwt": {"schema": {"type": "string"}}},
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/XRequestId"}},
    }
    read = operation(
        "readReceipt",
        "Get a signed receipt of one's own issued coupon",
        {"200": signed},
        (
            ProblemType.NOT_FOUND,
            ProblemType.RETIRED,
            ProblemType.RECEIPTS_OFF,
            *(kind for kind, _ in _NOT_ACTIVE.values()),
            *READ_PROBLEMS,
        ),
        callers="For its user.",
    )
    key_set = {
        "type": "object",
        "required": ["keys"],
        "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
    }
    keys = public_operation("readKeys", "The public keys of receipts (JWKS)", key_set)
    return DocumentPart(
        {
            "/issued-coupons/{id}/receipt": {"parameters": [REQUEST_ID], "get": read},
            "/.well-known/jwks.json": {"get": keys},
        }
    )
