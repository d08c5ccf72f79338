"""What Kafka still has of a retired coupon is neither lost nor open."""

from typing import Any

import pytest

from coupons.change_events.dead_letter_headers import DeadLetterMetadata
from coupons.change_events.dead_letter_topic import DeadLetter
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection
from operations.dead_letters import status
from operations.dead_letters.status import State, read_statuses
from operations.doctor import ledger_history
from operations.doctor.findings import Level
from operations.doctor.ledger_history import check_ledger_history
from operations.doctor.system import System
from tests.reconciler.conftest import Archive, Shop
from tests.support.retiring import retire_without_files

USER = 4711


@pytest.fixture
def retired(shop: Shop, archive: Archive) -> int:
    """A coupon of which the ledger has no row of the user."""
    archive(shop.coupon_id)
    return shop.coupon_id


def test_its_newest_records_do_not_say_that_the_ledger_went_back(
    shop: Shop, retired: int, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the retirement, they do."""
    url = shop.database.url("coupon_ops")
    system = System(None, None, url, valkey_url, KafkaClient(""), "", "", "group")
    monkeypatch.setattr(ledger_history, "_streamed_requests", lambda *_: {(retired, USER, 1)})
    [before] = check_ledger_history(system)
    retire_without_files(shop.database, retired)
    [after] = check_ledger_history(system)
    assert (before.level, after.level) == (Level.FAILING, Level.OK)


def test_its_dead_letters_need_nobody(
    shop: Shop, retired: int, ops: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their requests were final before; the rows that said so are in files."""
    metadata = DeadLetterMetadata("t", 0, 0, 0, "E", "e", 0, "", coupon_id=retired, user_id=USER)
    letter = DeadLetter(0, 0, 1_700_000_000_000, None, None, [], metadata)
    monkeypatch.setattr(status, "read_dead_letters", lambda *_, **__: [letter])
    where: Any = type(
        "Where",
        (dict,),
        {"kafka_client": lambda _: None, "__missing__": lambda *_: "http://127.0.0.1:1"},
    )()
    [before] = read_statuses(where, ops)
    retire_without_files(shop.database, retired)
    [after] = read_statuses(where, ops)
    assert (before.state, after.state) == (State.OPEN, State.RESOLVED)
