"""The calls of administrators: coupons, their codes, and erasures of users."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from uuid import uuid4

from coupon_client.calls import Calls
from coupon_client.json_values import document_of, page_of, result_of
from coupon_client.results import (
    Codes,
    Coupon,
    CouponAction,
    DiscardedDraft,
    Erasure,
    RemovedCodes,
    UnreadableCoupon,
    Upload,
)

UPLOAD_SECONDS = 300.0
"""How long the API may take for a file after it was sent."""

ERASURE_SECONDS = 60.0
"""How long the API may take to erase a user: it reads all of the audit trails."""


class Terms(TypedDict, total=False):
    """The optional fields of a coupon. Times have a time zone."""

    issue_starts_at: datetime | None
    issue_ends_at: datetime | None
    eligible_group: str | None
    valid_for_days: int | None
    valid_until: datetime | None
    discount: dict[str, Any] | None
    metadata: dict[str, str] | None


class NewCoupon(Terms, total=False):
    """What `create_coupon` may be given besides name and quantity."""

    id: int | None
    state: Literal["open", "draft"]


class CouponChange(Terms, total=False):
    """What `change_coupon` may be given. None removes a field; what is left out stays."""

    name: str
    total_quantity: int
    state: Literal["open"]


class AdministratorCalls:
    """Each method is the operation of that name in the API's description.

    A change of a coupon is sent once: a repetition could undo what somebody did in between. If
    `maybe_done` of its error is true, read the coupon and decide.
    """

    _calls: Calls

    def create_coupon(
        self,
        name: str,
        total_quantity: int,
        *,
        idempotency_key: str | None = None,
        **terms: Unpack[NewCoupon],
    ) -> Coupon:
        """Create a coupon, once however often the call is repeated.

        idempotency_key: made for each call if left out. Who may call again later, after a crash or
        an error with `maybe_done`, keeps one and gives it each time.
        """
        body = document_of({"name": name, "total_quantity": total_quantity, **terms})
        if body.get("id") is not None:
            body["id"] = str(body["id"])
        key = {"Idempotency-Key": str(uuid4()) if idempotency_key is None else idempotency_key}
        return self._calls.get(Coupon, "POST", "/coupons", json=body, headers=key)

    def list_coupons(
        self, state: str | None = None, name: str | None = None
    ) -> Iterator[Coupon | UnreadableCoupon]:
        """Coupons, the greatest id first; without a state all but archived ones.

        name: a part of it, in any case, or an id.
        """
        return self._calls.items("/coupons", _coupons, {"state": state, "name": name})

    def read_coupon(self, coupon_id: int) -> Coupon:
        """A coupon."""
        return self._calls.get(Coupon, "GET", _coupon(coupon_id))

    def change_coupon(
        self, coupon_id: int, version: int, **changes: Unpack[CouponChange]
    ) -> Coupon:
        """Change the version of a coupon that was read. Sent once.

        Raises Refused: "precondition-failed": somebody else changed it since.
        """
        body = document_of(changes)
        headers = _if_match(version)
        return self._calls.get(
            Coupon, "PATCH", _coupon(coupon_id), repeatable=False, json=body, headers=headers
        )

    def pause_coupon(self, coupon_id: int, version: int | None = None) -> Coupon:
        """Pause it; with a version only if it still has that one. Sent once."""
        return self._act(coupon_id, "pause", version)

    def resume_coupon(self, coupon_id: int, version: int | None = None) -> Coupon:
        """Resume it; with a version only if it still has that one. Sent once."""
        return self._act(coupon_id, "resume", version)

    def close_coupon(self, coupon_id: int, version: int | None = None) -> Coupon:
        """Close it for good; with a version only if it still has that one. Sent once."""
        return self._act(coupon_id, "close", version)

    def archive_coupon(self, coupon_id: int, version: int | None = None) -> Coupon:
        """Put a closed one away for good; with a version only if it has that one. Sent once."""
        return self._act(coupon_id, "archive", version)

    def discard_draft(self, coupon_id: int, version: int) -> DiscardedDraft:
        """Delete the version of a draft that was read; again: the same answer.

        Raises Refused: "not-draft": it was opened; "precondition-failed": it was changed since.
        """
        return self._calls.get(
            DiscardedDraft,
            "DELETE",
            _coupon(coupon_id),
            headers=_if_match(version),
            attempt_seconds=UPLOAD_SECONDS,
        )

    def audit_coupon(self, coupon_id: int) -> Iterator[CouponAction]:
        """What was done to a coupon and by whom, newest first."""
        return self._calls.items(f"{_coupon(coupon_id)}/audit", page_of(CouponAction))

    def read_codes(self, coupon_id: int) -> Codes:
        """How many codes a coupon has."""
        return self._calls.get(Codes, "GET", f"{_coupon(coupon_id)}/codes")

    def choose_codes(self, coupon_id: int, kind: str) -> Codes:
        """Choose how its codes come about: none, made or pool. Sent once."""
        path = f"{_coupon(coupon_id)}/codes"
        return self._calls.get(Codes, "PUT", path, repeatable=False, json={"kind": kind})

    def upload_codes(self, coupon_id: int, file: Path, has_header: bool | None = None) -> Upload:
        """Add the codes of a file to a pool, one a line, without reading it into memory.

        A file named .csv is sent as CSV; has_header: whether it begins with a header, None: if its
        first line is `code`. A repetition adds no code twice: it counts them as refused.
        """
        kind = "text/plain"
        if file.suffix.lower() == ".csv":
            said = {None: "", True: "; header=present", False: "; header=absent"}
            kind = "text/csv" + said[has_header]
        return self._calls.get(
            Upload,
            "POST",
            f"{_coupon(coupon_id)}/codes/pool",
            file=file,
            headers={"Content-Type": kind},
            attempt_seconds=UPLOAD_SECONDS,
        )

    def remove_free_codes(self, coupon_id: int) -> RemovedCodes:
        """Remove the codes of its pool that nobody has. Sent once.

        A repetition could remove what somebody uploaded in between.
        """
        return self._calls.get(
            RemovedCodes,
            "DELETE",
            f"{_coupon(coupon_id)}/codes/free",
            repeatable=False,
            attempt_seconds=UPLOAD_SECONDS,
        )

    def erase_user(self, user_id: int) -> Erasure:
        """Erase a user for good; again: the same proof, where there was a request to erase.

        Raises Refused: "user-in-flight": a request of the user is not final, or a coupon's gate is
        unavailable, which may have admitted them. Nothing was erased; the detail says which.
        """
        path = f"/users/{user_id}/erasures"
        return self._calls.get(Erasure, "POST", path, attempt_seconds=ERASURE_SECONDS)

    def read_erasure(self, erasure_id: str) -> Erasure:
        """The proof of an erasure."""
        return self._calls.get(Erasure, "GET", f"/erasures/{erasure_id}")

    def _act(self, coupon_id: int, action: str, version: int | None) -> Coupon:
        headers = {} if version is None else _if_match(version)
        path = f"{_coupon(coupon_id)}/{action}"
        return self._calls.get(Coupon, "POST", path, repeatable=False, headers=headers)


def _coupons(page: dict[str, Any]) -> list[Coupon | UnreadableCoupon]:
    unreadable = [UnreadableCoupon(int(each)) for each in page["unreadable"]]
    return [*(result_of(Coupon, each) for each in page["items"]), *unreadable]


def _coupon(coupon_id: int) -> str:
    return f"/coupons/{coupon_id}"


def _if_match(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}
