"""Tickets of waiting rooms."""

from coupons.tickets import LONGEST_TICKET, make_ticket, read_ticket

KEY = "k" * 64


def test_a_ticket_reads_back_for_its_user_its_coupon_and_its_key_alone() -> None:
    ticket = make_ticket(KEY, 7, 41, 12)
    assert len(make_ticket(KEY, 2**59, 2**62, 10**15 - 1)) <= LONGEST_TICKET
    assert read_ticket(KEY, 7, 41, ticket) == 12
    assert read_ticket(KEY, 7, 42, ticket) is None
    assert read_ticket(KEY, 8, 41, ticket) is None
    assert read_ticket("other", 7, 41, ticket) is None


def test_a_changed_ticket_is_none() -> None:
    """Another number, another form of the same number, or text around it."""
    number, _, signature = make_ticket(KEY, 7, 41, 12).partition(".")
    for forged in (f"11.{signature}", f"012.{signature}", f"{number}.{signature}\n", f"-{number}."):
        assert read_ticket(KEY, 7, 41, forged) is None
