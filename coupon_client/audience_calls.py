"""The calls of administrators about audiences: who may claim a coupon."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from coupon_client.audience_results import Audience, AudienceUpload, UploadedAudience
from coupon_client.calls import Calls
from coupon_client.errors import Refused

PART_BYTES = 4_194_304
PART_SECONDS = 120.0
FINISH_SECONDS = 120.0
"""How long the API may take to make a list of an upload, and to bring it to the gate."""

Progress = Callable[[AudienceUpload, int], None]
"""Called after each part, with the upload as it is then and the size of the file."""


class AudienceCalls:
    """Each method is the operation of that name in the API's description."""

    _calls: Calls

    def read_audience(self, coupon_id: int) -> Audience:
        """Who may claim a coupon."""
        return self._calls.get(Audience, "GET", f"/coupons/{coupon_id}/audience")

    def remove_audience(self, coupon_id: int) -> Audience:
        """Let everybody claim it again; the list is gone."""
        path = f"/coupons/{coupon_id}/audience"
        return self._calls.get(Audience, "DELETE", path, attempt_seconds=FINISH_SECONDS)

    def upload_audience(
        self,
        coupon_id: int,
        file: Path,
        has_header: bool | None = None,
        resume: str | None = None,
        progress: Progress = lambda _upload, _size: None,
    ) -> UploadedAudience:
        """Make the users of a file, one id a line, the only ones who may claim a coupon.

        The file is sent in parts; what was taken is not sent again, also when a call is repeated.
        A file named .csv is sent as CSV; has_header: whether it begins with a header, None: if its
        first line is `user_id`. resume: the id of an upload of this file that was cut off; None:
        begin another. Until the end nobody notices anything, and the list before it is in force.
        """
        kind = "text/plain"
        if file.suffix.lower() == ".csv":
            said = {None: "", True: "; header=present", False: "; header=absent"}
            kind = "text/csv" + said[has_header]
        uploads = f"/coupons/{coupon_id}/audience-uploads"
        if resume is None:
            upload = self._calls.get(AudienceUpload, "POST", uploads)
        else:
            upload = self._calls.get(AudienceUpload, "GET", f"{uploads}/{resume}")
        path, size = f"{uploads}/{upload.id}", file.stat().st_size
        with file.open("rb") as opened:
            while upload.offset < size:
                progress(upload, size)
                opened.seek(upload.offset)
                upload = self._take(path, upload, opened.read(PART_BYTES), kind)
        progress(upload, size)
        finish = f"{path}/finish"
        audience = self._calls.get(Audience, "POST", finish, attempt_seconds=FINISH_SECONDS)
        return UploadedAudience(
            upload.lines, upload.refused, upload.reasons, upload.first_refused, audience
        )

    def _take(self, path: str, upload: AudienceUpload, part: bytes, kind: str) -> AudienceUpload:
        headers = {"Content-Type": kind, "Upload-Offset": str(upload.offset)}
        given: dict[str, Any] = {"headers": headers, "attempt_seconds": PART_SECONDS}
        try:
            return self._calls.get(AudienceUpload, "PATCH", path, content=part, **given)
        except Refused as error:
            if error.kind != "upload-offset":
                raise
            # An attempt before has brought some of it, and its answer was lost.
            now = self._calls.get(AudienceUpload, "GET", path)
            if now.offset <= upload.offset:
                raise
            return now
