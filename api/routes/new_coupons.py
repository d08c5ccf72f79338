"""Creating coupons."""

from typing import Any

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, Authenticator
from api.bodies import NewCoupon, read_body
from api.idempotency import IDEMPOTENCY_KEY, creation_key, key_in_progress, key_reused
from api.openapi_links import coupon_links
from api.openapi_parts import BODY_PROBLEMS, WRITE_PROBLEMS, DocumentPart, operation, response
from api.problems import ProblemType
from api.responses import RawResponse
from api.routes.coupon_problems import (
    discarded_since,
    id_taken,
    log_fields,
    maybe_created,
    writing,
)
from api.routes.coupon_responses import CouponResponses
from api.schemas import CouponView
from coupons.gate import Gate
from coupons.gate.changes import open_at_gate
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupons import create_coupon
from coupons.ledger.idempotency import (
    CreatedAndGone,
    CreationKey,
    KeyInProgress,
    KeyReused,
    create_once,
)
from coupons.model import Coupon, CouponState


class NewCouponRoutes:
    """POST /coupons."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._pool = pool
        self._responses = CouponResponses(gate)

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {"POST /coupons": self.create}
        return blueprint_of("new_coupons", views)

    def create(self) -> RawResponse:
        """201 once it is in the ledger. If Redis is down, the reconciler opens it later.

        The gate gets a draft when it is opened.
        """
        caller_id = self._authenticator.caller(request, ADMIN).user_id
        wanted = read_body(request, NewCoupon)
        key = creation_key(request, caller_id, wanted)
        coupon, is_new = self._write(wanted, key, f"user {caller_id}")
        if coupon is None:
            raise id_taken(wanted.id)
        # One that was made before may have requests, which the gate would not know.
        if is_new and coupon.state is not CouponState.DRAFT:
            open_at_gate(self._gate, coupon, log_fields(coupon.coupon_id))
        return self._responses.of(coupon, 201, {"location": f"/coupons/{coupon.coupon_id}"})

    def _write(
        self, wanted: NewCoupon, key: CreationKey | None, who: str
    ) -> tuple[Coupon | None, bool]:
        """The coupon, None if its id is used, and whether it was created just now."""
        definition: Any = wanted.model_dump()
        definition["coupon_id"] = definition.pop("id")
        definition["issue_ends_at"] = wanted.issue_ends_at or wanted.valid_until
        unknown = maybe_created(wanted.id, has_key=key is not None)
        try:
            with writing(unknown), pooled(self._pool) as connection:
                if key is not None:
                    return create_once(connection, key, who, **definition)
                return create_coupon(connection, acted_by=who, **definition), True
        except KeyReused:
            raise key_reused() from None
        except KeyInProgress:
            raise key_in_progress() from None
        except CreatedAndGone as error:
            raise discarded_since(error.coupon_id) from None


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    created = {
        "201": response("Created", CouponView, "Location", "ETag", links=coupon_links()),
    }
    kinds = (
        *BODY_PROBLEMS,
        ProblemType.ID_TAKEN,
        ProblemType.IDEMPOTENCY_KEY_IN_PROGRESS,
        ProblemType.IDEMPOTENCY_KEY_REUSED,
        *WRITE_PROBLEMS,
    )
    create = operation(
        "createCoupon",
        "Create a coupon",
        created,
        kinds,
        scope=ADMIN,
        body=NewCoupon,
        headers=[IDEMPOTENCY_KEY],
    )
    return DocumentPart({"/coupons": {"post": create}}, bodies=(NewCoupon,), views=(CouponView,))
