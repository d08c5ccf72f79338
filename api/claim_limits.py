"""Counts claims by user and by address in Redis, for all processes of the API together.

A window slides: what was counted in the window before weighs less, the longer it is over. Both
counts of a user or an address are numbers that expire.

Keys of user 42 with 20 claims in 60 s, apart from those of the gate:
  limit:{user:42:20/60}         claims counted in this window
  limit:{user:42:20/60}:before  claims counted in the window before
"""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import redis
from limits.storage import RedisStorage

from api.quotas import Quota
from coupons.gate.refusals import translated

USER, ADDRESS = "user", "address"
"""The limits, by the names that headers, problems and metrics have."""

_FUNCTION = "local function {name}(KEYS, ARGV)\n{script}\nend\n"
_SCRIPT = (
    _FUNCTION.format(name="look", script=RedisStorage.SCRIPT_SLIDING_WINDOW.decode())
    + _FUNCTION.format(name="take", script=RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW.decode())
    + (Path(__file__).parent / "lua" / "count_claims.lua").read_text()
)
"""The library counts one claim of one limit a call. A call for a batch takes a fifth of the time,
and no other process counts between two limits of a claim."""


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


class ClaimLimits:
    """Decides which claims the limits allow. Safe to share between threads.

    per_user, per_address: None: there is no such limit.
    """

    def __init__(
        self, client: redis.Redis, per_user: Quota | None, per_address: Quota | None
    ) -> None:
        limits = {USER: per_user, ADDRESS: per_address}
        quotas = {name: quota for name, quota in limits.items() if quota is not None}
        self._names = list(quotas)
        self._quotas = " ".join(f"{name} {q.claims} {q.seconds}" for name, q in quotas.items())
        self._policy = ", ".join(
            f'"{name}";q={q.claims};w={q.seconds}' for name, q in quotas.items()
        )
        self._script = client.register_script(_SCRIPT)

    def count(self, claimants: Sequence[Claimant]) -> list[Counted]:
        """Decide claims in their order, and count those that all limits allow; one round trip.

        A claim that is not allowed is not counted: who claims too often waits no longer for it.
        Raises RedisUnavailable; then any of them may have been counted.
        """
        whom = " ".join(each for claimant in claimants for each in self._whom(claimant))
        with translated():
            text = self._script(args=[self._quotas, whom])
        words = iter(str(text).split(" "))
        return [self._read(words) for _ in claimants]

    def _whom(self, claimant: Claimant) -> Iterator[str]:
        for name in self._names:
            yield str(claimant.user_id) if name == USER else claimant.address

    def _read(self, words: Iterator[str]) -> Counted:
        """The result of one claim."""
        refused = next(words) == "R"
        left, seconds = {}, {}
        for name in self._names:
            left[name] = int(next(words))
            seconds[name] = max(1, ceil(int(next(words)) / 1000))
        exceeded = [name for name in self._names if refused and not left[name]]
        limits = ", ".join(f'"{name}";r={left[name]};t={seconds[name]}' for name in self._names)
        return Counted(
            exceeded,
            max((seconds[name] for name in exceeded), default=0),
            {"ratelimit-policy": self._policy, "ratelimit": limits},
        )
