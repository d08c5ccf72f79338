"""Users with their tokens, made once and shared by everything that is compared."""

from collections.abc import Sequence

from benchmarks.running import Target

USERS_OF_THE_REPORT = 100_000


class Crowd:
    """Users 1 to `size`. Each `claims` takes the next of them, and comes round again at the end.

    Every measurement is on a coupon of its own, so nobody claims the same coupon twice; and between
    two claims of a user there are more tokens than an API remembers, as if all were new.
    """

    def __init__(self, target: Target, size: int) -> None:
        self.tokens = [target.token(user_id, "coupon:issue") for user_id in range(1, size + 1)]
        self._next = 0

    def users(self, how_many: int) -> list[int]:
        """The next ones; ids from 1. Raises ValueError for more than there are."""
        if how_many > len(self.tokens):
            raise ValueError(f"{how_many} of {len(self.tokens)} users")
        found = [(self._next + n) % len(self.tokens) + 1 for n in range(how_many)]
        self._next = (self._next + how_many) % len(self.tokens)
        return found

    def claims(self, coupon_id: int, users: Sequence[int]) -> list[str]:
        """Whole HTTP requests, a claim by each."""
        head = f"POST /coupons/{coupon_id}/issue-requests HTTP/1.1\r\n"
        return [f"{head}{self._headers(user)}Content-Length: 0\r\n\r\n" for user in users]

    def long_polls(self, ids: Sequence[str], users: Sequence[int], wait_s: int) -> list[str]:
        """Whole HTTP requests, a long poll by each user for the issue request with this id."""
        return [
            f"GET /issue-requests/{each}?wait={wait_s} HTTP/1.1\r\n{self._headers(user)}\r\n"
            for each, user in zip(ids, users, strict=True)
        ]

    def _headers(self, user_id: int) -> str:
        return f"Host: 127.0.0.1\r\nAuthorization: Bearer {self.tokens[user_id - 1]}\r\n"
