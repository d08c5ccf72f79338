"""Mutations: each removes one protection, at run time and for one test."""

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from typing import Any

import psycopg
import pytest

import api.claim_writer
import coupons.gate.scripts
import coupons.ledger.issued_coupons
import coupons.ledger.requests
from api.claim_writer import ClaimWriter
from cdc_consumer.issuing import Issued, Issuer
from cdc_consumer.loop import ConsumerLoop
from cdc_consumer.records import Record, to_record
from coupons.gate import connect_gate
from coupons.model import Admission, IssueRequest, Status
from coupons.queries import SQL_FOLDER, query
from tests.support.databases import Database

Mutation = Callable[[pytest.MonkeyPatch, Database, str], None]
"""Gets the database and the URL of Redis, to remove protections there too."""


def mark_before_commit(patch: pytest.MonkeyPatch, _: Database, redis_url: str) -> None:
    """ISSUED is written to Redis before Postgres."""
    issue = Issuer.issue

    def issue_late(self: Issuer, requests: Sequence[IssueRequest]) -> Issued:
        marks = [request._replace(status=Status.ISSUED) for request in requests]
        connect_gate(redis_url).settle(marks)
        return issue(self, requests)

    patch.setattr(Issuer, "issue", issue_late)


def commit_offsets_first(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """Offsets are committed before the batch is handled."""
    work = ConsumerLoop._work

    def work_late(self: ConsumerLoop, batch: Sequence[Record], *more: Any) -> None:
        self._ownership.handled(batch)
        self._commit()
        work(self, batch, *more)

    patch.setattr(ConsumerLoop, "_work", work_late)


def drop_what_came_back(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """Records of a partition that was lost and assigned again meanwhile are dropped."""

    def gather(self: ConsumerLoop) -> list[Record]:
        self._ownership.mark()
        messages = [self._consumer.poll(0.0), *self._consumer.consume(self._batch_size - 1, 0)]
        moved = self._ownership._moved_since_mark
        records = [to_record(message) for message in messages if message is not None]
        return [each for each in records if (each.topic, each.partition) not in moved]

    patch.setattr(ConsumerLoop, "_gather", gather)


def compensate_on_unknown(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """A commit whose response was lost counts as failed."""

    def give_back(self: ClaimWriter, admissions: Sequence[Admission]) -> set[int]:
        self._give_back(admissions)
        return set()

    patch.setattr(ClaimWriter, "_accept_again", give_back)


def answer_before_commit(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """An admitted claim gets 202, and the process ends before it has written the row."""

    def accept(connection: object, admissions: Sequence[Admission]) -> set[int]:
        return {admission.coupon_id for admission in admissions}

    patch.setattr(api.claim_writer, "accept_requests", accept)


def skip_run_id_check(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """The gate's scripts do not check the run id of the server."""
    source = coupons.gate.scripts._source

    @cache
    def careless(script: str) -> str:
        return source(script).replace("if coupon[1] ~= identity() then return 'stale' end", "")

    def digest(script: str) -> str:
        return sha1(careless(script).encode()).hexdigest()

    assert careless("admit") != source("admit")
    patch.setattr(coupons.gate.scripts, "_source", careless)
    patch.setattr(coupons.gate.scripts, "_digest", digest)


def no_epoch_fence(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """Claims are accepted even when a rebuild came after their admission."""
    _rewrite(patch, coupons.ledger.requests, "AND e.epoch = c.gate_epoch", "")


def ignore_the_total(patch: pytest.MonkeyPatch, database: Database, _: str) -> None:
    """The consumer issues every request; the database does not refuse it."""
    _alter(database, "ALTER TABLE coupon DROP CONSTRAINT coupon_never_oversold")
    _rewrite(patch, coupons.ledger.issued_coupons, "<= c.total_quantity - c.issued_count", "> 0")


def forget_who_has_one(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """The consumer inserts without a check: only the constraint prevents a second coupon."""
    _rewrite(
        patch,
        coupons.ledger.issued_coupons,
        "WHERE NOT k.was_issued AND k.rejection IS NULL",
        "WHERE k.rejection IS NULL",
        "ON CONFLICT ON CONSTRAINT issued_once_per_user DO NOTHING",
        "",
    )


def drop_the_unique_constraint(
    patch: pytest.MonkeyPatch, database: Database, redis_url: str
) -> None:
    """The same, without the constraint too."""
    forget_who_has_one(patch, database, redis_url)
    _alter(database, "ALTER TABLE issued_coupon DROP CONSTRAINT issued_once_per_user CASCADE")


def _rewrite(patch: pytest.MonkeyPatch, module: object, *replacements: str) -> None:
    """Replace text in the queries that a module runs: old, new, old, new ..."""
    pairs = list(zip(replacements[::2], replacements[1::2], strict=True))

    def rewritten(name: str) -> bytes:
        text = query(name).decode()
        for old, new in pairs:
            text = text.replace(old, new)
        return text.encode()

    everything = "".join(file.read_text() for file in (SQL_FOLDER / "queries").glob("*.sql"))
    assert all(old in everything for old, _ in pairs), "the protection has another text now"
    patch.setattr(module, "query", rewritten)


def _alter(database: Database, statement: str) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(statement.encode())
