"""Claims that do not go through Flask get what Flask would have responded, byte by byte."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import Counter

from api.bootstrap import Api, build_api
from api.claim_results import ClaimOutcome, ClaimResult
from api.metrics import API_REQUESTS
from api.plain_claims import PlainClaim, plain_claim_of
from api.request_body import NO_UPLOADS, BodyReader
from api.rsgi import RsgiApp
from api.settings import ApiSettings
from api.write_batcher import NoAnswer, NotReached
from coupons.ids import MAX_COUPON_ID
from coupons.model import Claim, IssueRequest, Status
from coupons.tokens import SCOPES
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer

ADMITTED_AT_US = 1_700_000_000_123_456
PATH = "/coupons/7/issue-requests"

REQUESTS = {
    ClaimOutcome.ACCEPTED: (Status.REQUESTED, None),
    ClaimOutcome.REPEATED: (Status.REQUESTED, None),
    ClaimOutcome.FINAL: (Status.REJECTED, "sold_out"),
}
"""Status and reason of the request of each outcome that has one."""


class Headers:
    """As the server gives them: lower-case names, one name several times too."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self._headers = headers

    def items(self) -> list[tuple[str, str]]:
        return list(self._headers)

    def keys(self) -> list[str]:
        return [name for name, _ in self._headers]

    def get(self, name: str) -> str | None:
        return dict(self._headers).get(name)


def request(path: str = PATH, *headers: tuple[str, str], **more: str) -> Any:
    """A request as the server passes it on. more: its method or query_string."""
    usual = {"method": "POST", "query_string": "", "http_version": "1.1", "scheme": "http"}
    return SimpleNamespace(
        **{**usual, **more},
        path=path,
        server="127.0.0.1:80",
        client="127.0.0.1:9",
        headers=Headers(*headers),
    )


@dataclass
class Sent:
    """What the application sent."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def response_to(app: RsgiApp, asked: Any, loop: asyncio.Runner) -> Sent:
    sent = Sent()
    loop.run(app.__rsgi__(asked, cast(Any, sent)))
    app.__rsgi_del__(cast(Any, None))
    return sent


@dataclass
class Writer:
    """Decides every claim in the same way."""

    answer: ClaimResult | Exception = field(default_factory=RuntimeError)

    def write(self, claims: Sequence[Claim]) -> list[ClaimResult]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(claims)


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def decided(
    settings: ApiSettings, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Api]:
    """An API whose claims are decided by `writer`; what is drawn at random is always the same."""
    monkeypatch.setattr("api.problems.random", lambda: 0.5)
    monkeypatch.setattr("api.failures.QUIET_SECONDS", 0.0)
    with closing(build_api(settings, lambda *_: writer.write)) as api:
        yield api


@pytest.fixture
def both_ways(decided: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], Sent]]:
    """Asks without Flask and through it, sees that nothing differs, and returns the response."""
    flask = RsgiApp(decided.app.flask, 1, lambda: None, BodyReader(NO_UPLOADS))
    through_flask = 0
    dispatch = decided.app.flask.dispatch_request

    def counted() -> Any:
        nonlocal through_flask
        through_flask += 1
        return dispatch()

    monkeypatch.setattr(decided.app.flask, "dispatch_request", counted)

    def ask(asked: Any) -> Sent:
        before, count = through_flask, requests_counted()
        plain = response_to(decided.app, asked, loop)
        assert through_flask == before, "this claim was to go without Flask"
        after_plain = requests_counted()
        assert plain == response_to(flask, asked, loop)
        assert through_flask == before + 1
        assert changes(count, after_plain) == changes(after_plain, requests_counted())
        return plain

    with asyncio.Runner() as loop:
        yield ask


def requests_counted() -> dict[tuple[str, ...], float]:
    """Every count of responses, by route and status."""
    counter: Counter = API_REQUESTS
    [metric] = counter.collect()
    return {
        tuple(sample.labels.values()): sample.value
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def changes(
    before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float]
) -> dict[tuple[str, ...], float]:
    return {key: value for key in after if (value := after[key] - before.get(key, 0.0))}


def result(outcome: ClaimOutcome, coupon_id: int = 7, user_id: int = 42) -> ClaimResult:
    if outcome not in REQUESTS:
        return ClaimResult(outcome)
    status, reason = REQUESTS[outcome]
    return ClaimResult(outcome, IssueRequest(coupon_id, user_id, ADMITTED_AT_US, status, reason))


@pytest.mark.parametrize("outcome", ClaimOutcome)
def test_every_outcome_is_responded_to_as_by_flask(
    both_ways: Callable[[Any], Sent], writer: Writer, bearer: Bearer, outcome: ClaimOutcome
) -> None:
    writer.answer = result(outcome)
    asked = request(PATH, authorization(bearer(42)), ("x-request-id", "one-of-a-test"))
    sent = both_ways(asked)
    expected = {ClaimOutcome.ACCEPTED: 202, ClaimOutcome.REPEATED: 200, ClaimOutcome.FINAL: 200}
    assert sent.status == expected.get(outcome, sent.status)
    assert (sent.status < 300) == (outcome in REQUESTS)
    assert ("x-request-id", "one-of-a-test") in sent.headers


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotReached(), 503), (NoAnswer(), 503), (RuntimeError("of a test"), 500)],
    ids=["not reached", "no answer", "a fault"],
)
def test_every_error_is_responded_to_as_by_flask(
    both_ways: Callable[[Any], Sent],
    writer: Writer,
    bearer: Bearer,
    error: Exception,
    status: int,
) -> None:
    writer.answer = error
    asked = request(PATH, authorization(bearer(42)), ("x-request-id", "one-of-a-test"))
    assert both_ways(asked).status == status


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Basic dTpw", 401),
        ("Bearer not.a.token", 401),
        ("Bearer \N{EURO SIGN}", 401),
    ],
)
def test_every_bad_authorization_is_responded_to_as_by_flask(
    both_ways: Callable[[Any], Sent], value: str | None, status: int
) -> None:
    headers = [("x-request-id", "one-of-a-test")]
    if value is not None:
        headers.append(("authorization", value))
    assert both_ways(request(PATH, *headers)).status == status


def test_a_missing_scope_is_responded_to_as_by_flask(
    both_ways: Callable[[Any], Sent], bearer: Bearer
) -> None:
    asked = request(
        PATH, authorization(bearer(42, scopes=(SCOPES[1],))), ("x-request-id", "one-of-a-test")
    )
    assert both_ways(asked).status == 403


def test_a_claim_that_is_too_early_says_when_the_coupon_opens(
    both_ways: Callable[[Any], Sent], new_coupon: NewCoupon, writer: Writer, bearer: Bearer
) -> None:
    coupon_id = new_coupon(issue_starts_at="2199-01-01T00:00:00Z")
    writer.answer = result(ClaimOutcome.NOT_OPEN)
    path = f"/coupons/{coupon_id}/issue-requests"
    sent = both_ways(request(path, authorization(bearer(42)), ("x-request-id", "one-of-a-test")))
    assert sent.status == 409
    assert b'"opens_at":"2199-01-01T00:00:00.000000Z"' in sent.body


def test_a_claim_that_finds_the_queue_full_is_refused_as_by_flask(
    both_ways: Callable[[Any], Sent], bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.write_batcher.WriteBatcher.is_full", True)
    sent = both_ways(request(PATH, authorization(bearer(42)), ("x-request-id", "one-of-a-test")))
    assert sent.status == 503
    assert b"urn:coupon-cdc:problem:overloaded" in sent.body
    assert dict(sent.headers)["retry-after"] == "2"


def authorization(headers: dict[str, str]) -> tuple[str, str]:
    return "authorization", headers["Authorization"]


def test_a_claim_is_recognised_by_method_path_and_headers() -> None:
    assert plain_claim_of(request(PATH, ("host", "x"), ("authorization", "Bearer a.b.c"))) == (
        PlainClaim(7, "Bearer a.b.c")
    )
    assert plain_claim_of(request(PATH)) == PlainClaim(7, "")
    largest = request(f"/coupons/{MAX_COUPON_ID}/issue-requests")
    assert plain_claim_of(largest) == PlainClaim(MAX_COUPON_ID, "")
    with_body = request(PATH, ("content-length", "5"), ("content-type", "application/json"))
    assert plain_claim_of(with_body) == PlainClaim(7, "")


TWO_TOKENS = (("authorization", "Bearer a.b.c"), ("authorization", "Bearer d.e.f"))


@pytest.mark.parametrize(
    "unusual",
    [
        request(method="GET"),
        request(method="HEAD"),
        request(method="OPTIONS"),
        request(query_string="wait=1"),
        request("/coupons/0/issue-requests"),
        request("/coupons/07/issue-requests"),
        request("/coupons/-7/issue-requests"),
        request("/coupons/7/issue-requests/"),
        request("/coupons/7/issue-requests\n"),
        request("//coupons/7/issue-requests"),
        request("/coupons/\N{ARABIC-INDIC DIGIT SEVEN}/issue-requests"),
        request(f"/coupons/{MAX_COUPON_ID + 1}/issue-requests"),
        request(f"/coupons/{'7' * 10_000}/issue-requests"),
        request("/coupons/7"),
        request(PATH, *TWO_TOKENS),
        request(PATH, ("authorization", ""), TWO_TOKENS[0]),
        request(PATH, *[("x", "")] * 65),
        request(PATH, ("x", "x" * 16_384)),
    ],
    ids=lambda asked: f"{asked.method} {asked.path[:40]!r}?{asked.query_string}",
)
def test_flask_looks_at_everything_unusual(unusual: Any) -> None:
    assert plain_claim_of(unusual) is None
