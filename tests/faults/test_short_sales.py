"""Short sales over HTTP, and checkers of their ends that find what is wrong; no stack is needed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from threading import Event

import psycopg
import pytest

from chaos.callers import meanwhile
from chaos.checkers import ends as checkers
from chaos.ends import await_ends, read_ends
from chaos.evidence import Evidence
from chaos.history import History, Response, Sale
from chaos.link import Link
from chaos.short_sales import ERASED, QUANTITY, ShortSales
from chaos.verdict import violations
from coupons.gate import Gate
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.unfinished import stream_unfinished
from coupons.waiting import eventually
from reconciler.routine_pass import run_pass
from tests.faults.rig import broken
from tests.support.api import SECRET
from tests.support.api_process import Server
from tests.support.databases import Database

Where = dict[str, str]


@pytest.fixture
def where(database: Database, valkey_url: str) -> Where:
    return {
        "COUPON_DATABASE_URL": database.url("coupon_owner"),
        "COUPON_REDIS_URL": valkey_url,
    }


def consume_and_reconcile(gate: Gate, database: Database, history: History, stop: Event) -> None:
    """What consumer and reconciler do with these coupons."""
    with (
        closing(connect_ledger(database.url("coupon_consumer"), "test")) as consumer,
        closing(connect_ledger(database.url("coupon_reconciler"), "test")) as reconciler,
    ):
        while not stop.wait(0.05):
            for sale in list(history.sales):
                requests = list(stream_unfinished(consumer, sale.coupon_id))
                outcomes = issue_or_reject(consumer, requests) if requests else []
                gate.settle(outcome.request for outcome in outcomes)
            list(run_pass(gate, reconciler, pending_after_s=1.0))


def evidence_of(where: Where, gate: Gate, history: History) -> Evidence:
    with psycopg.connect(where["COUPON_DATABASE_URL"]) as owner:
        return Evidence(ends=read_ends(gate, owner, history.sales))


def found(history: History, evidence: Evidence) -> list[str]:
    every = violations(history, evidence)
    return [each for each in every if hasattr(checkers, each.partition(":")[0])]


@pytest.fixture
def held(server: Server, gate: Gate, database: Database, postgres_link: Link) -> Iterator[History]:
    """Of sales of both kinds, during which Postgres was cut off."""
    history = History()
    sales = ShortSales((f"http://127.0.0.1:{server.port}", SECRET), history, "a test")

    def kinds() -> set[bool]:
        return {sale.archived for sale in history.sales[:-1]}

    with meanwhile([partial(consume_and_reconcile, gate, database, history)]):
        with sales.going_on():
            eventually(lambda: len(history.sales) > 1, 60, "a sale is held")
            postgres_link.break_next(3, "answers")
            eventually(lambda: kinds() == {True, False}, 120, "one is archived and one is not")
        yield history
    assert sales.complaints == []


def test_short_sales_end_as_promised_while_answers_are_lost(
    held: History, where: Where, gate: Gate
) -> None:
    """Then a user comes back who was erased, and the checker finds them."""
    assert await_ends(where, held, 60) == ""
    evidence = evidence_of(where, gate, held)
    assert found(held, evidence) == []
    assert all(len(sale.erased) == ERASED for sale in held.sales)
    assert all(len(sale.accepted) == QUANTITY for sale in held.sales)

    archived = next(sale for sale in held.sales if sale.archived)
    coupon_id, user = archived.coupon_id, min(archived.erased)
    with psycopg.connect(where["COUPON_DATABASE_URL"]) as owner:
        owner.execute(
            "INSERT INTO issue_rejection (coupon_id, user_id, requested_at, reason)"
            " VALUES (%s, %s, now(), 'sold_out')",
            [coupon_id, user],
        )
    assert await_ends(where, held, 0.6) != ""
    again = broken(found(held, evidence_of(where, gate, held)))
    assert again == {"an_erased_user_is_nowhere"}


def _lose_a_row(history: History, evidence: Evidence) -> Evidence:
    """Of somebody who was erased, so that nobody asks for it."""
    archived = {sale.coupon_id for sale in history.sales if sale.archived}
    lost = next(
        each
        for each in evidence.ends.requests
        if each.coupon_id in archived and each.user_id >= FIRST_ERASED_ID
    )
    return _with(evidence, requests=[each for each in evidence.ends.requests if each != lost])


def _issue_one_too_few(history: History, evidence: Evidence) -> Evidence:
    return _with(evidence, issued=evidence.ends.issued[1:])


def _erase_nobody(history: History, evidence: Evidence) -> Evidence:
    for sale in history.sales:
        sale.erased.add(7)
    return evidence


def _let_one_come_back(history: History, evidence: Evidence) -> Evidence:
    return _with(evidence, came_back={history.sales[0].coupon_id: 1})


def _forget_at_the_gate(history: History, evidence: Evidence) -> Evidence:
    return _with(evidence, at_gate=dict(list(evidence.ends.at_gate.items())[1:]))


def _close_the_gate(history: History, evidence: Evidence) -> Evidence:
    return _with(evidence, unavailable=[history.sales[0].coupon_id])


def _leave_a_key(history: History, evidence: Evidence) -> Evidence:
    return _with(evidence, keys={**evidence.ends.keys, min(evidence.ends.keys): 1})


def _read_another_status(history: History, evidence: Evidence) -> Evidence:
    sale = next(each for each in history.sales if each.read)
    sale.read[min(sale.read)] = "REQUESTED"
    return evidence


def _accept_a_newcomer(history: History, evidence: Evidence) -> Evidence:
    sale = next(each for each in history.sales if each.again)
    sale.again[max(sale.again)] = replace(sale.again[max(sale.again)], status=202, reason="")
    return evidence


def _refuse_who_has_one(history: History, evidence: Evidence) -> Evidence:
    sale = next(each for each in history.sales if each.read)
    sale.again[min(sale.read)] = replace(sale.again[min(sale.read)], status=409, request_status="")
    return evidence


def _with(evidence: Evidence, **ends: object) -> Evidence:
    return replace(evidence, ends=replace(evidence.ends, **ends))  # type: ignore[arg-type]


WRONG: dict[Callable[[History, Evidence], Evidence], str] = {
    _lose_a_row: "a_sale_keeps_its_counts",
    _issue_one_too_few: "a_sale_keeps_its_counts",
    _erase_nobody: "a_sale_keeps_its_counts",
    _let_one_come_back: "a_sale_keeps_its_counts",
    _forget_at_the_gate: "a_sale_that_stays_is_at_the_gate",
    _close_the_gate: "a_sale_that_stays_is_at_the_gate",
    _leave_a_key: "nothing_of_an_archived_coupon_is_at_the_gate",
    _read_another_status: "an_archived_coupon_answers_from_the_ledger",
    _accept_a_newcomer: "an_archived_coupon_answers_from_the_ledger",
    _refuse_who_has_one: "an_archived_coupon_answers_from_the_ledger",
}


def test_the_checkers_of_ends_find_what_is_wrong(held: History, where: Where, gate: Gate) -> None:
    """One thing at a time, in what was seen and what is held."""
    assert await_ends(where, held, 60) == ""
    evidence = evidence_of(where, gate, held)
    for make_wrong, checker in WRONG.items():
        history = History(sales=[_copy(sale) for sale in held.sales])
        complaints = found(history, make_wrong(history, evidence))
        assert broken(complaints) == {checker}, (make_wrong.__name__, complaints)


def _copy(sale: Sale) -> Sale:
    again: dict[int, Response] = dict(sale.again)
    return replace(sale, erased=set(sale.erased), read=dict(sale.read), again=again)


def test_an_idle_api_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every checker of ends would be green without having seen one."""
    monkeypatch.setattr("chaos.callers.ACKNOWLEDGED_WITHIN_SECONDS", 0.2)
    sales = ShortSales(("http://127.0.0.1:1", SECRET), History(), "idle")
    with sales.going_on():
        eventually(lambda: sales.complaints, 10, "it complains")
