"""What an erasure leaves in Kafka is no fault to the doctor."""

from datetime import timedelta
from typing import Any

import pytest

from coupons.gate.erasing import erase_user
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import find_requests
from operations.doctor import erasures, ledger_history
from operations.doctor.erasures import check_erasures
from operations.doctor.findings import Level, Section
from operations.doctor.ledger_history import check_ledger_history
from operations.doctor.system import System
from tests.reconciler.conftest import Shop
from tests.support.issued import as_owner

USER, OTHER = 4711, 1
WEEK = timedelta(days=7)


@pytest.fixture
def system(shop: Shop, valkey_url: str, request: pytest.FixtureRequest) -> System:
    """Postgres and Redis of the test, as one who types, or as the page asks."""
    url = shop.database.url(getattr(request, "param", "coupon_ops"))
    return System(None, None, url, valkey_url, KafkaClient(""), "", "", "group")


def _erase(shop: Shop, log_keeps: timedelta | None) -> set[tuple[int, int, int]]:
    """Issues for both and erases one; returns the requests as Kafka has them."""
    shop.accept(USER, OTHER)
    shop.issue(USER, OTHER)
    with connect_ledger(shop.database.url("coupon_ops"), "test") as ops:
        keys = [(shop.coupon_id, user) for user in (USER, OTHER)]
        streamed = {each[:3] for each in find_requests(ops, keys)}
        erase_user(shop.gate, ops, USER, "a test", log_keeps)
    return streamed


def test_a_request_that_was_erased_is_not_lost(
    shop: Shop, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka has it still. One that the ledger lost beside it is named."""
    streamed = _erase(shop, WEEK)
    monkeypatch.setattr(ledger_history, "_streamed_requests", lambda *_: streamed)

    [found] = check_ledger_history(system)
    assert (found.level, found.says) == (Level.OK, "the newest requests in Kafka are in the ledger")

    as_owner(shop.database, "DELETE FROM coupon_issue_request WHERE user_id = %s", OTHER)
    [found] = check_ledger_history(system)
    assert found.section is Section.LEDGER_RESTORED
    assert "1 of the newest 2 requests" in found.says


def test_another_request_of_who_was_erased_may_be_lost(
    shop: Shop, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They claimed again, and the ledger lost that: another request of the same user."""
    streamed = _erase(shop, WEEK)
    later = {(shop.coupon_id, USER, max(each[2] for each in streamed) + 1)}
    monkeypatch.setattr(ledger_history, "_streamed_requests", lambda *_: streamed | later)

    [found] = check_ledger_history(system)

    assert found.section is Section.LEDGER_RESTORED
    assert "1 of the newest 3 requests" in found.says


@pytest.mark.parametrize("system", ["coupon_ops", "coupon_monitor"], indirect=True)
@pytest.mark.parametrize(
    ("kept", "level", "command"),
    [
        (WEEK, None, None),
        (timedelta(days=20, hours=1), Level.WARNING, "COUPON_API_LOG_KEEPS_DAYS=21"),
        (None, Level.WARNING, "retention.ms"),
    ],
)
def test_a_proof_that_ends_before_kafka_does_is_a_warning(
    shop: Shop,
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    kept: timedelta | None,
    level: Level | None,
    command: str | None,
) -> None:
    """The ledger would forget the erased request while Kafka has it. It ends when Kafka has not."""

    class Settings:
        def __init__(self, _: object) -> None: ...

        def longest_kept(self) -> timedelta | None:
            return kept

    monkeypatch.setattr(erasures, "TopicSettings", Settings)
    _erase(shop, WEEK)

    found: Any = list(check_erasures(system))

    assert [each.level for each in found] == ([level] if level else [])
    if level is not None and command is not None:
        assert command in found[0].command
        assert "1 proofs of erasures end before Kafka" in found[0].says
    if kept is not None:
        past = "UPDATE erasure SET erased_at = erased_at - interval '21 days'"
        as_owner(shop.database, past)
        assert list(check_erasures(system)) == []
