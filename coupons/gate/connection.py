"""Connecting to Redis with bounded waiting."""

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

CONNECT_TIMEOUT_SECONDS = 1.0
ANSWER_TIMEOUT_SECONDS = 2.0


def connect_redis(url: str) -> redis.Redis:
    """Return a client that connects at its first command.

    One immediate retry on a broken connection: every script of the gate may safely run twice. None
    on a server that does not answer: whoever asks would wait twice as long.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(ConstantBackoff(0), 1, supported_errors=(redis.ConnectionError,)),
    )
