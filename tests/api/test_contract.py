"""The OpenAPI document: validators accept it, and the API answers as it says."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import Client

from api.routes import audiences
from chaos.link import Link
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.ledger.connection import connect_ledger
from reconciler.routine_pass import run_pass
from tests.api.contract_calls import (
    MINIMAL,
    Headers,
    Issued,
    ask_everything,
    ask_for_receipts,
    ask_of_a_retired,
    ask_without_postgres,
    ask_without_redis,
    change_what_is_issued,
)
from tests.api.contract_list_calls import (
    ask_for_lists_without_postgres,
    discard_drafts,
    list_users_of_coupons,
    wait_in_lines,
)
from tests.api.contract_room_calls import (
    wait_in_rooms,
    wait_without_postgres,
    wait_without_redis,
)
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import issue, make_older, set_terms

Document = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "patch")
STREAMED = ("followRequests",)
"""tests/api/test_event_streams.py looks at the answers."""
NOT_MADE_HERE = {
    # Bodies that are too large, cut off or late are the same for all of them.
    "uploadCodes": {400, 408, 413},
    "uploadAudience": {400, 408, 413},
    # tests/api/test_audiences.py makes a list that cannot be divided evenly.
    "finishAudienceUpload": {413, 422},
}
"""Statuses of these operations. Of all others: {413, 429}. Nobody is limited here:
tests/api/test_claim_limits.py sees that a 429 is as it is described."""


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
    assert len(set(names)) == len(names) == 49
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
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audiences, "GATE_SECONDS", 0.05)  # no reconciler runs
    seen: set[tuple[str, int]] = set()

    def reconcile() -> None:
        with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
            list(run_pass(gate, connection, 10.0))

    def call(method: str, path: str, headers: Headers | None = None, **more: Any) -> Any:
        if headers is None:
            headers = admin | ANY_VERSION if method == "PATCH" else admin
        answer: Any = client.open(path, method=method, headers=headers, **more)
        operation = described(document, method.lower(), path)
        conforms(document, operation, answer)
        seen.add((operation["operationId"], answer.status_code))
        return answer

    archived = ask_everything(call, bearer, issued)
    wait_in_rooms(call, bearer, admin)
    discard_drafts(call, bearer, admin)
    list_users_of_coupons(call, bearer, admin, reconcile)
    wait_in_lines(call, bearer, database)
    coupon_id = int(call("POST", "/coupons", json={**MINIMAL, "total_quantity": 9}).json["id"])
    set_terms(database, coupon_id, days=1)
    issue(database, *((coupon_id, user) for user in (42, 43, 44)))
    make_older(database, coupon_id, range(44, 45))
    change_what_is_issued(call, bearer, *(request_id(coupon_id, user) for user in (42, 43, 44)))
    ask_for_receipts(call, bearer, database)
    ask_of_a_retired(call, bearer, archived, database)
    redis_link.cut()
    ask_without_redis(call, archived)
    wait_without_redis(call, admin)
    postgres_link.cut()
    ask_without_postgres(call)
    wait_without_postgres(call, admin)
    ask_for_lists_without_postgres(call, admin)
    for _, _, operation in operations(document):
        name = operation["operationId"]
        if name in STREAMED:
            continue
        assert any(of == name and status < 300 for of, status in seen), name
        left = {int(status) for status in operation["responses"] if status != "default"}
        same = NOT_MADE_HERE.get(name, {413, 429})
        assert left - same == {status for of, status in seen if of == name} - same, name
