"""Rates at which requests become final: measured, and never invented."""

from api.final_rates import LONGEST_SECONDS, MOST_COUPONS, FinalRates


class Clock:
    """Shows what the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float) -> None:
        self.now += seconds


def test_without_two_readings_a_second_apart_there_is_no_rate() -> None:
    clock = Clock()
    rates = FinalRates(clock)
    assert rates.note(7, 1, 10) is None
    clock.after(0.9)
    assert rates.note(7, 1, 50) is None
    clock.after(0.1)
    assert rates.note(7, 1, 30) == 20


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    rates = FinalRates(clock)
    final = 0
    for _ in range(10):
        rates.note(7, 1, final)
        final += 100
        clock.after(1)
    for _ in range(5):
        rates.note(7, 1, final)
        final += 10
        clock.after(1)
    assert rates.note(7, 1, final) == 10


def test_who_reads_rarely_gets_the_rate_since_then() -> None:
    clock = Clock()
    rates = FinalRates(clock)
    rates.note(7, 1, 0)
    clock.after(LONGEST_SECONDS)
    assert rates.note(7, 1, 60) == 60 / LONGEST_SECONDS
    clock.after(LONGEST_SECONDS + 1)
    assert rates.note(7, 1, 600) is None


def test_where_nothing_becomes_final_there_is_no_rate() -> None:
    clock = Clock()
    rates = FinalRates(clock)
    rates.note(7, 1, 5)
    clock.after(2)
    assert rates.note(7, 1, 5) is None


def test_coupons_epochs_and_counts_that_go_back_are_not_mixed() -> None:
    clock = Clock()
    rates = FinalRates(clock)
    rates.note(7, 1, 5)
    clock.after(2)
    assert rates.note(8, 1, 9) is None
    assert rates.note(7, 2, 9) is None
    clock.after(2)
    assert rates.note(7, 2, 1) is None


def test_readings_are_bounded_in_number_whatever_is_read() -> None:
    clock = Clock()
    rates = FinalRates(clock)
    for coupon_id in range(1, MOST_COUPONS + 50):
        rates.note(coupon_id, 1, 0)
    for _ in range(1_000):
        rates.note(1, 1, 0)
        clock.after(0.1)
    assert len(rates._of_coupons) == MOST_COUPONS
    assert len(rates._of_coupons[1].kept) <= LONGEST_SECONDS / 0.5 + 2
