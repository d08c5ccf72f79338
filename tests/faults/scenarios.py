"""Small incidents: each breaks a promise when a certain protection is missing, and only then."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cdc_consumer.records import Record
from coupons.errors import LedgerUnavailable
from tests.faults.rig import Rig
from tests.support.databases import Database
from tests.unit.scripted_consumer import ALL, Run


class Ground(NamedTuple):
    """What a scenario needs."""

    rig: Rig
    database: Database
    folder: Path


Scenario = Callable[[Ground], None]


def a_commit_dies_and_the_stock_is_lowered_meanwhile(ground: Ground) -> None:
    """Two users are in a batch whose first commit failed; only one gets a coupon in the end."""
    rig = ground.rig
    rig.open(total=2)
    rig.claim(1, 2)
    owner = rig.system.ledger["owner"]
    owner.execute("REVOKE INSERT ON issued_coupon FROM coupon_consumer")
    with suppress(LedgerUnavailable):
        rig.consume()
    rig.ask(1, 2)
    owner.execute("GRANT INSERT ON issued_coupon TO coupon_consumer")
    rig.lower(total=1, role="owner")


def the_stock_is_lowered_below_what_is_admitted(ground: Ground) -> None:
    """The gate admitted more than the new total; the consumer must reject the rest."""
    ground.rig.open(total=3)
    admitted = ground.rig.admit(1, 2, 3)
    ground.rig.lower(total=1)
    ground.rig.arrive(admitted, 1, 2, 3)


def a_consumer_dies_while_it_handles_a_batch(ground: Ground) -> None:
    """The next consumer continues from the committed offsets."""
    rig = ground.rig
    rig.open(total=10)
    rig.claim(1, 2, 3, 4, 5)
    rig.committed = max([0, *(call[1] for call in _DyingRun(rig).died() if call[0] == "commit")])


def a_consumer_stands_still_for_longer_than_its_session(ground: Ground) -> None:
    """Its partition is lost and assigned again within the poll that returns the next record."""
    rig = ground.rig
    rig.open(total=10)
    rig.claim(1, 2, 3, 4, 5)
    rig.committed = _StandingRun(rig).committed()


class _StandingRun(Run):
    """A consumer's loop over the records of the log, two at a time."""

    batch_size = 2

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._rig = rig
        self._records = rig.stream()
        assert len(self._records) == len(ALL)
        self.consumer.lose_and_regain_before = {0, 2}

    def handle(self, batch: Sequence[Record]) -> None:
        self._rig.handler.handle([self._records[record.offset] for record in batch])

    def committed(self) -> int:
        """The committed offset after the last record."""
        self.run()
        return self.consumer.committed_offset


class _DyingRun(Run):
    """A consumer's loop over the five records of the log."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._records = rig.stream()
        assert len(self._records) == len(ALL)

    def handle(self, batch: Sequence[Record]) -> None:
        raise KeyboardInterrupt

    def died(self) -> list[tuple[str, int]]:
        """The calls until then."""
        with suppress(KeyboardInterrupt):
            self.run()
        return [call[:2] for call in self.consumer.calls if isinstance(call, tuple)]


def the_answer_to_a_commit_is_lost(ground: Ground) -> None:
    """The row exists and the API does not know it; another user claims the last coupon."""
    rig = ground.rig
    rig.open(total=1)
    rig.claim(1, script=["commit and lose"])
    rig.claim(2)


def the_api_dies_and_redis_forgets(ground: Ground) -> None:
    """Claims answered with 202 must be in Postgres by then."""
    rig = ground.rig
    rig.open(total=10)
    rig.claim(1, 2, 3)
    rig.system.gate.client.flushall()


def redis_comes_back_with_older_data(ground: Ground) -> None:
    """It does not know the holder of the only coupon any more."""
    rig = ground.rig
    rig.open(total=1)
    older = rig.save_gate(ground.folder / "older")
    rig.claim(1)
    rig.restore_gate(older)
    rig.claim(2)
    rig.reconcile()
    rig.claim(2)


def a_claim_arrives_after_a_rebuild(ground: Ground) -> None:
    """Another user got its stock, because the rebuild did not know the claim."""
    rig = ground.rig
    rig.open(total=1)
    slow = rig.admit(1)
    rig.system.gate.client.flushall()
    rig.reconcile()
    rig.claim(2)
    rig.arrive(slow, 1)


def every_event_comes_twice(ground: Ground) -> None:
    """As after a crash between a commit and its offset."""
    rig = ground.rig
    rig.open(total=10)
    rig.claim(1, 2, 3)
    rig.consume()
    rig.committed = 0
