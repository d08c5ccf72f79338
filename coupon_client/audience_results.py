"""What the API answers with about audiences; see results.py."""

from dataclasses import dataclass
from datetime import datetime

from coupon_client.results import RefusedLine


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may claim a coupon. kind: everybody or list; what follows is of a list, else None.

    is_effective: whether claims are decided by it now; if not, it is on its way to the gate, or the
    gate does not have the coupon, such as a draft.
    """

    kind: str
    size: int | None
    version: int | None
    listed_by: str | None
    listed_at: datetime | None
    is_effective: bool


@dataclass(frozen=True, slots=True)
class AudienceUpload:
    """How far an upload has come. offset: bytes that were taken. listed: repeated users count."""

    id: str
    offset: int
    lines: int
    listed: int
    refused: int
    reasons: dict[str, int]
    first_refused: tuple[RefusedLine, ...]


@dataclass(frozen=True, slots=True)
class UploadedAudience:
    """What became of a file of users, as of a file of codes, and the audience that it is now."""

    lines: int
    refused: int
    reasons: dict[str, int]
    first_refused: tuple[RefusedLine, ...]
    audience: Audience
