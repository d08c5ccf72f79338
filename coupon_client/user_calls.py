"""The calls of users and tills: claim, wait, read, use."""

from collections.abc import Iterator
from random import uniform
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote

from coupon_client.calls import ATTEMPT_SECONDS, Calls
from coupon_client.errors import CouponClientError
from coupon_client.json_values import page_of
from coupon_client.results import (
    Change,
    FoundCode,
    GivenCode,
    IssuedCoupon,
    IssueRequest,
    Timeline,
)

_LONGEST_POLL_SECONDS = 30.0


class UserCalls:
    """Each method is the operation of that name in the API's description.

    Every one of them may be repeated without doing it twice, and is. `wait_for_result` asks again
    by its own deadline.
    """

    _calls: Calls

    def claim_coupon(self, coupon_id: int) -> IssueRequest:
        """Claim a coupon for the token's user. A second claim answers with the first one's request.

        Raises Refused: "sold-out", "not-open" (`retry_after_seconds`, `members["opens_at"]`), ...
        """
        return self._calls.get(IssueRequest, "POST", f"/coupons/{coupon_id}/issue-requests")

    def read_request(self, request_id: str, wait_seconds: float = 0) -> IssueRequest:
        """An issue request; the API waits up to wait_seconds (at most 30) until it is final."""
        return self._poll(request_id, wait_seconds, repeatable=True)

    def read_own_timeline(self, coupon_id: int) -> Timeline:
        """What became of the claim of the token's user, or why one would be refused now."""
        return self._calls.get(Timeline, "GET", f"/coupons/{coupon_id}/issue-requests/me/timeline")

    def read_timeline(self, request_id: str) -> Timeline:
        """What became of an issue request."""
        return self._calls.get(Timeline, "GET", f"/issue-requests/{_part(request_id)}/timeline")

    def wait_for_result(self, request_id: str, within_seconds: float = 30) -> IssueRequest:
        """The request once it is final; after within_seconds as it is then, see `is_final`."""
        deadline = monotonic() + within_seconds
        while True:
            began = monotonic()
            asked = min(max(0.0, deadline - began), _LONGEST_POLL_SECONDS)
            pause = uniform(0.5, 1.5)  # noqa: S311
            try:
                request = self._poll(request_id, asked, repeatable=False)
            except CouponClientError as error:
                pause = max(pause, error.retry_after_seconds or 0.0)
                if not error.is_passing or monotonic() + pause >= deadline:
                    raise
                sleep(pause)
                continue
            now = monotonic()
            if request.is_final or now >= deadline:
                return request
            if now - began < asked / 2:  # too many wait at the API: it answers at once
                sleep(min(deadline - now, pause))

    def list_own_coupons(
        self, state: str | None = None, coupon_id: int | None = None
    ) -> Iterator[IssuedCoupon]:
        """The issued coupons of the token's user, newest first."""
        wanted = {"state": state, "coupon_id": coupon_id}
        return self._calls.items("/users/me/coupons", page_of(IssuedCoupon), wanted)

    def read_issued_coupon(self, issued_coupon_id: str) -> IssuedCoupon:
        """An issued coupon as it is now."""
        return self._calls.get(IssuedCoupon, "GET", _issued(issued_coupon_id))

    def list_changes_of_issued_coupon(self, issued_coupon_id: str) -> Iterator[Change]:
        """What became of an issued coupon, oldest first."""
        return self._calls.items(f"{_issued(issued_coupon_id)}/changes", page_of(Change))

    def use_issued_coupon(self, issued_coupon_id: str, order_reference: str) -> IssuedCoupon:
        """Use it for an order. For the same order again, it answers the same."""
        body = {"order_reference": order_reference}
        return self._change(issued_coupon_id, "use", body)

    def cancel_use(self, issued_coupon_id: str, order_reference: str) -> IssuedCoupon:
        """Take the use back, as a till. For the same order again, it answers the same."""
        body = {"order_reference": order_reference}
        return self._change(issued_coupon_id, "cancel-use", body)

    def revoke_issued_coupon(self, issued_coupon_id: str, reason: str) -> IssuedCoupon:
        """Make it void for good, as an administrator. The user can read the reason."""
        return self._change(issued_coupon_id, "revoke", {"reason": reason})

    def read_receipt(self, issued_coupon_id: str) -> str:
        """A signed receipt (JWS) of one's own issued coupon, which a till checks offline."""
        answer = self._calls.send("GET", f"{_issued(issued_coupon_id)}/receipt")
        return self._calls.read(answer, lambda answer: _receipt(answer.text))

    def give_code(self, issued_coupon_id: str) -> GivenCode:
        """The code of one's own issued coupon, the same each time."""
        return self._calls.get(GivenCode, "POST", f"{_issued(issued_coupon_id)}/code")

    def find_code(self, code: str) -> FoundCode:
        """The issued coupon of a code, however it was typed."""
        return self._calls.get(FoundCode, "GET", f"/codes/{_part(code)}")

    def _poll(self, request_id: str, wait_seconds: float, repeatable: bool) -> IssueRequest:
        return self._calls.get(
            IssueRequest,
            "GET",
            f"/issue-requests/{_part(request_id)}",
            repeatable=repeatable,
            params={"wait": f"{wait_seconds:.3f}"},
            attempt_seconds=wait_seconds + ATTEMPT_SECONDS,
        )

    def _change(self, issued_coupon_id: str, what: str, body: dict[str, Any]) -> IssuedCoupon:
        path = f"{_issued(issued_coupon_id)}/{what}"
        return self._calls.get(IssuedCoupon, "POST", path, json=body)


def _part(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def _receipt(text: str) -> str:
    if text.count(".") != 2 or not text.isascii() or not text.isprintable():
        raise ValueError("it is no JWS")
    return text


def _issued(issued_coupon_id: str) -> str:
    return f"/issued-coupons/{_part(issued_coupon_id)}"
