"""JSON forms of audiences and their uploads, typed for the API's description."""

from enum import StrEnum

from typing_extensions import TypedDict

from api.schemas import Count, Id, RequestId, Time, optional_time
from coupons.ledger.audience_uploads import AudienceUpload
from coupons.ledger.audiences import Audience


class AudienceKind(StrEnum):
    """Who may claim a coupon; a group that the coupon names has to fit besides."""

    EVERYBODY = "everybody"
    LIST = "list"


class AudienceView(TypedDict):
    """Who may claim a coupon.

    size, version, listed_by, listed_at: of a list, else null. is_effective: whether claims are
    decided by it now; false: it is on its way to the gate, or the gate does not have the coupon.
    """

    kind: AudienceKind
    size: Count | None
    version: Id | None
    listed_by: str | None
    listed_at: Time | None
    is_effective: bool


class RefusedUserLine(TypedDict):
    """A line that was left out. reason: empty, too_long, not_an_id or too_large."""

    line: Count
    reason: str


class AudienceUploadView(TypedDict):
    """How far an upload has come.

    offset: bytes of the file that are taken; the next part begins there. listed: users so far,
    repeated ones too. refused: lines that were left out; reasons: how many by reason.
    """

    id: RequestId
    offset: Count
    lines: Count
    listed: Count
    refused: Count
    reasons: dict[str, int]
    first_refused: list[RefusedUserLine]


def view_audience(audience: Audience, is_effective: bool) -> AudienceView:
    """The JSON form of an audience."""
    return {
        "kind": AudienceKind.LIST if audience.form else AudienceKind.EVERYBODY,
        "size": audience.size,
        "version": None if audience.version is None else str(audience.version),
        "listed_by": audience.listed_by,
        "listed_at": optional_time(audience.listed_at),
        "is_effective": is_effective,
    }


def view_upload(upload_id: object, upload: AudienceUpload) -> AudienceUploadView:
    """The JSON form of an upload."""
    return {
        "id": str(upload_id),
        "offset": upload.taken_bytes,
        "lines": upload.lines,
        "listed": upload.listed,
        "refused": sum(upload.refused.values()),
        "reasons": upload.refused,
        "first_refused": [
            {"line": line, "reason": reason} for line, reason in upload.first_refused
        ],
    }
