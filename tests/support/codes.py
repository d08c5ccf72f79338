"""Uploads of codes."""

from collections.abc import Sequence

from api.pool_lines import read_lines
from api.pool_uploads import UploadReport, upload_codes
from coupons.ledger.connection import Connection

WHO = "a test"


def upload(connection: Connection, coupon_id: int, lines: Sequence[str]) -> UploadReport:
    """Add these codes to the coupon's pool."""
    text = "".join(f"{line}\n" for line in lines).encode()
    return upload_codes(connection, coupon_id, WHO, read_lines([text], False))
