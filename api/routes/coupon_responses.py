"""How a coupon is answered: with what the gate says of it, and its ETag."""

import logging

from api.preconditions import etag_of
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import log_fields
from api.schemas import CouponView, view_coupon
from coupons.errors import RedisUnavailable
from coupons.gate import Gate, GateFigures
from coupons.model import Coupon

log = logging.getLogger(__name__)


class CouponResponses:
    """Makes the responses that show coupons. A gate that does not answer delays none for long."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def of(
        self, coupon: Coupon, status: int = 200, headers: dict[str, str] | None = None
    ) -> RawResponse:
        """The response that shows one coupon."""
        all_headers = {"etag": etag_of(coupon), **(headers or {})}
        return json_response(self.views([coupon])[0], status, all_headers)

    def views(self, coupons: list[Coupon]) -> list[CouponView]:
        """The JSON forms."""
        return [
            view_coupon(coupon, figures)
            for coupon, figures in zip(coupons, self._figures(coupons), strict=True)
        ]

    def _figures(self, coupons: list[Coupon]) -> list[GateFigures | None]:
        try:
            return list(self._gate.figures([coupon.coupon_id for coupon in coupons]))
        except RedisUnavailable:
            pass
        except Exception:
            log.exception("the gate's figures cannot be read", extra=log_fields())
        return [None] * len(coupons)
