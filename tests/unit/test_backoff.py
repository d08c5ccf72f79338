"""A pause before the next attempt doubles up to a bound, and starts again after a success."""

from coupons.backoff import Backoff


def test_pauses_double_up_to_the_longest_with_jitter_below() -> None:
    backoff = Backoff(0.1, 1.0)
    for step in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert step / 2 <= backoff.next_seconds() <= step


def test_after_a_success_it_starts_with_the_first_pause() -> None:
    backoff = Backoff(0.1, 1.0)
    for _ in range(4):
        backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() <= 0.1


def test_the_first_pause_is_not_longer_than_the_longest() -> None:
    assert Backoff(2.0, 0.01).next_seconds() <= 0.01
