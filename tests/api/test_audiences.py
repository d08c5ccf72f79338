"""Audiences over HTTP: a list is uploaded in parts, made the audience at once, and removed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from werkzeug.test import Client

from api import audience_schemas
from api.routes import audiences as routes
from coupons.gate import Gate
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from reconciler.routine_pass import run_pass
from tests.api.test_description import conforms
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_codes import Claim, Headers, kind_of
from tests.support.api_process import Bearer
from tests.support.databases import Database


class Lists:
    """Calls about audiences."""

    def __init__(self, client: Client, admin: Headers) -> None:
        self.client, self.admin = client, admin

    def begin(self, coupon_id: int) -> str:
        path = f"/coupons/{coupon_id}/audience-uploads"
        answer: Any = self.client.post(path, headers=self.admin)
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{path}/{answer.json['id']}"
        conforms(audience_schemas.AudienceUploadView, answer.json)
        return str(answer.headers["Location"])

    def take(self, upload: str, offset: int, part: bytes, kind: str = "text/plain") -> Any:
        headers = {**self.admin, "Upload-Offset": str(offset)}
        return self.client.patch(upload, data=part, content_type=kind, headers=headers)

    def finish(self, upload: str) -> Any:
        return self.client.post(f"{upload}/finish", headers=self.admin)

    def read(self, path: str) -> Any:
        return self.client.get(path, headers=self.admin).json

    def remove(self, coupon_id: int) -> Any:
        return self.client.delete(f"/coupons/{coupon_id}/audience", headers=self.admin)


@pytest.fixture
def lists(client: Client, admin: Headers, monkeypatch: pytest.MonkeyPatch) -> Lists:
    """A response waits for nobody: where a test has no reconciler, there would be nothing."""
    monkeypatch.setattr(routes, "GATE_SECONDS", 0.05)
    return Lists(client, admin)


@pytest.fixture
def reconcile(gate: Gate, database: Database) -> Iterator[Callable[[], list[str]]]:
    """One pass of the reconciler; what it repaired."""
    with closing(connect_ledger(database.url("coupon_reconciler"), "test")) as connection:
        yield lambda: [each.kind + " " + each.why for each in run_pass(gate, connection, 10.0)]


def test_a_list_goes_from_a_file_to_the_gate(
    lists: Lists,
    new_coupon: NewCoupon,
    claim: Claim,
    reconcile: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The response waits for the reconciler, which brings the list."""
    coupon_id = new_coupon()
    upload = lists.begin(coupon_id)
    assert lists.take(upload, 0, b"1\n2\n3\n2").json["listed"] == 3
    monkeypatch.setattr(routes, "GATE_SECONDS", 60.0)
    with ThreadPoolExecutor(1) as pool:
        finishing = pool.submit(lists.finish, upload)
        repaired = eventually(reconcile, what="the audience is set")
        answer = finishing.result()
    assert repaired == ["redefined audience"]
    assert (answer.status_code, answer.json["size"]) == (200, 3)
    assert answer.json["is_effective"] is True
    conforms(audience_schemas.AudienceView, answer.json)
    assert lists.read(f"/coupons/{coupon_id}/audience") == answer.json
    assert claim(coupon_id, 3).status_code == 202
    assert kind_of(claim(coupon_id, 4)) == (403, "not-eligible")


def test_a_list_is_not_effective_before_the_gate_has_it(
    lists: Lists, new_coupon: NewCoupon, claim: Claim, reconcile: Callable[[], list[str]]
) -> None:
    """202 says so, and the list before decides until then."""
    coupon_id = new_coupon()
    upload = lists.begin(coupon_id)
    lists.take(upload, 0, b"1\n")
    answer = lists.finish(upload)
    assert (answer.status_code, answer.json["is_effective"]) == (202, False)
    assert claim(coupon_id, 7).status_code == 202
    assert reconcile() == ["redefined audience"]
    assert reconcile() == []
    assert lists.finish(upload).status_code == 200, "the same upload again"
    assert kind_of(claim(coupon_id, 8)) == (403, "not-eligible")
    removed = lists.remove(coupon_id)
    assert (removed.status_code, removed.json["kind"]) == (202, "everybody")
    assert reconcile() == ["redefined audience"]
    assert lists.remove(coupon_id).json["is_effective"] is True
    assert claim(coupon_id, 8).status_code == 202


def test_an_upload_goes_on_where_it_ended_and_nowhere_else(
    lists: Lists, new_coupon: NewCoupon
) -> None:
    """Lines and ids may be cut anywhere. A part that was taken is not taken twice."""
    file, coupon_id = b"11\n222\r\n33", new_coupon()
    for end in range(1, len(file)):
        upload = lists.begin(coupon_id)
        assert lists.take(upload, 0, file[:end]).json["offset"] == end
        refused = lists.take(upload, 0, file[:end])
        assert (kind_of(refused), refused.json["offset"]) == ((409, "upload-offset"), end)
        assert lists.read(upload)["offset"] == end
        assert lists.take(upload, end, file[end:]).json["offset"] == len(file)
        finished = lists.finish(upload).json
        assert finished["size"] == 3, (end, finished)


def test_each_bad_line_is_counted_and_the_first_are_named(
    lists: Lists, new_coupon: NewCoupon
) -> None:
    large = str(FIRST_ERASED_ID).encode()
    lines = [b"\xef\xbb\xbfUser_ID", b'"7"', b"", b"x", b"007", b"-1", large, b"9" * 70, b" 8 "]
    upload = lists.begin(new_coupon())
    report = lists.take(upload, 0, b"\r\n".join(lines) + b"\n", "text/csv").json
    conforms(audience_schemas.AudienceUploadView, report)
    named = ["empty", "not_an_id", "not_an_id", "not_an_id", "too_large", "too_long"]
    assert report["first_refused"] == [
        {"line": number, "reason": reason} for number, reason in enumerate(named, 3)
    ]
    counts = {"empty": 1, "not_an_id": 3, "too_large": 1, "too_long": 1}
    assert (report["refused"], report["reasons"]) == (6, counts)
    assert (report["lines"], report["listed"]) == (9, 2)
    report = lists.take(upload, report["offset"], b"x\n" * 30).json
    assert (report["reasons"]["not_an_id"], len(report["first_refused"])) == (33, 20)
    assert report["first_refused"][6] == {"line": 10, "reason": "not_an_id"}
    assert lists.finish(upload).json["size"] == 2


def test_what_is_no_upload_changes_nothing(
    lists: Lists, new_coupon: NewCoupon, client: Client, admin: Headers, bearer: Bearer
) -> None:
    """Each has a stable problem; the audience is everybody before and after."""
    coupon_id, other = new_coupon(), new_coupon()
    first = lists.begin(coupon_id)
    upload = lists.begin(coupon_id)
    unknown = f"/coupons/{coupon_id}/audience-uploads/{uuid4()}"
    foreign = upload.replace(f"/{coupon_id}/", f"/{other}/")
    for gone in (first, unknown, foreign):
        assert kind_of(lists.take(gone, 0, b"1\n")) == (404, "not-found")
        assert kind_of(lists.finish(gone)) == (404, "not-found")
        assert lists.client.get(gone, headers=admin).status_code == 404
    for kind in ("application/json", "text/plain; header=present", ""):
        assert kind_of(lists.take(upload, 0, b"1\n", kind)) == (415, "not-text")
    for offset in (None, "", "-1", "x", "9" * 30):
        headers = {**admin} if offset is None else {**admin, "Upload-Offset": offset}
        answer = client.patch(upload, data=b"1\n", content_type="text/plain", headers=headers)
        assert kind_of(answer) == (422, "invalid")
    assert kind_of(lists.finish(upload)) == (409, "empty-audience")
    user = Lists(client, bearer(2))
    for refused in (user.take(upload, 0, b"1\n"), user.finish(upload), user.remove(coupon_id)):
        assert kind_of(refused) == (403, "insufficient-scope")
    nowhere = client.post("/coupons/99999/audience-uploads", headers=admin)
    assert kind_of(nowhere) == (404, "not-found")
    assert kind_of(lists.remove(99_999)) == (404, "not-found")
    assert lists.read(f"/coupons/{coupon_id}/audience")["kind"] == "everybody"
    assert lists.read(upload)["lines"] == 0


def test_a_closed_coupon_takes_no_list(
    lists: Lists, new_coupon: NewCoupon, client: Client, admin: Headers
) -> None:
    """Also when it is closed while the file is uploaded."""
    coupon_id = new_coupon()
    upload = lists.begin(coupon_id)
    lists.take(upload, 0, b"1\n")
    client.post(f"/coupons/{coupon_id}/close", headers={**admin, **ANY_VERSION})
    assert kind_of(lists.finish(upload)) == (409, "closed")
    path = f"/coupons/{coupon_id}/audience-uploads"
    assert kind_of(client.post(path, headers=admin)) == (409, "closed")
    assert lists.read(f"/coupons/{coupon_id}/audience")["kind"] == "everybody"


def test_a_draft_is_opened_with_its_list(
    lists: Lists,
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    admin: Headers,
    reconcile: Callable[[], list[str]],
) -> None:
    """Nobody who is not listed gets in between: the reconciler opens it with the list."""
    coupon_id = new_coupon(state="draft")
    upload = lists.begin(coupon_id)
    lists.take(upload, 0, b"1\n")
    assert (lists.finish(upload).status_code, reconcile()) == (202, [])
    opened = client.patch(
        f"/coupons/{coupon_id}", json={"state": "open"}, headers={**admin, **ANY_VERSION}
    )
    assert opened.status_code == 202
    assert kind_of(claim(coupon_id, 2)) == (503, "gate-closed")
    assert reconcile() == ["rebuilt_missing missing"]
    assert kind_of(claim(coupon_id, 2)) == (403, "not-eligible")
    assert claim(coupon_id, 1).status_code == 202


def test_lists_that_are_set_and_removed_are_audited(
    lists: Lists, new_coupon: NewCoupon, client: Client, admin: Headers
) -> None:
    coupon_id = new_coupon()
    upload = lists.begin(coupon_id)
    lists.take(upload, 0, b"1\n2\n")
    lists.finish(upload)
    lists.finish(upload)
    lists.remove(coupon_id)
    lists.remove(coupon_id)
    audit: Any = client.get(f"/coupons/{coupon_id}/audit", headers=admin).json
    done = audit["items"]
    actions = [(each["action"], each["detail"]) for each in done][:2]
    assert actions == [("remove audience", "everybody may claim it"), ("set audience", "2 users")]
    assert len({each["acted_by"] for each in done[:2]}) == 1


def test_a_list_has_at_most_five_million_users(
    lists: Lists, new_coupon: NewCoupon, database: Database
) -> None:
    upload = lists.begin(new_coupon())
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("UPDATE audience_upload SET listed = 4999999")
    assert lists.take(upload, 0, b"1\n").json["listed"] == 5_000_000
    assert kind_of(lists.take(upload, 2, b"2\n")) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("kind", "size"), [("text/plain", None), ("text/csv", 2), ("text/csv; header=absent", 2)]
)
def test_a_last_line_without_an_end_is_read_as_all_others(
    lists: Lists, new_coupon: NewCoupon, kind: str, size: int | None
) -> None:
    """In a text `"8"` is no id, wherever the file is cut. In CSV it is one."""
    for at in range(1, 6):
        file, upload = b'7\n"8"', lists.begin(new_coupon())
        lists.take(upload, 0, file[:at], kind)
        lists.take(upload, at, file[at:], kind)
        assert lists.finish(upload).json["size"] == (size or 1)
        upload = lists.begin(new_coupon())
        lists.take(upload, 0, b'7\n"8"\n', kind)
        assert lists.finish(upload).json["size"] == (size or 1), "the same with an end"
