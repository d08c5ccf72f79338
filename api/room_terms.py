"""What a waiting room is, and an arrival, as clients send and receive them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from coupons.rooms import RoomOrder, WaitingRoom
from coupons.tickets import LONGEST_TICKET

MOST_A_SECOND = 99_999
"""The ledger's constraint says the same."""

Rate = Annotated[int, Field(ge=1, le=MOST_A_SECOND)]


class ArrivalBody(BaseModel):
    """Body of POST /coupons/{id}/waiting-room. ticket: of an earlier arrival."""

    model_config = ConfigDict(strict=True, extra="forbid")

    ticket: str | None = Field(default=None, max_length=LONGEST_TICKET)


class RoomSettings(BaseModel):
    """Body of PUT /coupons/{id}/waiting-room/settings."""

    model_config = ConfigDict(strict=True, extra="forbid")

    admits_per_second: Rate
    # Strict mode takes no text for an enumeration, and JSON has only text.
    order: Annotated[RoomOrder, Field(strict=False)]


class RoomView(TypedDict):
    """A waiting room: how many may claim a second from the opening on, and in which order."""

    admits_per_second: Rate
    order: RoomOrder


def view_room(room: WaitingRoom | None) -> RoomView | None:
    """The JSON form; None: there is no room."""
    if room is None:
        return None
    return {"admits_per_second": room.admits_per_second, "order": room.order}
