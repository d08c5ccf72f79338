"""Counts claims by user and by address in Redis, for all processes of the API together.

A window slides: what was counted in the window before weighs less, the longer it is over. Both
windows of a user or an address are numbers, which expire; the time is that of the Redis server.

Keys of user 42 with 20 claims in 60 s, apart from those of the gate:
  limit:{user:42:20/60}         claims counted in this window
  limit:{user:42:20/60}:before  claims counted in the window before
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import redis
from limits.storage import RedisStorage

from api.quotas import Quota
from coupons.gate.refusals import translated

USER, ADDRESS = "user", "address"
"""The limits, by the names that headers, problems and metrics have."""


class Claimant(NamedTuple):
    """Whom a claim is counted for. address: as `ClientAddresses` finds it."""

    user_id: int
    address: str


class Counted(NamedTuple):
    """What the limits say of a claim.

    exceeded: the limits that do not allow it; empty: it is allowed, and counted. retry_seconds:
    until these allow a claim. headers: RateLimit and RateLimit-Policy.
    """

    exceeded: list[str]
    retry_seconds: int
    headers: dict[str, str]


class _Key(NamedTuple):
    limit: str
    whom: str
    quota: Quota

    def names(self) -> list[str]:
        """The window before, and this window, as the library's scripts take them."""
        name = f"limit:{{{self.limit}:{self.whom}:{self.quota.claims}/{self.quota.seconds}}}"
        return [f"{name}:before", name]


class _Left(NamedTuple):
    """claims: that are allowed now. seconds: until it is one more."""

    claims: int
    seconds: int


@dataclass
class _Asked:
    """A claim. exceeded: of its keys. left: for each of its keys, after it."""

    keys: list[_Key]
    exceeded: list[_Key]
    left: dict[_Key, _Left]


class ClaimLimits:
    """Decides which claims the limits allow. Safe to share between threads.

    per_user, per_address: None: there is no such limit.
    """

    def __init__(
        self, client: redis.Redis, per_user: Quota | None, per_address: Quota | None
    ) -> None:
        self._client = client
        self._per_user, self._per_address = per_user, per_address
        self._look = client.register_script(RedisStorage.SCRIPT_SLIDING_WINDOW)
        self._take = client.register_script(RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW)
        self._policy = ", ".join(
            f'"{key.limit}";q={key.quota.claims};w={key.quota.seconds}'
            for key in self._keys(Claimant(0, ""))
        )

    def count(self, claimants: Sequence[Claimant]) -> list[Counted]:
        """Decide claims in their order, and count those that all limits allow.

        A claim that is not allowed is not counted: who claims too often waits no longer for it.
        Raises RedisUnavailable; then any of them may have been counted.
        """
        keys = [self._keys(each) for each in claimants]
        left = self._read({key for each in keys for key in each})
        asked = [_ask(each, left) for each in keys]
        self._count(asked)
        return [self._counted(each) for each in asked]

    def _keys(self, claimant: Claimant) -> list[_Key]:
        keys = []
        if self._per_user is not None:
            keys.append(_Key(USER, str(claimant.user_id), self._per_user))
        if self._per_address is not None:
            keys.append(_Key(ADDRESS, claimant.address, self._per_address))
        return keys

    def _read(self, keys: Collection[_Key]) -> dict[_Key, _Left]:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            self._look(key.names(), [key.quota.seconds], pipeline)
        with translated():
            windows = pipeline.execute()
        return {key: _left(key.quota, *each) for key, each in zip(keys, windows, strict=True)}

    def _count(self, asked: Sequence[_Asked]) -> None:
        """Other processes count meanwhile: the server may allow fewer than were left before."""
        counting = [(each, key) for each in asked if not each.exceeded for key in each.keys]
        pipeline = self._client.pipeline(transaction=False)
        for _, key in counting:
            self._take(key.names(), [key.quota.claims, key.quota.seconds, 1], pipeline)
        with translated():
            answers = pipeline.execute()
        for (each, key), taken in zip(counting, answers, strict=True):
            if not taken:
                each.exceeded.append(key)
                each.left[key] = each.left[key]._replace(claims=0)

    def _counted(self, asked: _Asked) -> Counted:
        limits = ", ".join(
            f'"{key.limit}";r={left.claims};t={left.seconds}' for key, left in asked.left.items()
        )
        return Counted(
            [key.limit for key in asked.exceeded],
            max((asked.left[key].seconds for key in asked.exceeded), default=0),
            {"ratelimit-policy": self._policy, "ratelimit": limits},
        )


def _ask(keys: list[_Key], left: dict[_Key, _Left]) -> _Asked:
    """The claim, taken from what is left if that is enough."""
    exceeded = [key for key in keys if left[key].claims < 1]
    if not exceeded:
        for key in keys:
            left[key] = left[key]._replace(claims=left[key].claims - 1)
    return _Asked(keys, exceeded, {key: left[key] for key in keys})


def _left(quota: Quota, before: Any, before_ms: int, now: Any, now_ms: int) -> _Left:
    """What a quota leaves, from the counts of both windows and when their keys expire.

    As the library reckons: the key of this window expires one window after its end.
    """
    window_ms = quota.seconds * 1000
    weighted = int(before or 0) * max(0, before_ms) / window_ms
    more_ms: float = now_ms - window_ms if now_ms > 0 else window_ms
    if weighted >= 1:
        more_ms = min(more_ms, before_ms % (window_ms / int(before)))
    counted = int(weighted) + int(now or 0)
    return _Left(max(0, quota.claims - counted), max(1, ceil(more_ms / 1000)))
