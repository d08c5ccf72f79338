"""The client: all calls of one API with one token."""

from typing import Any, Self

from coupon_client.administrator_calls import AdministratorCalls
from coupon_client.audience_calls import AudienceCalls
from coupon_client.calls import Calls
from coupon_client.room_calls import RoomCalls
from coupon_client.standby_calls import StandbyCalls
from coupon_client.user_calls import UserCalls

WITHIN_SECONDS = 30.0


class CouponClient(UserCalls, RoomCalls, StandbyCalls, AdministratorCalls, AudienceCalls):
    """Calls the API as the user of a token. Use one in each thread.

    within_seconds: how long a call that may be repeated is repeated while the API does not answer
    or says that it cannot now. 0: never. Each method raises Refused or Unreachable; ValueError for
    what cannot be sent, such as a token with a line break.
    """

    def __init__(
        self, base_url: str, token: str, *, within_seconds: float = WITHIN_SECONDS
    ) -> None:
        self._calls = Calls(base_url, token, within_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def read_keys(self) -> dict[str, Any]:
        """The public keys of receipts, as a document (JWKS)."""
        answer = self._calls.send("GET", "/.well-known/jwks.json")
        return self._calls.read(answer, lambda answer: _keys(answer.json()))


def _keys(document: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(document["keys"], list):
        raise TypeError("it is no list of keys")
    return document
