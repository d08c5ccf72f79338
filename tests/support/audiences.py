"""Audiences by list."""

from collections.abc import Iterable

from coupons.ledger.audience_uploads import (
    AudienceUpload,
    begin_audience_upload,
    set_audience,
    take_part,
)
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.connection import Connection

WHO = "a test"


def list_users(
    connection: Connection, coupon_id: int, users: Iterable[int], *, may_be_closed: bool = False
) -> AudienceOutcome:
    """Make these users the coupon's audience, in the ledger only."""
    outcome, upload_id = begin_audience_upload(connection, coupon_id)
    if upload_id is None and may_be_closed:
        return outcome
    assert upload_id is not None
    ids = list(users)
    upload = AudienceUpload(taken_bytes=1, lines=len(ids))
    assert take_part(connection, coupon_id, upload_id, AudienceUpload(), upload, ids)
    return set_audience(connection, coupon_id, upload_id, len(ids), WHO)
