"""Refuses claims of users and addresses that claim too often, before the gate is asked."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.claim_limits import Claimant, ClaimLimits, Counted
from api.client_addresses import ClientAddresses
from api.metrics import API_LIMITED_CLAIMS, API_UNCOUNTED_CLAIMS
from api.problems import Problem, ProblemType
from api.write_batcher import NoAnswer, NotReached, WriteBatcher
from coupons.errors import RedisUnavailable

if TYPE_CHECKING:
    from granian.rsgi import Scope

log = logging.getLogger(__name__)

BATCH_SIZE = 100
PATIENCE_SECONDS = 1.0
"""A claim waits no longer for the limits, half of it in the queue."""


class ClaimLimiter:
    """Asks the limits for many claims at once. All the state belongs to one event loop.

    Limits protect the gate, and are on the same Redis. Where that does not answer, a claim goes on,
    and gets the answer that it would get without limits.
    """

    def __init__(self, limits: ClaimLimits, addresses: ClientAddresses) -> None:
        self._limits = limits
        self._addresses = addresses
        self._batcher: WriteBatcher[Claimant, Counted | None] = WriteBatcher(
            self._count, BATCH_SIZE, 1, PATIENCE_SECONDS, PATIENCE_SECONDS
        )

    async def allow(self, user_id: int, scope: "Scope") -> dict[str, str]:
        """The headers of the response to a claim that may go on; none where nobody counts.

        Raises Problem (429), and 503 where so many claims come that they cannot be counted.
        """
        claimant = Claimant(user_id, self._addresses.of(scope))
        try:
            counted = await self._batcher.submit(claimant)
        except NotReached:
            raise Problem(
                ProblemType.OVERLOADED,
                "The claim was not reached in time: nothing was accepted. Claim again.",
            ) from None
        except NoAnswer:
            counted = None
        if counted is None:
            return {}
        if counted.exceeded:
            raise _limited(counted)
        return counted.headers

    def _count(self, claimants: Sequence[Claimant]) -> Sequence[Counted | None]:
        """Runs in a thread. None: it was not counted."""
        try:
            counted = self._limits.count(claimants)
        except RedisUnavailable as error:
            log.warning("%s; %d claims are not limited", error, len(claimants))
            API_UNCOUNTED_CLAIMS.inc(len(claimants))
            return [None] * len(claimants)
        for limit, claims in Counter(name for each in counted for name in each.exceeded).items():
            API_LIMITED_CLAIMS.labels(limit).inc(claims)
        return counted


def _limited(counted: Counted) -> Problem:
    whose = " and ".join(f"this {each}" for each in counted.exceeded)
    return Problem(
        ProblemType.TOO_MANY_CLAIMS,
        f"Too many claims come from {whose}: nothing was accepted. Claim again in"
        f" {counted.retry_seconds} s; a request that was accepted before can be read meanwhile.",
        {**counted.headers, "retry-after": str(counted.retry_seconds)},
        **{"violated-policies": counted.exceeded},
    )
