"""Claims that an API with rate limits answers."""

from collections.abc import Callable

from werkzeug.test import TestResponse

LIMITED = 429
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
Claim = Callable[..., TestResponse]
"""Claims coupon 7 for a user; address: of the connection."""
Limited = Callable[..., Claim]


def limit_headers(answer: TestResponse) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.lower().startswith("rate")
    }


def seconds_left(answer: TestResponse) -> int:
    """Until there is more: of a window of a minute that has just begun."""
    seconds = int(answer.headers["RateLimit"].rpartition("=")[2])
    assert 50 <= seconds <= 60
    return seconds
