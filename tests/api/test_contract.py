"""The OpenAPI document: validators accept it, and the API answers as it says."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import Client

from chaos.link import Link
from coupons.ids import request_id
from coupons.tokens import SCOPES
from tests.api.test_receipts import change
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import ADMIN, Bearer
from tests.support.databases import Database
from tests.support.issued import issue, make_older, set_terms

Headers = dict[str, str]
Document = dict[str, Any]
Call = Callable[..., Any]
Issued = Callable[[int], None]

METHODS = ("get", "put", "post", "delete", "patch")
MINIMAL = {"name": "x", "total_quantity": 1}
STREAMED = ("followRequests",)
"""tests/api/test_event_streams.py looks at the answers."""
NO_REQUEST = "/issue-requests/00000000-0000-8002-8000-000000000001"
NO_ISSUED = "/issued-coupons/00000000-0000-8002-8000-000000000001"


@pytest.fixture
def document(client: Client) -> Document:
    document: Document = client.get("/openapi.json").get_json()
    return document


@pytest.fixture
def issued(new_coupon: NewCoupon, database: Database) -> Issued:
    """Makes a coupon with this id, and issues it to user 42."""

    def make(coupon_id: int) -> None:
        new_coupon(id=coupon_id)
        issue(database, (coupon_id, 42))

    return make


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def described(document: Document, method: str, path: str) -> dict[str, Any]:
    """The operation that answers a call; paths without variables come first."""
    for template in sorted(document["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
        if re.fullmatch(pattern, path.partition("?")[0]):
            return dict(document["paths"][template][method])
    raise AssertionError(f"{method} {path} is not described")


def conforms(document: Document, operation: dict[str, Any], answer: Any) -> None:
    """Fail unless status, type, headers and body are as described, and not just by `default`."""
    name = operation["operationId"]
    assert str(answer.status_code) in operation["responses"], (name, answer.text)
    response = operation["responses"][str(answer.status_code)]
    assert answer.mimetype in response["content"], name
    assert "X-Request-Id" in answer.headers
    assert {"Location", "Retry-After", "ETag", "Link"} & set(answer.headers.keys()) <= set(
        response["headers"]
    )
    if answer.mimetype.endswith("json"):
        schema = response["content"][answer.mimetype]["schema"]
        root = {"components": document["components"], **schema}
        found = [error.message for error in OAS31Validator(root).iter_errors(answer.json)]
        assert found == [], (name, answer.json)
    if answer.mimetype == "application/problem+json":
        assert f"`{answer.json['type']}`" in response["description"], name


def test_validators_accept_the_document(document: Document) -> None:
    found = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert found == []


def test_every_operation_has_a_name_of_its_own(document: Document) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names) == 29
    assert document["servers"]


def test_defaults_are_within_their_own_limits(document: Document) -> None:
    for schema in document["components"]["schemas"].values():
        for name, field in schema.get("properties", {}).items():
            if "default" in field:
                assert OAS31Validator(field).is_valid(field["default"]), name
    assert "default" not in str(document["components"]["schemas"]["CouponChange"])


def test_every_link_names_an_operation_and_parameters_that_it_has(document: Document) -> None:
    taken = {
        operation["operationId"]: {
            parameter.get("name")
            for parameter in [
                *document["paths"][path].get("parameters", ()),
                *operation["parameters"],
            ]
        }
        for _, path, operation in operations(document)
    }
    links = [
        link
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert {link["operationId"] for link in links} >= {"claimCoupon", "useIssuedCoupon", "findCode"}
    for link in links:
        assert set(link["parameters"]) <= taken[link["operationId"]], link


def test_a_change_of_nothing_is_not_described_as_one(document: Document) -> None:
    described = {"components": document["components"]}
    change = document["components"]["schemas"]["CouponChange"]
    assert OAS31Validator(described | change).is_valid({"name": "x"})
    assert not OAS31Validator(described | change).is_valid({})


def test_no_id_is_a_number_in_an_answer(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for view in (
        *("CouponView", "IssueRequestView", "IssuedCouponView", "CouponActionView"),
        *("GivenCodeView", "FoundCodeView"),
    ):
        for name, field in schemas[view]["properties"].items():
            if name == "id" or name.endswith("_id"):
                assert field["type"] == "string", (view, name)


def test_every_operation_answers_as_it_is_described(
    client: Client,
    admin: Headers,
    bearer: Bearer,
    document: Document,
    issued: Issued,
    redis_link: Link,
    postgres_link: Link,
    database: Database,
) -> None:
    seen: set[tuple[str, int]] = set()

    def call(method: str, path: str, headers: Headers | None = None, **more: Any) -> Any:
        if headers is None:
            headers = admin | ANY_VERSION if method == "PATCH" else admin
        answer: Any = client.open(path, method=method, headers=headers, **more)
        operation = described(document, method.lower(), path)
        conforms(document, operation, answer)
        seen.add((operation["operationId"], answer.status_code))
        return answer

    archived = _ask_everything(call, bearer, issued)
    coupon_id = int(call("POST", "/coupons", json={**MINIMAL, "total_quantity": 9}).json["id"])
    set_terms(database, coupon_id, days=1)
    issue(database, *((coupon_id, user) for user in (42, 43, 44)))
    make_older(database, coupon_id, range(44, 45))
    _change_what_is_issued(call, bearer, *(request_id(coupon_id, user) for user in (42, 43, 44)))
    _ask_for_receipts(call, bearer, database)
    redis_link.cut()
    _ask_without_redis(call, archived)
    postgres_link.cut()
    _ask_without_postgres(call)
    for _, _, operation in operations(document):
        name = operation["operationId"]
        if name in STREAMED:
            continue
        assert any(of == name and status < 300 for of, status in seen), name
        left = {int(status) for status in operation["responses"] if status != "default"}
        # Bodies that are too large, cut off or late are the same for all. Nobody is limited here:
        # tests/api/test_claim_limits.py sees that a 429 is as it is described.
        same = {413, 429} if name != "uploadCodes" else {400, 408, 413}
        assert left - same == {status for of, status in seen if of == name} - same, name


def _ask_everything(call: Call, bearer: Bearer, issued: Issued) -> str:
    """The id of an archived coupon."""
    user, nobody = bearer(42), {"Authorization": "Bearer x"}
    for path in ("/healthz", "/openapi.json"):
        call("GET", path, {})
    coupon = call("POST", "/coupons", json={**MINIMAL, "id": "7"}).json["id"]
    late = {"issue_starts_at": "2090-01-01T00:00:00Z", "eligible_group": "staff"}
    early = call("POST", "/coupons", json={**MINIMAL, **late}).json["id"]
    call("POST", "/coupons", json={**MINIMAL, "id": 7})
    _repeat_a_creation(call, bearer)
    _ask_with_stale_versions(call, bearer, coupon)
    _list(call, bearer, coupon)
    for method, path in (("POST", "/coupons"), ("PATCH", f"/coupons/{coupon}")):
        call(method, path, user, json=MINIMAL)
        call(method, path, nobody, json=MINIMAL)
        call(method, path, data="{", content_type="application/json")
        call(method, path, data="{}", content_type="text/plain")
        call(method, path, json={"total_quantity": "1"})
    call("PATCH", f"/coupons/{coupon}", json={"issue_ends_at": None, "valid_for_days": 7})
    call("PATCH", "/coupons/99", json={"name": "y"})
    claimed = call("POST", f"/coupons/{coupon}/issue-requests", user)
    call("POST", f"/coupons/{coupon}/issue-requests", user)
    for refused in (coupon, early, "99"):
        call("POST", f"/coupons/{refused}/issue-requests", bearer(43))
    call("PATCH", f"/coupons/{early}", json={"issue_starts_at": None})
    call("POST", f"/coupons/{early}/issue-requests", user)
    call("POST", f"/coupons/{coupon}/issue-requests", nobody)
    call("GET", f"/coupons/{coupon}", user)
    call("GET", "/coupons/99", user)
    call("GET", f"/coupons/{coupon}", nobody)
    call("GET", claimed.headers["Location"], user)
    call("GET", f"{NO_REQUEST}?wait=0", user)
    call("GET", f"{NO_REQUEST}?wait=x", user)
    call("GET", NO_REQUEST, nobody)
    for path in (f"/coupons/{coupon}/issue-requests/me", claimed.headers["Location"]):
        for who in (user, nobody):
            call("GET", f"{path}/timeline", who)
    for path in ("/coupons/99/issue-requests/me", NO_REQUEST):
        call("GET", f"{path}/timeline", user)
    for query, headers in (("?page_size=1", user), ("?cursor=x", user), ("", nobody)):
        call("GET", f"/users/me/coupons{query}", headers)
    for action in ("pause", "resume", "close"):
        for of in (coupon, "99"):
            call("POST", f"/coupons/{of}/{action}")
        call("POST", f"/coupons/{coupon}/{action}", user)
        call("POST", f"/coupons/{coupon}/{action}", nobody)
    for action in ("pause", "resume"):
        call("POST", f"/coupons/{coupon}/{action}")
    call("PATCH", f"/coupons/{coupon}", json={"name": "y"})
    _ask_about_codes(call, user, nobody, issued)
    for of in (early, "99"):
        call("POST", f"/coupons/{of}/archive")
    for who in (user, nobody):
        call("POST", f"/coupons/{coupon}/archive", who)
    archived = call("POST", "/coupons", json=MINIMAL).json["id"]
    for action in ("close", "archive", "close"):
        call("POST", f"/coupons/{archived}/{action}")
    return str(archived)


def _ask_about_codes(call: Call, user: Headers, nobody: Headers, issued: Issued) -> None:
    def of(coupon: int, who: int = 42) -> str:
        return f"/issued-coupons/{request_id(coupon, who)}/code"

    codes, pool = "/coupons/31/codes", "/coupons/31/codes/pool"
    for coupon in (31, 32, 33, 34):
        issued(coupon)
    for kind, path in (("made", "/coupons/32/codes"), ("pool", "/coupons/33/codes")):
        call("PUT", path, json={"kind": kind})
    for path in (codes, "/coupons/99/codes"):
        call("GET", path)
        call("PUT", path, json={"kind": "pool"})
    for headers in (user, nobody):
        call("GET", codes, headers)
        call("PUT", codes, headers, json={"kind": "made"})
        call("POST", pool, headers, data="A", content_type="text/plain")
        call("GET", "/codes/A", headers)
    call("POST", of(31), nobody)
    call("PUT", codes, data="{", content_type="application/json")
    call("PUT", codes, data="{}", content_type="text/plain")
    call("PUT", codes, json={"kind": "other"})
    call("POST", pool, data="A\n\n", content_type="text/plain")
    call("POST", pool, json={})
    for other in (32, 99):
        call("POST", f"/coupons/{other}/codes/pool", data="B", content_type="text/csv")
    call("PUT", codes, json={"kind": "made"})
    for coupon in (31, 33, 34, 99):
        call("POST", of(coupon), user)
    call("GET", "/codes/a")
    call("GET", "/codes/b")


def _repeat_a_creation(call: Call, bearer: Bearer) -> None:
    repeatable = bearer(ADMIN, SCOPES) | {"Idempotency-Key": "k"}
    for name in ("x", "x", "y"):
        call("POST", "/coupons", repeatable, json={**MINIMAL, "name": name})
    call("POST", "/coupons", bearer(ADMIN, SCOPES) | {"Idempotency-Key": ""}, json=MINIMAL)


def _ask_with_stale_versions(call: Call, bearer: Bearer, coupon: str) -> None:
    admin = bearer(ADMIN, SCOPES)
    call("PATCH", f"/coupons/{coupon}", admin, json={"name": "y"})
    for tags in ('"7"', "7"):
        stale = admin | {"If-Match": tags}
        call("PATCH", f"/coupons/{coupon}", stale, json={"name": "y"})
        for action in ("pause", "resume", "close", "archive"):
            call("POST", f"/coupons/{coupon}/{action}", stale)


def _list(call: Call, bearer: Bearer, coupon: str) -> None:
    for path in ("/coupons", f"/coupons/{coupon}/audit"):
        for query in ("", "?page_size=1", "?cursor=x"):
            call("GET", path + query)
        call("GET", path, bearer(42))
        call("GET", path, {"Authorization": "Bearer x"})
    call("GET", "/coupons/99/audit")


def _change_what_is_issued(call: Call, bearer: Bearer, *ids: UUID) -> None:
    """ids: of three issued coupons; the last one has expired."""
    user, nobody, staff = bearer(42), {"Authorization": "Bearer x"}, bearer(1, ["coupon:ops"])
    one, revoked, expired = (f"/issued-coupons/{issued_id}" for issued_id in ids)
    order, other, reason = ({"order_reference": "A"}, {"order_reference": "B"}, {"reason": "fraud"})
    for path in (one, f"{one}/changes"):
        call("GET", path, user)
        call("GET", path, nobody)
        call("GET", path, bearer(43))
    call("GET", f"{one}/changes?cursor=x", user)
    for action, right in (("use", order), ("cancel-use", order), ("revoke", reason)):
        call("POST", f"{one}/{action}", nobody, json=right)
        call("POST", f"{one}/{action}", staff, json=right)
        call("POST", f"{NO_ISSUED}/{action}", bearer(1, SCOPES), json=right)
        call("POST", f"{one}/{action}", data="{", content_type="application/json")
        call("POST", f"{one}/{action}", data="{}", content_type="text/plain")
        call("POST", f"{one}/{action}", json={"text": ""})
    call("POST", f"{revoked}/revoke", json=reason)
    for body in (order, other):
        call("POST", f"{one}/use", user, json=body)
    call("POST", f"{one}/revoke", json=reason)
    call("POST", f"{one}/cancel-use", user, json=order)
    for body in (other, order, other):
        call("POST", f"{one}/cancel-use", json=body)
    for of in (expired, revoked):
        for action, right in (("use", order), ("cancel-use", order), ("revoke", reason)):
            call("POST", f"{of}/{action}", json=right)


def _ask_for_receipts(call: Call, bearer: Bearer, database: Database) -> None:
    path = f"/issued-coupons/{request_id(7, 42)}/receipt"
    issue(database, (7, 42))
    call("GET", "/.well-known/jwks.json", {})
    call("GET", path, bearer(42))
    call("GET", path, bearer(43))
    call("GET", path, {"Authorization": "Bearer x"})
    change(database, 7, 42, "use")
    call("GET", path, bearer(42))


def _ask_without_redis(call: Call, archived: str) -> None:
    coupon = call("POST", "/coupons", json=MINIMAL).json["id"]
    call("PATCH", f"/coupons/{coupon}", json={"name": "y"})
    for action in ("pause", "resume", "close"):
        call("POST", f"/coupons/{coupon}/{action}")
    call("POST", f"/coupons/{archived}/archive")
    call("POST", f"/coupons/{coupon}/issue-requests")


def _ask_without_postgres(call: Call) -> None:
    call("POST", "/coupons", json=MINIMAL)
    call("PATCH", "/coupons/7", json={"name": "y"})
    for action in ("pause", "resume", "close", "archive"):
        call("POST", f"/coupons/7/{action}")
    for action in ("use", "cancel-use"):
        call("POST", f"{NO_ISSUED}/{action}", json={"order_reference": "A"})
    call("POST", f"{NO_ISSUED}/revoke", json={"reason": "fraud"})
    call("PUT", "/coupons/31/codes", json={"kind": "made"})
    call("POST", "/coupons/31/codes/pool", data="B", content_type="text/plain")
    call("POST", f"/issued-coupons/{request_id(31, 1)}/code")
    issued = (NO_ISSUED, f"{NO_ISSUED}/changes", f"/issued-coupons/{request_id(7, ADMIN)}/receipt")
    listed = ("/coupons", "/coupons/7", "/coupons/7/audit", NO_REQUEST, "/users/me/coupons")
    timelines = ("/coupons/7/issue-requests/me/timeline", f"{NO_REQUEST}/timeline")
    for path in (*listed, *issued, *timelines, "/coupons/31/codes", "/codes/a"):
        call("GET", path)
