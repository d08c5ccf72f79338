"""A traced claim is one tree of spans; a collector that fails never changes an answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pydantic import SecretStr

from api.bootstrap import Api, build_api
from api.settings import ApiSettings
from chaos.link import Link
from coupons.ids import request_id_text
from coupons.process.tracing import CLAIM, stage_span_id
from coupons.waiting import eventually
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer, running
from tests.support.collector import Collector, Received

USER = 42


@pytest.fixture
def traced(settings: ApiSettings, collector: Collector) -> ApiSettings:
    return settings.model_copy(
        update={"trace_endpoint": SecretStr(collector.url), "trace_sample_ratio": 1.0}
    )


@pytest.fixture
def api(traced: ApiSettings) -> Iterator[Api]:
    with closing(build_api(traced)) as api:
        yield api


Spans = Callable[[], list[Received]]


@pytest.fixture
def spans(api: Api, collector: Collector) -> Spans:
    """All spans until now, in the order in which they ended; ends tracing."""

    def exported() -> list[Received]:
        api.end()
        return sorted(collector.spans, key=lambda span: span.end_ns)

    return exported


def test_an_accepted_claim_has_a_root_with_gate_and_ledger_below(
    claim: Callable[..., Any], new_coupon: NewCoupon, spans: Spans
) -> None:
    coupon_id = new_coupon()
    request = claim(coupon_id, USER).get_json()["id"]
    gate, ledger, root = spans()
    assert (gate.name, ledger.name, root.name) == ("gate", "ledger", CLAIM)
    assert {str(span.trace) for span in (gate, ledger, root)} == {request}
    assert (root.parent_id, root.span_id) == (0, stage_span_id(coupon_id, USER, CLAIM))
    assert gate.parent_id == ledger.parent_id == root.span_id
    assert root.attributes == {"coupon_id": coupon_id, "user_id": USER, "outcome": "accepted"}
    assert gate.attributes["claims"] == ledger.attributes["claims"] == 1
    assert root.start_ns <= gate.start_ns < gate.end_ns <= ledger.start_ns
    assert ledger.start_ns < ledger.end_ns <= root.end_ns


def test_claiming_again_adds_a_span_of_its_own_below_the_first(
    claim: Callable[..., Any], new_coupon: NewCoupon, spans: Spans
) -> None:
    coupon_id = new_coupon()
    assert [claim(coupon_id, USER).status_code for _ in range(2)] == [202, 200]
    first, again = [span for span in spans() if span.name == CLAIM]
    assert first.span_id == stage_span_id(coupon_id, USER, CLAIM)
    assert again.span_id != first.span_id
    assert again.parent_id == first.span_id
    assert again.attributes["outcome"] == "repeated"


def test_a_refused_claim_has_no_request_and_no_span(
    claim: Callable[..., Any], new_coupon: NewCoupon, spans: Spans
) -> None:
    coupon_id = new_coupon(total_quantity=1)
    assert [claim(coupon_id, user).status_code for user in (USER, 43)] == [202, 409]
    assert {span.attributes["user_id"] for span in spans()} == {USER}


def test_a_claim_that_was_given_back_has_no_span(
    claim: Callable[..., Any], new_coupon: NewCoupon, spans: Spans, postgres_link: Link
) -> None:
    coupon_id = new_coupon()
    postgres_link.cut()
    assert claim(coupon_id, USER).status_code == 503
    assert spans() == []


def test_claims_of_one_batch_have_the_size_of_their_batch(
    claim: Callable[..., Any], new_coupon: NewCoupon, spans: Spans
) -> None:
    coupon_id = new_coupon()
    threads = [threading.Thread(target=claim, args=(coupon_id, user)) for user in range(1, 41)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = spans()
    for name in ("gate", "ledger", CLAIM):
        assert len([span for span in found if span.name == name]) == 40
    batches = {(span.start_ns, span.attributes["claims"]) for span in found if span.name == "gate"}
    assert sum(int(claims) for _, claims in batches) == 40


def test_a_stopped_worker_has_exported_its_last_spans(
    environment: dict[str, str], bearer: Bearer, collector: Collector
) -> None:
    settings = {"COUPON_TRACE_ENDPOINT": collector.url, "COUPON_TRACE_SAMPLE_RATIO": "1"}
    with running({**environment, **settings}, bearer) as server:
        coupon_id = server.make_coupon()
        users = range(1, 21)
        assert {server.claim(coupon_id, user)[0] for user in users} == {202}
    for user in users:
        assert set(collector.of(request_id_text(coupon_id, user))) == {CLAIM, "gate", "ledger"}
    assert {span.service for span in collector.spans} == {"coupon-api"}


@pytest.mark.parametrize("failure", ["silent", "refusing", "down"])
def test_a_collector_that_fails_changes_no_answer(
    environment: dict[str, str], bearer: Bearer, collector: Collector, failure: str
) -> None:
    collector.silent, collector.status = failure == "silent", 400
    url = "http://127.0.0.1:1" if failure == "down" else collector.url
    settings = {"COUPON_TRACE_ENDPOINT": url, "COUPON_TRACE_SAMPLE_RATIO": "1"}
    with running({**environment, **settings}, bearer) as server:
        coupon_id = server.make_coupon()
        assert {server.claim(coupon_id, user)[0] for user in range(1, 21)} == {202}
        if failure == "refusing":
            eventually(lambda: _failed(server.manage("/metrics")[1]) >= 60, 20, "it is counted")


def _failed(metrics: str) -> float:
    name = 'coupon_api_trace_spans_total{result="failed"} '
    lines = [line for line in metrics.splitlines() if line.startswith(name)]
    return sum(float(line.removeprefix(name)) for line in lines)
