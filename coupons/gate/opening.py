"""Loads a coupon from the ledger into the gate and opens it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TypeVar

from coupons.gate.gate import Gate
from coupons.gate.prefetch import read_ahead
from coupons.gate.refusals import translated
from coupons.gate.scripts import Call, run_scripts
from coupons.gate.values import coupon_key, definition_fields, shard_count, write_requests
from coupons.gate.write_check import check_takes_writes
from coupons.ledger.audiences import parse_form
from coupons.model import Coupon, IssueRequest

REQUESTS_PER_CALL = 1000
CALLS_PER_ROUND_TRIP = 10
GROUPS_READ_AHEAD = 2
KEYS_PER_REMOVAL = 500

T = TypeVar("T")


def open_coupon(
    gate: Gate,
    coupon: Coupon,
    requests: Iterable[IssueRequest] = (),
    audience: str = "",
    load_audience: Callable[[], bool] = lambda: True,
) -> bool:
    """Begin the coupon's gate_epoch at the gate, load its requests, and open it.

    coupon: with a gate_epoch that the ledger has fenced (or created) for this. requests: all that
    the ledger has accepted for it, read after the fence; consumed as a stream. audience: who may
    claim it, "": everybody; load_audience: loads that list, False: it is not in force any more.
    Returns False then, or when a newer epoch was begun meanwhile, or Redis was restarted, failed
    over or lost something: then this epoch is void. Raises RedisUnavailable; GateRefused before
    anything is done, when Redis takes no writes or may evict keys.
    """
    check_takes_writes(gate.client)
    key = coupon_key(coupon.coupon_id)
    shards = shard_count(coupon.total_quantity)
    arguments = [coupon.gate_epoch, shards, *definition_fields(coupon), "audience", audience]
    [(is_begun, *before)] = run_scripts(gate.client, [Call("begin", key, arguments)])
    if not is_begun:
        return False
    # At once, because nobody else knows them any more, whatever comes of the rest.
    _remove(gate, _old_keys(key, before, audience))
    if not load_audience():
        return False
    counted = _Counted(requests)
    groups = _in_groups(_load_calls(key, coupon.gate_epoch, counted), CALLS_PER_ROUND_TRIP)
    # The ledger reads the next rows while Redis loads these: almost twice as fast on two cores.
    with closing(read_ahead(groups, GROUPS_READ_AHEAD)) as ready:
        for calls in ready:
            if not all(run_scripts(gate.client, calls)):
                return False
    [opened] = run_scripts(gate.client, [Call("open", key, [coupon.gate_epoch, counted.count])])
    return bool(opened)


class _Counted:
    """The same requests, counted on the way."""

    def __init__(self, requests: Iterable[IssueRequest]) -> None:
        self._requests = requests
        self.count = 0

    def __iter__(self) -> Iterator[IssueRequest]:
        for request in self._requests:
            self.count += 1
            yield request


def _load_calls(key: str, epoch: int, requests: Iterable[IssueRequest]) -> Iterator[Call]:
    for group in _in_groups(iter(requests), REQUESTS_PER_CALL):
        yield Call("load", key, [epoch, write_requests(group)])


def _old_keys(key: str, before: Sequence[str], audience: str) -> Iterator[str]:
    """The keys of the epoch and of the list that the gate had before, as begin.lua says it."""
    epoch, shards, old_audience = before
    if epoch:
        yield f"{key}:{epoch}:pending"
        yield from (f"{key}:{epoch}:settled:{shard}" for shard in range(int(shards)))
    if old_audience not in ("", audience):
        form = parse_form(old_audience)
        yield from (f"{key}:audience:{form.version}:{chunk}" for chunk in range(form.chunks))


def _remove(gate: Gate, keys: Iterator[str]) -> None:
    with translated():
        for group in _in_groups(keys, KEYS_PER_REMOVAL):
            gate.client.unlink(*group)


def _in_groups(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while group := list(islice(items, size)):
        yield group
