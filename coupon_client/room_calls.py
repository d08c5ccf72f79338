"""The calls of waiting rooms: arrive, wait for one's turn; set a room, take it away."""

from time import monotonic, sleep
from typing import Any, Literal

from coupon_client.calls import Calls
from coupon_client.json_values import result_of
from coupon_client.results import Coupon, RoomSettings, Waiting

_LONGEST_WAIT_SECONDS = 3_600.0


class RoomCalls:
    """Each method is the operation of that name in the API's description."""

    _calls: Calls

    def arrive(self, coupon_id: int, ticket: str | None = None) -> Waiting:
        """Arrive in the waiting room of a coupon; again: the same position.

        ticket: of an earlier answer. It brings the position back if the API has lost it.
        """
        return self._arrive(coupon_id, ticket)[0]

    def read_position(self, coupon_id: int) -> Waiting:
        """Where the token's user waits. Raises Refused: "not-found": they have not arrived."""
        return self._calls.get(Waiting, "GET", _room(coupon_id))

    def wait_for_turn(
        self,
        coupon_id: int,
        ticket: str | None = None,
        within_seconds: float = _LONGEST_WAIT_SECONDS,
    ) -> Waiting:
        """Arrive and wait until the user may claim.

        It asks again when the API says so, which is rarely: the turn is known. When that is after
        within_seconds, it does not wait any longer: see `is_your_turn`.
        """
        deadline = monotonic() + within_seconds
        while True:
            waiting, pause = self._arrive(coupon_id, ticket)
            if waiting.is_your_turn or monotonic() + pause > deadline:
                return waiting
            ticket = waiting.ticket
            sleep(pause)

    def read_waiting_room(self, coupon_id: int) -> RoomSettings:
        """The settings of a waiting room, and its lot once it is drawn."""
        return self._calls.get(RoomSettings, "GET", f"{_room(coupon_id)}/settings")

    def set_waiting_room(
        self,
        coupon_id: int,
        version: int,
        admits_per_second: int,
        order: Literal["arrival", "lot"] = "arrival",
    ) -> Coupon:
        """Set the room of the version of a coupon that was read, before it opens. Sent once.

        Raises Refused: "waiting-room-fixed": it has opened, or its lot is drawn.
        """
        body = {"admits_per_second": admits_per_second, "order": order}
        return self._set_room(coupon_id, version, "PUT", json=body)

    def remove_waiting_room(self, coupon_id: int, version: int) -> Coupon:
        """Take the room away: everybody may claim once the coupon is open. Sent once."""
        return self._set_room(coupon_id, version, "DELETE")

    def _arrive(self, coupon_id: int, ticket: str | None) -> tuple[Waiting, float]:
        """Where the user waits, and in how many seconds to ask again."""
        answer = self._calls.send("POST", _room(coupon_id), json={"ticket": ticket})
        pause = answer.headers.get("Retry-After", "")
        waiting = self._calls.read(answer, lambda answer: result_of(Waiting, answer.json()))
        return waiting, max(1.0, float(pause)) if pause.isdigit() else 1.0

    def _set_room(self, coupon_id: int, version: int, method: str, **more: Any) -> Coupon:
        path, headers = f"{_room(coupon_id)}/settings", {"If-Match": f'"{version}"'}
        return self._calls.get(Coupon, method, path, repeatable=False, headers=headers, **more)


def _room(coupon_id: int) -> str:
    return f"/coupons/{coupon_id}/waiting-room"
