"""A client of the Coupon CDC API. It needs nothing of the project's servers, only `requests`.

client = CouponClient("http://127.0.0.1:8080", token)
request = client.claim_coupon(3000)
request = client.wait_for_result(request.id)
"""

from coupon_client.audience_results import Audience, AudienceUpload, UploadedAudience
from coupon_client.client import CouponClient
from coupon_client.errors import CouponClientError, Refused, Unreachable
from coupon_client.results import (
    Change,
    Codes,
    Coupon,
    CouponAction,
    DiscardedDraft,
    Erasure,
    FieldChange,
    FoundCode,
    GivenCode,
    IssuedCoupon,
    IssueRequest,
    Lot,
    RefusedLine,
    RemovedCodes,
    RoomSettings,
    Timeline,
    TimelineStep,
    UnreadableCoupon,
    Upload,
    Waiting,
    WaitingRoom,
)
from coupon_client.standby_calls import StandbyEntry, StandbyList

__all__ = [
    "Audience",
    "AudienceUpload",
    "Change",
    "Codes",
    "Coupon",
    "CouponAction",
    "CouponClient",
    "CouponClientError",
    "DiscardedDraft",
    "Erasure",
    "FieldChange",
    "FoundCode",
    "GivenCode",
    "IssueRequest",
    "IssuedCoupon",
    "Lot",
    "Refused",
    "RefusedLine",
    "RemovedCodes",
    "RoomSettings",
    "StandbyEntry",
    "StandbyList",
    "Timeline",
    "TimelineStep",
    "Unreachable",
    "UnreadableCoupon",
    "Upload",
    "UploadedAudience",
    "Waiting",
    "WaitingRoom",
]
