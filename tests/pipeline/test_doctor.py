"""The doctor finds what stands still, from the state folder and from addresses alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline

FOUND_WITHIN_SECONDS = 60.0

Findings = list[dict[str, Any]]


def coupon(stack: DisposableStack, *arguments: str, by_addresses: bool = False) -> Any:
    """What a command answers as JSON."""
    where = [] if by_addresses else ["--state", str(stack.folder.path)]
    known = {**stack.environment, "COUPON_DATABASE_URL": stack.database_url("ops")}
    inherited = {name: value for name, value in os.environ.items() if name not in known}
    environment = {**inherited, **(known if by_addresses else {})}
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments, *where, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def examined(stack: DisposableStack, *, by_addresses: bool = False) -> Findings:
    found: Findings = coupon(stack, "doctor", by_addresses=by_addresses)["findings"]
    return found


def failing(findings: Findings) -> set[str]:
    return {each["section"] for each in findings if each["level"] == "failing"}


def roots(findings: Findings) -> list[str]:
    """The sections that stand by themselves, in the order in which they are told."""
    levels = ("failing", "unknown")
    return [f["section"] for f in findings if f["level"] in levels and f["because"] is None]


def finds(stack: DisposableStack, section: str, *, by_addresses: bool, says: str = "") -> Findings:
    """The findings once this state is the first of them, and one of them says this."""

    def first() -> Findings:
        found = examined(stack, by_addresses=by_addresses)
        ill = [each for each in found if each["level"] != "ok"]
        assert roots(found)[:1] == [section], ill
        assert any(says in each["says"] for each in ill), ill
        return found

    return eventually(first, FOUND_WITHIN_SECONDS)


@contextmanager
def refused(stack: DisposableStack, condition: str) -> Iterator[None]:
    """Postgres refuses issued coupons that break the condition, until the block ends."""
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(f"ALTER TABLE issued_coupon ADD CONSTRAINT of_a_doctor CHECK ({condition})")
        try:
            yield
        finally:
            owner.execute("ALTER TABLE issued_coupon DROP CONSTRAINT IF EXISTS of_a_doctor")


def is_well(stack: DisposableStack) -> None:
    """Wait until nothing fails any more."""
    eventually(lambda: not roots(examined(stack)), FOUND_WITHIN_SECONDS, "nothing fails")


def test_a_consumer_killed_within_its_session_is_found_from_addresses(
    stack: DisposableStack,
) -> None:
    is_well(stack)
    stack.kill("consumer-1")
    try:
        finds(stack, "The consumer is down", by_addresses=True)
    finally:
        stack.up()
    is_well(stack)


def test_open_dead_letters_are_found_from_addresses(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    coupon_id = pipeline.coupon.coupon_id
    with refused(stack, f"coupon_id <> {coupon_id} OR user_id > 20"):
        pipeline.request(range(1, 41))
        eventually(lambda: pipeline.counts().issued == 20, FINAL_WITHIN_SECONDS)
        # The last of them are written after the last coupon is issued.
        says = "20 of them with a request that is not final"
        found = finds(stack, "Dead letters are open", by_addresses=True, says=says)
    [letters] = [each for each in found if each["check"] == "dead letters"]
    assert says in letters["says"]
    assert "CheckViolation" in letters["says"]
    coupon(stack, "dead-letters", "replay", "--coupon", str(coupon_id))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    is_well(stack)


def test_a_consumer_at_the_limit_of_dead_letters_is_found(
    stack: DisposableStack, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own answer tells it; without its address, the group stands still."""
    with refused(stack, f"coupon_id <> {pipeline.coupon.coupon_id}"):
        pipeline.request(range(1, 2_001))
        stopped = "The consumer stopped at the dead-letter limit"
        found = finds(stack, stopped, by_addresses=False)
        assert {each["because"] for each in found if each["level"] == "failing"} <= {None, stopped}
        finds(stack, "The consumer is down", by_addresses=True)
        port = existing(stack.folder).ports["consumer-1"]
        monkeypatch.setenv("COUPON_CONSUMER_URLS", f"http://{HOST}:{port}")
        finds(stack, stopped, by_addresses=True)
    # The first few were poison before they were too many.
    coupon(stack, "dead-letters", "replay", "--coupon", str(pipeline.coupon.coupon_id))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    is_well(stack)


def test_a_request_of_no_coupon_is_named_by_doctor_and_verify(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    is_well(stack)
    nobodys = str(pipeline.coupon.coupon_id + 1_000_000)
    with connect_ledger(stack.database_url("owner"), "test") as owner:
        owner.execute("INSERT INTO coupon_issue_request VALUES (%s, 7, now())", [nobodys])
        try:
            found = finds(stack, "Dead letters are open", by_addresses=True)
            assert "Ledger and gate do not match" in failing(found)
            [stray] = coupon(stack, "verify")["unmatched"]
            assert (stray["coupon_id"], stray["user_id"]) == (int(nobodys), 7)
            assert stray["why"] == "no_coupon"
        finally:
            owner.execute("DELETE FROM coupon_issue_request WHERE coupon_id = %s", [nobodys])
    coupon(stack, "dead-letters", "discard", "--coupon", nobodys, "--reason", "made by a test")
    is_well(stack)


def test_one_server_away_is_one_cause_and_the_rest_follows_from_it(stack: DisposableStack) -> None:
    is_well(stack)
    stack.kill("postgres")
    try:
        found = finds(stack, "Postgres is down", by_addresses=False)
        assert roots(found) == ["Postgres is down"]
        assert len([each for each in found if each["because"]]) > 5
        assert roots(finds(stack, "Postgres is down", by_addresses=True)) == ["Postgres is down"]
    finally:
        stack.up()
    is_well(stack)
