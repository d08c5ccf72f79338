"""Connecting to Redis with bounded waiting, directly or through Sentinel."""

from typing import Any, cast

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from coupons.links.sentinels import SentinelUrl, parse_sentinel_url

CONNECT_TIMEOUT_SECONDS = 1.0
ANSWER_TIMEOUT_SECONDS = 2.0
SENTINEL_TIMEOUT_SECONDS = 0.5
"""The sentinels are asked one after the other for each new connection."""


def connect_redis(url: str) -> redis.Redis:
    """Return a client that connects at its first command.

    One immediate retry on a broken connection: every script of the gate may safely run twice. No
    retry on a server that does not answer: the caller would wait twice as long.
    """
    settings = {
        "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": ANSWER_TIMEOUT_SECONDS,
        "retry": _retries(1),
    }
    through = parse_sentinel_url(url)
    if through is not None:
        return _master(through, settings)
    return redis.Redis.from_url(url, **settings)


def _master(through: SentinelUrl, settings: dict[str, Any]) -> redis.Redis:
    """A client that connects to the server that is the master at that moment.

    A master that is demoted closes its clients' connections, and answers the rest as a read-only
    replica. Both make the client ask the sentinels again.
    """
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        through.sentinels,
        sentinel_kwargs={
            "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS,
            "socket_timeout": SENTINEL_TIMEOUT_SECONDS,
            "retry": _retries(0),
            **through.tls,
        },
    )
    client = sentinel.master_for(  # type: ignore[no-untyped-call]
        through.service,
        db=through.database,
        username=through.username,
        password=through.password,
        **settings,
        **through.tls,
    )
    return cast(redis.Redis, client)


def _retries(count: int) -> Retry:
    return Retry(ConstantBackoff(0), count, supported_errors=(redis.ConnectionError,))
