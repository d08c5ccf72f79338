"""The operations of the gate."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, cast

import redis

from coupons.errors import KeysUnreadable, RedisUnavailable
from coupons.gate.connection import connect_redis
from coupons.gate.figures import GateFigures, read_figures
from coupons.gate.refusals import translated
from coupons.gate.scripts import Call, run_scripts, try_scripts
from coupons.gate.values import (
    coupon_key,
    definition_fields,
    read_refusal,
    read_request,
    read_unavailable,
    write_request,
    write_requests,
)
from coupons.model import Admission, Claim, Coupon, GateState, IssueRequest, Refusal, Status

Decision = Admission | IssueRequest | Refusal | GateState
"""On a claim: admitted (now, or before and not yet final), final already, refused, or why the gate
is unavailable for its coupon."""


class Gate:
    """Admits, refuses, marks and reads. Safe to share between threads.

    Every method raises RedisUnavailable when Redis does not answer; all may safely be repeated.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def admit(self, claims: Sequence[Claim]) -> list[Decision]:
        """Decide a batch of claims: one script call for each coupon, one round trip in total."""
        by_coupon = _by_coupon(claims)
        calls = [
            _admit_call(coupon_id, [claims[i] for i in at]) for coupon_id, at in by_coupon.items()
        ]
        decisions: dict[int, Decision] = {}
        answers = self.try_calls(list(by_coupon), calls)
        for indexes, text in zip(by_coupon.values(), answers, strict=True):
            state = read_unavailable(text)
            if state is not None:
                decisions.update(dict.fromkeys(indexes, state))
                continue
            try:
                decided = read_decisions([claims[index] for index in indexes], text)
            except ValueError:
                self._distrust([claims[indexes[0]].coupon_id])
                decided = [GateState.UNREADABLE] * len(indexes)
            decisions.update(zip(indexes, decided, strict=True))
        return [decisions[index] for index in range(len(claims))]

    def compensate(self, admissions: Iterable[Admission]) -> int:
        """Give back admissions whose rows definitely do not exist; return how many.

        A claim that was tried again since is kept: the last attempt is responsible for it.
        """
        calls = []
        for (coupon_id, epoch), group in groupby(
            sorted(admissions), key=lambda a: (a.coupon_id, a.epoch)
        ):
            arguments: list[str | int] = [epoch]
            for admission in group:
                arguments += [admission.user_id, admission.requested_at_us]
            calls.append(Call("compensate", coupon_key(coupon_id), arguments))
        return sum(run_scripts(self.client, calls)) if calls else 0

    def settle(self, requests: Iterable[IssueRequest]) -> int:
        """Mark final requests, after their outcome is committed; return how many marks were new.

        A coupon that the gate does not have, or cannot read, is skipped: its rebuild reads the
        ledger.
        """
        by_coupon: dict[int, list[IssueRequest]] = {}
        for request in requests:
            by_coupon.setdefault(request.coupon_id, []).append(request)
        calls = [
            Call("settle", coupon_key(coupon_id), [write_requests(group)])
            for coupon_id, group in by_coupon.items()
        ]
        answers = self.try_calls(list(by_coupon), calls)
        return sum(max(0, each) for each in answers if not isinstance(each, KeysUnreadable))

    def erase(self, replaced: Sequence[tuple[IssueRequest, int]]) -> list[bool | KeysUnreadable]:
        """Replace users whom the ledger has erased by other ids; whether there was a mark.

        replaced: the mark as the ledger has it, and the id. A coupon that the gate cannot read
        becomes unavailable: its rebuild reads the ledger.
        """
        calls = [
            Call("erase", coupon_key(mark.coupon_id), [mark.user_id, new_id, write_request(mark)])
            for mark, new_id in replaced
        ]
        answers = self.try_calls([mark.coupon_id for mark, _ in replaced], calls)
        return [each if isinstance(each, KeysUnreadable) else each == 1 for each in answers]

    def read(
        self, coupon_id: int, user_ids: Sequence[int]
    ) -> list[IssueRequest | None] | GateState:
        """The requests of these users for one coupon; None where the gate has none."""
        text = self._read_texts([coupon_id], user_ids)[0]
        if isinstance(text, KeysUnreadable):
            return GateState.UNREADABLE
        try:
            return read_unavailable(text) or [
                None if value == "-" else read_request(coupon_id, user_id, value)
                for user_id, value in zip(user_ids, text.split(" ")[1:], strict=True)
            ]
        except (ValueError, LookupError):
            self._distrust([coupon_id])
            return GateState.UNREADABLE

    def _read_texts(
        self, coupon_ids: Sequence[int], user_ids: Sequence[int]
    ) -> list[str | KeysUnreadable]:
        users = " ".join(map(str, user_ids))
        calls = [Call("read", coupon_key(coupon_id), [users]) for coupon_id in coupon_ids]
        return self.try_calls(coupon_ids, calls)

    def try_calls(self, coupon_ids: Sequence[int], calls: Sequence[Call]) -> list[Any]:
        """One answer for each coupon; a coupon with unreadable keys becomes unavailable."""
        answers = try_scripts(self.client, calls) if calls else []
        pairs = zip(coupon_ids, answers, strict=True)
        if unreadable := [each for each, answer in pairs if isinstance(answer, KeysUnreadable)]:
            self._distrust(unreadable)
        return answers

    def _distrust(self, coupon_ids: Sequence[int]) -> None:
        """Make coupons with unreadable keys unavailable, so that the next pass rebuilds them.

        A bad key may hold only a few users, so that the counts do not show it.
        """
        calls = [Call("distrust", coupon_key(coupon_id), []) for coupon_id in coupon_ids]
        with suppress(RedisUnavailable):  # the next call on these coupons does it
            try_scripts(self.client, calls)

    def define(self, coupon: Coupon) -> bool:
        """Store a changed definition. False: the gate has it already, or not the coupon."""
        arguments = [coupon.version, *definition_fields(coupon)]
        [stored] = run_scripts(
            self.client, [Call("define", coupon_key(coupon.coupon_id), arguments)]
        )
        return bool(stored)

    def unavailable(self, coupon_ids: Sequence[int]) -> list[GateState | None]:
        """Why the gate is unavailable for each of these coupons; None where it admits."""
        return [read_unavailable(text) for text in self._read_texts(coupon_ids, [])]

    def opens_at_us(self, coupon_id: int) -> int | None:
        """When the coupon opens, in microseconds since 1970; None: not at the gate."""
        with translated():
            found = cast(str | None, self.client.hget(coupon_key(coupon_id), "starts_at_us"))
        return None if found is None else int(found)

    def now_us(self) -> int:
        """Microseconds since 1970 by the Redis server's clock, as in admissions."""
        with translated():
            seconds, microseconds = self.client.time()
        return seconds * 1_000_000 + microseconds

    def server_identity(self) -> str:
        """Another text after each restart and failover of Redis."""
        [identity] = run_scripts(self.client, [Call("server", coupon_key(0), [])])
        return str(identity)

    def pending_before(
        self, coupon_id: int, before_us: int, limit: int, from_us: int = 0
    ) -> list[IssueRequest]:
        """The oldest requests that were admitted between two times and are not final."""
        figures = self.figures([coupon_id])[0]
        if figures is None:
            return []
        key = f"{coupon_key(coupon_id)}:{figures.epoch}:pending"
        with translated():
            found = self.client.zrange(
                key, from_us * 2, before_us * 2, byscore=True, offset=0, num=limit, withscores=True
            )
        return [
            IssueRequest(coupon_id, int(user), int(score) // 2, Status.REQUESTED)
            for user, score in cast(list[tuple[str, float]], found)
        ]

    def oldest_pending_us(self, found: Mapping[int, GateFigures | None]) -> dict[int, int]:
        """When the oldest request that is not final was admitted, by coupon; one round trip.

        found: the figures of these coupons, just read. Coupons without such a request are left out.
        """
        waiting = {
            coupon_id: figures.epoch
            for coupon_id, figures in found.items()
            if figures is not None and figures.pending
        }
        pipeline = self.client.pipeline(transaction=False)
        for coupon_id, epoch in waiting.items():
            pipeline.zrange(f"{coupon_key(coupon_id)}:{epoch}:pending", 0, 0, withscores=True)
        with translated():
            answers = pipeline.execute()
        oldest = zip(waiting, cast(list[list[tuple[str, float]]], answers), strict=True)
        return {coupon_id: int(first[0][1]) // 2 for coupon_id, first in oldest if first}

    def figures(self, coupon_ids: Sequence[int]) -> list[GateFigures | None]:
        """The figures of these coupons; None where the gate does not have the coupon."""
        calls = [Call("figures", coupon_key(coupon_id), []) for coupon_id in coupon_ids]
        return [read_figures(answer) for answer in try_scripts(self.client, calls)] if calls else []


def connect_gate(url: str) -> Gate:
    """A gate on the Redis at `url`. It connects at its first use."""
    return Gate(connect_redis(url))


def _by_coupon(claims: Sequence[Claim]) -> dict[int, list[int]]:
    by_coupon: dict[int, list[int]] = {}
    for index, claim in enumerate(claims):
        by_coupon.setdefault(claim.coupon_id, []).append(index)
    return by_coupon


def _admit_call(coupon_id: int, claims: Sequence[Claim]) -> Call:
    users = " ".join(str(claim.user_id) for claim in claims)
    groups = ""
    if any(claim.groups for claim in claims):
        groups = " ".join(",".join(claim.groups) or "." for claim in claims)
    return Call("admit", coupon_key(coupon_id), [users, groups])


def read_decisions(claims: Sequence[Claim], text: str) -> list[Decision]:
    """An answer of admit.lua to claims of one coupon. Raises ValueError when it is malformed."""
    epoch, *answers = text.split(" ")
    return [
        _decision(claim, int(epoch), answer) for claim, answer in zip(claims, answers, strict=True)
    ]


def _decision(claim: Claim, epoch: int, answer: str) -> Decision:
    refusal = read_refusal(answer)
    if refusal is not None:
        return refusal
    if answer[0] in "AP":
        return Admission(
            claim.coupon_id, claim.user_id, int(answer[1:]), epoch, repeated=answer[0] == "P"
        )
    return read_request(claim.coupon_id, claim.user_id, answer)
