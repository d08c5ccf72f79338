"""The steps of rebuilds, of administrators, and of what happens to Redis."""

from typing import Any

import pytest

from coupons.errors import LedgerUnavailable
from coupons.gate.changes import _settled_at_gate
from coupons.gate.forgetting import forget_archived
from coupons.gate.values import coupon_key
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.coupons import begin_gate_epoch, change_coupon, find_coupon
from coupons.model import CouponState
from tests.model.replay.actors import Rebuild
from tests.model.replay.standing import COUPON, Standing


class RebuildSteps(Standing):
    """Each step of the model is a method of its name."""

    def lock_rebuild(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]] = Rebuild(self.gate, self._connections.take())
        self._rebuilds[step["who"]].lock_rebuild(COUPON)

    def fence(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].fence()

    def fence_waits(self, step: dict[str, Any]) -> None:
        """For the transactions that write; it is not the rebuild that waits here."""
        connection = self._connections.take()
        connection.execute("SET lock_timeout = '30ms'")
        with pytest.raises(LedgerUnavailable, match="lock"):
            begin_gate_epoch(connection, COUPON)
        connection.execute("RESET lock_timeout")

    def fence_lost(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].fence_lost()

    def begin(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].begin(bool(step["value"]))

    def read_ledger(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].read_ledger()

    def load(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].load(bool(step["value"]))

    def open(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].open(bool(step["value"]))

    def rebuild_ends(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].rebuild_ends()

    def rebuild_unlocked(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].rebuild_unlocked()

    # Administrators, and Redis

    def change(self, step: dict[str, Any]) -> None:
        changed = change_coupon(
            self._system.ledger["api"], COUPON, total_quantity=int(step["value"])
        )
        self._on_its_way = None if step["more"] else changed

    def pause(self, step: dict[str, Any]) -> None:
        state = CouponState.PAUSED if step["value"] else CouponState.OPEN
        changed = change_coupon(self._system.ledger["api"], COUPON, state=state)
        self._on_its_way = None if step["more"] else changed

    def close(self, step: dict[str, Any]) -> None:
        changed = change_coupon(self._system.ledger["api"], COUPON, state=CouponState.CLOSED)
        self._on_its_way = None if step["more"] else changed

    def ask_gate(self, step: dict[str, Any]) -> None:
        _settled_at_gate(self.gate, self._system.ledger["api"], COUPON)

    def archive(self, step: dict[str, Any]) -> None:
        archived = archive_coupon(self._system.ledger["api"], COUPON)
        assert archived is not None
        self._on_its_way = None if step["more"] else archived

    def forget(self, step: dict[str, Any]) -> None:
        assert forget_archived(self.gate, self._reconciler, []).is_all

    def see_definition(self, step: dict[str, Any]) -> None:
        self._on_its_way = find_coupon(self._reconciler, COUPON)

    def define(self, step: dict[str, Any]) -> None:
        assert self._on_its_way is not None
        self.gate.define(self._on_its_way)
        self._on_its_way = None

    def define_lost(self, step: dict[str, Any]) -> None:
        self._on_its_way = None

    def flush(self, step: dict[str, Any]) -> None:
        self.gate.client.flushall()

    def restart(self, step: dict[str, Any]) -> None:
        """With what an older file of the server would have held."""
        key = coupon_key(COUPON)
        epoch = int(step["value"])
        if not epoch:
            self.gate.client.flushall()
        elif step["more"]:
            held = self.gate.client.keys(f"{key}:*")
            if held:
                self.gate.client.delete(*held)
            counts = dict.fromkeys(("issued", "rejected", "admitted", "compensated"), 0)
            older = {"epoch": self.servers.epochs.real(epoch), **counts}
            self.gate.client.hset(key, mapping=older)  # type: ignore[arg-type]
        self._system.restart_gate()

    def lose_events(self, step: dict[str, Any]) -> None:
        """Of the change stream: no server here holds any."""

    def emit_again(self, step: dict[str, Any]) -> None:
        self._system.ledger["owner"].execute("SELECT * FROM cdc_emit_again(0, 0, 100)")
