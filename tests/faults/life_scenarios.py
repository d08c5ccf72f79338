"""Small incidents of issued coupons: each breaks a promise when a protection is missing."""

from tests.faults.scenarios import Ground
from tests.faults.till import Till


def two_orders_use_a_coupon_at_once(ground: Ground) -> None:
    """The second one asks before the first one has committed; one of them gets it."""
    till = Till(ground.rig)
    till.use_at_once("A", "B")


def another_order_uses_a_used_coupon(ground: Ground) -> None:
    """It is refused, until the first use is cancelled."""
    till = Till(ground.rig)
    till.use("A")
    till.use("B")
    till.cancel_use("A")
    till.use("C")


def the_answer_to_a_use_is_lost(ground: Ground) -> None:
    """The order does not know, and repeats the call."""
    till = Till(ground.rig)
    till.use("A", answer="is lost")
    till.use("A")


def the_answer_to_the_only_use_is_lost(ground: Ground) -> None:
    """Nobody repeats it: it is there, and that is no surprise."""
    till = Till(ground.rig)
    till.use("A", answer="is lost")


def an_order_uses_it_again_after_its_cancellation(ground: Ground) -> None:
    """A late repetition of its first call: it is refused, and the coupon is free for others."""
    till = Till(ground.rig)
    till.use("A")
    till.cancel_use("A")
    till.use("A")
    till.use("B")


def the_answer_to_a_cancellation_is_lost(ground: Ground) -> None:
    """The order does not know, and repeats the call, which is done."""
    till = Till(ground.rig)
    till.use("A")
    till.cancel_use("A", answer="is lost")
    till.cancel_use("A")


def a_coupon_is_used_after_its_time(ground: Ground) -> None:
    """It is refused, and has a use before that was cancelled in time."""
    till = Till(ground.rig)
    till.use("A")
    till.cancel_use("A")
    _time_is_over(ground)
    till.use("B")


def a_coupon_expires_while_it_is_used(ground: Ground) -> None:
    """The use can be cancelled afterwards, and is the last one."""
    till = Till(ground.rig)
    till.use("A")
    _time_is_over(ground)
    till.use("B")
    till.cancel_use("A")
    till.use("C")


def a_coupon_is_revoked_and_wanted(ground: Ground) -> None:
    """Nobody can use it afterwards; it is revoked once."""
    till = Till(ground.rig)
    till.use("A")
    till.revoke("fraud")
    till.cancel_use("A")
    till.revoke("fraud again")
    till.use("B")
    till.revoke("and again")


def _time_is_over(ground: Ground) -> None:
    owner = ground.rig.system.ledger["owner"]
    owner.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows")
    owner.execute("UPDATE coupon SET valid_until = clock_timestamp()")
