"""`coupon erase`: what an operator sees, and what becomes of a user's dead letters."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.change_events.dead_letter_headers import DeadLetterMetadata
from coupons.change_events.dead_letter_topic import DeadLetter
from operations import erasing
from operations.dead_letters.status import DeadLetterStatus, State
from reconciler.erasure_watch import ErasureWatch
from tests.reconciler.conftest import Shop
from tests.support.issued import as_owner

USER = 4711


class Letters:
    """The dead letters of a Kafka that is not there, and up to where they were deleted."""

    def __init__(self) -> None:
        self.statuses: list[DeadLetterStatus] = []
        self.deleted: dict[int, int] = {}

    def add(self, coupon_id: int, user_id: int, state: State) -> None:
        offset = len(self.statuses)
        metadata = DeadLetterMetadata(
            "t", 0, offset, 0, "E", "e", 0, "", coupon_id=coupon_id, user_id=user_id
        )
        letter = DeadLetter(0, offset, 1_700_000_000_000, None, None, [], metadata)
        key = (coupon_id, user_id)
        self.statuses.append(DeadLetterStatus(letter, state, key, None, None, None, False))


class _Settings:
    def __init__(self, *_: object) -> None: ...

    def longest_kept(self) -> timedelta:
        return timedelta(days=14)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    made = Letters()
    monkeypatch.setattr(erasing, "TopicSettings", _Settings)
    monkeypatch.setattr(erasing, "read_statuses", lambda *_, **__: made.statuses)
    monkeypatch.setattr(erasing, "delete_dead_letters", lambda _, last: made.deleted.update(last))
    return made


@pytest.fixture
def typed(shop: Shop, tmp_path: Path) -> Any:
    """Types a line after `coupon erase`, as the role of operators."""
    pool = shop.gate.client.connection_pool.connection_kwargs
    environment = {
        "COUPON_DATABASE_URL": shop.database.url("coupon_ops"),
        "COUPON_REDIS_URL": f"redis://{pool['host']}:{pool['port']}/{pool.get('db', 0)}",
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }

    def invoke(line: str, answer: str | None = None) -> Result:
        return CliRunner(env=environment).invoke(main, ["erase", *line.split()], input=answer)

    return invoke


def _issued(shop: Shop, *users: int) -> None:
    shop.accept(*users)
    shop.issue(*users)


def test_the_command_erases_and_prints_the_proof(shop: Shop, typed: Any, letters: Letters) -> None:
    """And shows it again to whoever has its id."""
    assert letters.statuses == []
    _issued(shop, USER)

    done = typed(f"--user {USER} --yes --json --by somebody")

    assert done.exit_code == 0, done.output
    proof = json.loads(done.stdout)
    assert proof["counts"]["issued_coupon"] == 1
    assert proof["asked_by"] == "somebody"
    assert proof["dead_letters"] == {"deleted": 0, "left": 0}
    assert str(USER) not in done.stdout
    assert shop.statuses(USER) == [None]
    again = typed(f"--proof {proof['erasure_id']} --json")
    assert json.loads(again.stdout).items() <= proof.items()
    assert proof["erasure_id"] in typed(f"--proof {proof['erasure_id']}").stdout


def test_a_dry_run_says_what_there_is(shop: Shop, typed: Any, letters: Letters) -> None:
    """How many rows, dead letters, and how long Kafka keeps its records."""
    _issued(shop, USER)
    letters.add(shop.coupon_id, USER, State.RESOLVED)

    done = typed(f"--user {USER} --dry-run --json")

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["counts"]["issued_coupon"], found["dead_letters"]) == (1, 1)
    assert found["log_keeps_days"] == 14
    assert "14 days" in typed(f"--user {USER} --dry-run").stdout
    assert shop.statuses(USER) == ["ISSUED"]
    assert letters.deleted == {}


def test_a_dry_run_while_something_is_in_flight_says_both(
    shop: Shop, typed: Any, letters: Letters
) -> None:
    """That an erasure would be refused now, and what there is of the user so far."""
    shop.accept(USER)
    letters.add(shop.coupon_id, USER, State.RESOLVED)
    done = typed(f"--user {USER} --dry-run --json")
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert found["counts"] == {"coupon_issue_request": 1, "issued_coupon": 0, "issue_rejection": 0}
    assert found["dead_letters"] == 1
    assert "not final" in found["refused"]
    shown = typed(f"--user {USER} --dry-run")
    assert shown.exit_code == 1
    assert "It would be refused now." in shown.stdout
    assert "coupon_issue_request: 1" in shown.stdout
    shop.issue(USER)
    done = typed(f"--user {USER} --dry-run --json")
    assert (done.exit_code, json.loads(done.stdout)["refused"]) == (0, None)


def test_without_a_yes_nothing_is_erased(shop: Shop, typed: Any, letters: Letters) -> None:
    """It cannot be undone, so it asks; where nobody can answer, it says what to type."""
    _issued(shop, USER)

    done = typed(f"--user {USER}")

    assert done.exit_code == 2
    assert "--yes" in done.output
    assert typed("").exit_code == typed(f"--user {USER} --proof {'0' * 32}").exit_code == 2
    assert shop.statuses(USER) == ["ISSUED"]


def test_what_is_in_flight_ends_the_command(shop: Shop, typed: Any, letters: Letters) -> None:
    """With exit code 1; the dead letter, which is still needed, stays."""
    shop.accept(USER)
    letters.add(shop.coupon_id, USER, State.OPEN)

    done = typed(f"--user {USER} --yes")

    assert done.exit_code == 1
    assert "not final: nothing was erased" in done.output
    assert letters.deleted == {}
    assert as_owner(shop.database, "SELECT FROM dead_letter_action") == []


def test_dead_letters_of_the_user_are_deleted(shop: Shop, typed: Any, letters: Letters) -> None:
    """With all before them, which need nobody; they count as discarded, and name nobody."""
    _issued(shop, USER, 1)
    letters.add(shop.coupon_id, 1, State.RESOLVED)
    letters.add(shop.coupon_id, USER, State.RESOLVED)
    letters.add(shop.coupon_id, 1, State.OPEN)

    done = typed(f"--user {USER} --yes --json")

    assert json.loads(done.stdout)["dead_letters"] == {"deleted": 1, "left": 0}
    assert letters.deleted == {0: 1}
    kept = "SELECT letter_offset, result, user_id FROM dead_letter_action"
    assert as_owner(shop.database, kept) == [(1, "discarded", None)]


def test_dead_letters_of_others_are_not_deleted(shop: Shop, typed: Any, letters: Letters) -> None:
    """One that still needs an operator keeps those behind it, and the command says so."""
    _issued(shop, USER, 1)
    letters.add(shop.coupon_id, USER, State.RESOLVED)
    letters.add(shop.coupon_id, 1, State.OPEN)
    letters.add(shop.coupon_id, USER, State.RESOLVED)

    done = typed(f"--user {USER} --yes")

    assert done.exit_code == 1
    assert "1 dead letters of the user are left" in done.output
    assert letters.deleted == {0: 0}


def test_the_reconciler_looks_for_erasures_that_were_cut_off(shop: Shop) -> None:
    """Its own connections and rights are enough."""
    pool = shop.gate.client.connection_pool.connection_kwargs
    url = f"redis://{pool['host']}:{pool['port']}/{pool.get('db', 0)}"
    _issued(shop, USER)
    as_owner(
        shop.database,
        "SELECT erase_user(%s, %s, 'a test', '7 days')",
        USER,
        [shop.coupon_id],
    )
    as_owner(shop.database, "UPDATE erasure SET erased_at = erased_at - interval '1 minute'")

    ErasureWatch(url, shop.database.url("coupon_reconciler")).look()

    assert shop.statuses(USER) == [None]
    assert as_owner(shop.database, "SELECT FROM erasure WHERE at_gate_since IS NULL") == []
