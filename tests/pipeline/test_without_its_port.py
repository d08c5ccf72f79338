"""A stack whose port another program took. Last on its stack, which is on other ports then."""

import socket
from urllib.parse import urlsplit

from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS


def test_a_stopped_stack_whose_port_is_taken_moves_with_its_data(
    spare_stack: DisposableStack,
) -> None:
    stack = spare_stack
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=10)
    accepted = people.claim(coupon_id, 1)
    before = stack.environment["COUPON_API_URL"]
    stack.stop(*stack.folder.part_names())
    with socket.create_server(("127.0.0.1", urlsplit(before).port or 0)):
        stack.up(None, "--ports", "first-free")
        assert stack.environment["COUPON_API_URL"] != before
        moved = People(stack)
        assert moved.claim(coupon_id, 1).json()["id"] == accepted.json()["id"]
        issued = moved.claim(coupon_id, 2)
        place = issued.headers["Location"]
        eventually(
            lambda: moved.read(place, 2, wait=5).json()["status"] == "ISSUED", FINAL_WITHIN_SECONDS
        )
