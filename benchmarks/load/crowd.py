"""Users with their tokens, made once and shared by all designs that are compared."""

from collections.abc import Sequence

from benchmarks.harness.target import Target
from benchmarks.load.claims import claim_request, long_poll_request

USERS_OF_THE_REPORT = 100_000


class Crowd:
    """Users 1 to `size`. `users` returns the next ones, and starts again after the last.

    Each measurement has its own coupon, so no user claims a coupon twice. Between two claims of a
    user there are more tokens than the API caches: each claim costs as much as one of a new user.
    """

    def __init__(self, target: Target, size: int) -> None:
        self.tokens = [target.token(user_id, "coupon:issue") for user_id in range(1, size + 1)]
        self._next = 0

    def users(self, how_many: int) -> list[int]:
        """The next users; ids start at 1. Raises ValueError for more than there are."""
        if how_many > len(self.tokens):
            raise ValueError(f"{how_many} users wanted, of {len(self.tokens)}")
        found = [(self._next + n) % len(self.tokens) + 1 for n in range(how_many)]
        self._next = (self._next + how_many) % len(self.tokens)
        return found

    def claims(self, coupon_id: int, users: Sequence[int]) -> list[str]:
        """Complete HTTP requests, one claim by each user."""
        return [claim_request(coupon_id, self.tokens[user - 1]) for user in users]

    def long_polls(self, ids: Sequence[str], users: Sequence[int], wait_s: int) -> list[str]:
        """Complete HTTP requests, one long poll by each user for the issue request with this id."""
        return [
            long_poll_request(each, self.tokens[user - 1], wait_s)
            for each, user in zip(ids, users, strict=True)
        ]
