"""Brings the audience of a coupon from the ledger to the gate.

A list is loaded beside the one that is in force, under keys of its own version. Then one field of
the coupon's hash is changed: claims before it are decided by the one list, claims after it by the
other. Whoever loads has the coupon's lock, so that no rebuild replaces it by an older list: the
reconciler, or an operator's command. The API waits for them.
"""

from collections.abc import Mapping
from contextlib import closing
from hashlib import sha1
from itertools import islice

from coupons.gate.figures import GateFigures
from coupons.gate.gate import Gate
from coupons.gate.refusals import translated
from coupons.gate.scripts import Call, run_scripts
from coupons.gate.values import coupon_key
from coupons.ledger.audiences import EVERYBODY, list_audiences, parse_form, stream_audience
from coupons.ledger.connection import Connection
from coupons.ledger.rebuild_lock import alone_with

CHUNKS_PER_ROUND_TRIP = 100
_KEYS_PER_READ = 1_000
_KEYS_PER_REMOVAL = 500


def has_audience(found: GateFigures, coupon_id: int, audiences: Mapping[int, str]) -> bool:
    """Whether the gate has the audience that the ledger has, as `list_audiences` returns it."""
    return found.audience == audiences.get(coupon_id, EVERYBODY)


def load_audience(gate: Gate, connection: Connection, coupon_id: int, form: str) -> bool:
    """Load a list beside what is in force; False: the ledger has another one meanwhile.

    Claims are not decided by it yet. Raises RedisUnavailable or LedgerUnavailable.
    """
    if form == EVERYBODY:
        return True
    prefix, loaded = _prefix(coupon_id, form), 0
    with closing(stream_audience(connection, coupon_id, form)) as chunks:
        while some := list(islice(chunks, CHUNKS_PER_ROUND_TRIP)):
            pipeline = gate.client.pipeline(transaction=False)
            for number, users in some:
                pipeline.set(f"{prefix}{number}", b"." + users)
            with translated():
                pipeline.execute()
            loaded += len(some)
    return loaded == parse_form(form).chunks


def bring_audience(
    gate: Gate, connection: Connection, coupon_id: int, *, is_spoilt: bool = False
) -> bool:
    """Make the ledger's audience the gate's; whether it is now.

    is_spoilt: load it even if the gate says that it has it. False: somebody else loads the coupon,
    the gate does not have it, or the ledger has another audience meanwhile. Raises RedisUnavailable
    or LedgerUnavailable; repeating it is harmless.
    """
    with alone_with(connection, coupon_id) as alone:
        [figures] = gate.figures([coupon_id])
        if not alone or figures is None:
            return False
        form = list_audiences(connection, [coupon_id]).get(coupon_id, EVERYBODY)
        if figures.audience == form and not is_spoilt:
            return True
        if not load_audience(gate, connection, coupon_id, form):
            return False
        [changed] = run_scripts(gate.client, [Call("audience", coupon_key(coupon_id), [form])])
        if changed:
            _remove_others(gate, coupon_id, form)
        return bool(changed)


def lists_are_at_gate(gate: Gate, connection: Connection) -> bool:
    """Whether no coupon at the gate has another list than in the ledger."""
    audiences = list_audiences(connection)
    if not audiences:
        return True
    found = dict(zip(audiences, gate.figures(list(audiences)), strict=True))
    return all(
        figures is None or has_audience(figures, coupon_id, audiences)
        for coupon_id, figures in found.items()
    )


def is_spoilt(gate: Gate, connection: Connection, coupon_id: int, form: str) -> bool:
    """Whether the gate holds other users than this list, which ledger and gate have in force.

    It reads all of the list. False, too, when the ledger has another one meanwhile.
    """
    if form == EVERYBODY:
        return False
    key, version = coupon_key(coupon_id), parse_form(form).version
    with closing(stream_audience(connection, coupon_id, form)) as chunks:
        while some := list(islice(chunks, CHUNKS_PER_ROUND_TRIP)):
            wanted = [sha1(b"." + users, usedforsecurity=False).hexdigest() for _, users in some]
            call = Call("chunks", key, [version, some[0][0], some[-1][0]])
            if run_scripts(gate.client, [call]) != [wanted]:
                return True
    return False


def _prefix(coupon_id: int, form: str) -> str:
    return f"{coupon_key(coupon_id)}:audience:{parse_form(form).version}:"


def _remove_others(gate: Gate, coupon_id: int, form: str) -> None:
    """Remove every list of the coupon but this one, with what an interruption left behind."""
    kept = _prefix(coupon_id, form) if form else ":"
    with translated():
        keys = gate.client.scan_iter(f"{coupon_key(coupon_id)}:audience:*", count=_KEYS_PER_READ)
        others = (key for key in keys if not key.startswith(kept))
        while some := list(islice(others, _KEYS_PER_REMOVAL)):
            gate.client.unlink(*some)
