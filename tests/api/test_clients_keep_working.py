"""What clients may rely on stays: oasdiff compares the API with openapi-promised.json.

It is built from what oasdiff/go.mod and go.sum name; the first time that takes a minute.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from docs.make import openapi

OASDIFF = Path(__file__).with_name("oasdiff")
BUILD = ["go", "build", "-o"]
COMPARE = ["--fail-on", "WARN", "--severity-levels", str(OASDIFF / "levels.txt")]
PRINT = ["--format", "singleline", "--color", "never"]
BUILD_SECONDS = 800

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 60)

Document = dict[str, Any]
Breaks = Callable[[Document], str]


@pytest.fixture(scope="module")
def breaks(tmp_path_factory: pytest.TempPathFactory) -> Breaks:
    """What a document breaks for clients of the promised one; empty: nothing."""
    if shutil.which("go") is None:
        pytest.skip("no Go, which builds oasdiff")
    folder = tmp_path_factory.mktemp("oasdiff")
    program, compared = folder / "oasdiff", folder / "openapi.json"
    build = [*BUILD, str(program), "github.com/oasdiff/oasdiff"]
    done = subprocess.run(build, cwd=OASDIFF, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode != 0:
        pytest.skip(f"Go cannot build oasdiff here: {done.stderr[-200:]}")

    def compare(document: Document) -> str:
        compared.write_text(json.dumps(document))
        command = [str(program), "breaking", str(openapi.PROMISED), str(compared)]
        done = subprocess.run([*command, *COMPARE, *PRINT], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout if done.returncode else ""

    return compare


def promised() -> Document:
    document: Document = json.loads(openapi.PROMISED.read_text("utf-8"))
    return document


def test_the_served_document_is_the_committed_one(client: Client) -> None:
    committed = json.loads(openapi.PROMISED.with_name("openapi.json").read_text("utf-8"))
    assert client.get("/openapi.json").get_json() == committed, "run `make docs`"


def test_this_api_breaks_no_client_of_the_promised_one(breaks: Breaks) -> None:
    """A break that is meant: name it in CHANGELOG.md, then `python -m docs.make.openapi`."""
    assert breaks(openapi.document()) == ""


def _remove_a_path(document: Document) -> None:
    del document["paths"]["/users/me/coupons"]


def _remove_a_method(document: Document) -> None:
    del document["paths"]["/coupons/{id}"]["patch"]


def _remove_a_success(document: Document) -> None:
    del document["paths"]["/coupons/{id}/issue-requests"]["post"]["responses"]["202"]


def _remove_a_response_header(document: Document) -> None:
    del document["paths"]["/coupons"]["post"]["responses"]["201"]["headers"]["Location"]


def _remove_a_media_type(document: Document) -> None:
    body = document["paths"]["/coupons/{id}/codes/pool"]["post"]["requestBody"]
    del body["content"]["text/csv"]


def _need_a_token(document: Document) -> None:
    del document["paths"]["/healthz"]["get"]["security"]


def _narrow_a_query(document: Document) -> None:
    parameters = document["paths"]["/coupons"]["get"]["parameters"]
    [state] = [each for each in parameters if each.get("name") == "state"]
    state["schema"]["enum"].remove("ended")


def _need_a_header(document: Document) -> None:
    parameters = document["paths"]["/coupons"]["post"]["parameters"]
    [key] = [each for each in parameters if each.get("name") == "Idempotency-Key"]
    key["required"] = True


def _schemas(document: Document) -> Any:
    return document["components"]["schemas"]


def _remove_a_field(document: Document) -> None:
    _schemas(document)["IssueRequestView"]["required"].remove("status")
    del _schemas(document)["IssueRequestView"]["properties"]["status"]


def _remove_an_optional_field(document: Document) -> None:
    del _schemas(document)["IssueRequestView"]["properties"]["reason"]


def _make_a_field_optional(document: Document) -> None:
    _schemas(document)["IssueRequestView"]["required"].remove("status")


def _answer_with_another_type(document: Document) -> None:
    _schemas(document)["IssueRequestView"]["properties"]["coupon_id"] = {"type": "integer"}


def _answer_with_a_new_value(document: Document) -> None:
    _schemas(document)["Status"]["enum"].append("LOST")


def _need_a_new_field(document: Document) -> None:
    _schemas(document)["NewCoupon"]["properties"]["brand"] = {"type": "string"}
    _schemas(document)["NewCoupon"]["required"].append("brand")


def _take_no_longer_a_field(document: Document) -> None:
    del _schemas(document)["NewCoupon"]["properties"]["metadata"]


def _narrow_an_enum(document: Document) -> None:
    _schemas(document)["CodeKind"]["enum"].remove("pool")


def _shorten_a_text(document: Document) -> None:
    _schemas(document)["NewCoupon"]["properties"]["name"]["maxLength"] = 50


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_remove_a_path, "api-path-removed-without-deprecation"),
        (_remove_a_method, "api-removed-without-deprecation"),
        (_remove_a_success, "response-success-status-removed"),
        (_remove_a_response_header, "optional-response-header-removed"),
        (_remove_a_media_type, "request-body-media-type-removed"),
        (_need_a_token, "api-security-anonymous-access-removed"),
        (_narrow_a_query, "request-parameter-enum-value-removed"),
        (_need_a_header, "request-parameter-became-required"),
        (_remove_a_field, "response-required-property-removed"),
        (_remove_an_optional_field, "response-optional-property-removed"),
        (_make_a_field_optional, "response-property-became-optional"),
        (_answer_with_another_type, "response-property-type-changed"),
        (_answer_with_a_new_value, "response-property-enum-value-added"),
        (_need_a_new_field, "new-required-request-property"),
        (_take_no_longer_a_field, "request-property-removed"),
        (_narrow_an_enum, "request-property-enum-value-removed"),
        (_shorten_a_text, "request-property-max-length-decreased"),
    ],
)
def test_a_change_that_breaks_clients_is_found(
    breaks: Breaks, change: Callable[[Document], None], found: str
) -> None:
    changed = promised()
    change(changed)
    assert f"[{found}]" in breaks(changed)


def test_what_is_only_added_breaks_nobody(breaks: Breaks) -> None:
    """An operation, an optional field of a body, a field of an answer, a type of problem."""
    changed = promised()
    schemas, paths = _schemas(changed), changed["paths"]
    paths["/alive"] = deepcopy(paths["/healthz"])
    paths["/alive"]["get"]["operationId"] = "isAliveToo"
    schemas["NewCoupon"]["properties"]["brand"] = {"type": "string"}
    schemas["CouponView"]["properties"]["brand"] = {"type": "string"}
    schemas["Problem"]["properties"]["type"]["x-extensible-enum"].append("urn:new")
    assert breaks(changed) == ""
