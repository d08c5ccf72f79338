"""This version and the previous one serve beside each other, in both directions, under load."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from coupons.change_events import REQUEST_TOPIC, SchemaRegistry, subject_of
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from operations.verify.report import await_consistency
from stack.disposable import DisposableStack
from tests.pipeline.application import (
    API,
    CONSUMER,
    RECONCILER,
    Application,
    application_beside,
    application_of,
)
from tests.pipeline.balanced_load import BalancedLoad
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS
from tests.support.previous_version import Version

THREADS = 4
WORKS_WITHIN_SECONDS = 60.0
ORDER = (CONSUMER, RECONCILER, API)
"""Of an upgrade: docs/how-to/upgrade.md."""

LATER_COLUMN = "ALTER TABLE coupon_issue_request ADD COLUMN later text DEFAULT 'x'"
WITHOUT_IT = "ALTER TABLE coupon_issue_request DROP COLUMN IF EXISTS later"
USERS = """
SELECT r.user_id, i.user_id
  FROM coupon_issue_request r LEFT JOIN issued_coupon i USING (coupon_id, user_id)
 WHERE coupon_id = %s
"""


@pytest.fixture
def stack(spare_stack: DisposableStack) -> DisposableStack:
    """The one whose tables and processes may change for a while."""
    return spare_stack


@pytest.fixture
def today(stack: DisposableStack) -> Iterator[Application]:
    yield application_of(stack.folder)
    stack.up()


@pytest.fixture
def previous(
    stack: DisposableStack, previous_version: Version, tmp_path: Path
) -> Iterator[Application]:
    """The processes of the previous version; none runs yet."""
    beside = application_beside(
        stack.folder, previous_version.tag, previous_version.source, tmp_path / "previous"
    )
    yield beside
    beside.stop()


def _owner(stack: DisposableStack, statement: str) -> None:
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(statement)


@contextmanager
def _later_schema(stack: DisposableStack) -> Iterator[None]:
    """The published table has a column that neither version knows."""
    registry = SchemaRegistry(stack.environment["COUPON_SCHEMA_REGISTRY_URL"])

    def published() -> bool:
        return "later" in str(registry.latest_schema(subject_of(REQUEST_TOPIC)))

    _owner(stack, LATER_COLUMN)
    try:
        eventually(published, WORKS_WITHIN_SECONDS, "the later column is in change events")
        yield
    finally:
        _owner(stack, WITHOUT_IT)


def _goes_on(kind: str, *running: Application) -> None:
    """Return when each of these has worked; of the reconcilers, one is active."""
    # A process that has just been started may not answer in time.
    before = eventually(lambda: [each.work(kind) for each in running], WORKS_WITHIN_SECONDS)

    def working() -> bool:
        more = [each.work(kind) > was for each, was in zip(running, before, strict=True)]
        return any(more) if kind == RECONCILER else all(more)

    eventually(working, WORKS_WITHIN_SECONDS, f"{kind}: {[each.version for each in running]}")


def _replace(old: Application, new: Application, load: BalancedLoad) -> None:
    """One process after the other: the new one is started, then the old one is stopped."""
    for kind in ORDER:
        new.start(kind)
        if kind == API:
            load.add(new.url)
        _goes_on(kind, old, new)
        if kind == API:
            load.remove(old.url)
        old.stop(kind)
        _goes_on(kind, new)


def _check_answers(load: BalancedLoad) -> None:
    assert [str(each) for each in load.first if each.status != 202] == []
    assert [str(each) for each in load.again if each.status != 200] == []


def _check_all_issued(stack: DisposableStack, load: BalancedLoad) -> None:
    """Once each, and nobody else."""
    gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
    with connect_ledger(stack.database_url("ops"), "test") as ledger:
        books = await_consistency(gate, ledger, load.coupon_id, FINAL_WITHIN_SECONDS)
        rows = ledger.execute(USERS, [load.coupon_id]).fetchall()
    assert books is not None
    assert books.complaints == []
    accepted = sorted(each.user_id for each in load.first)
    assert sorted(rows) == [(user, user) for user in accepted]


def test_each_version_takes_over_from_the_other_and_nothing_is_refused_or_lost(
    stack: DisposableStack, today: Application, previous: Application
) -> None:
    """Back to the previous version on the new schema, and to this one on a later schema."""
    coupon_id = People(stack).create_coupon(total_quantity=100_000)
    load = BalancedLoad(stack.folder.secret("jwt.key"), coupon_id)
    load.add(today.url)
    with load.claiming(THREADS):
        _replace(today, previous, load)
        with _later_schema(stack):
            _goes_on(CONSUMER, previous)
            _replace(previous, today, load)
        _goes_on(CONSUMER, today)
    _check_answers(load)
    _check_all_issued(stack, load)
