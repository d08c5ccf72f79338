"""What the API says of itself is true: its OpenAPI document and its metrics."""

import re
from collections.abc import Callable
from types import new_class
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config
from werkzeug.test import Client

from api import issued_schemas, schemas
from api.bootstrap import Api
from api.management import metrics_page
from api.problems import ProblemType
from coupons.waiting import eventually
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer

Claim = Callable[..., Any]


def conforms(view: type, body: Any) -> None:
    """Fail unless the body has exactly the fields of the view, with their types."""
    closed = new_class(view.__name__, (view,))  # the view itself stays open, as it is described
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(closed)).validate_python(body)


def metrics() -> str:
    """What this process has measured, as its management address would show it."""
    return metrics_page().body.decode()


def test_every_route_is_described_and_nothing_else(client: Client, api: Api) -> None:
    described = {
        (method.upper(), path)
        for path, item in client.get("/openapi.json").get_json()["paths"].items()
        for method in item
        if method != "parameters"
    }
    routed = set()
    for rule in api.app.flask.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            actions = re.search(r"<any\((.*)\):action>", rule.rule)
            for action in actions.group(1).split(", ") if actions else [""]:
                path = re.sub(r"<any\(.*\):action>", action, rule.rule)
                for name in ("code", "upload_id"):
                    path = re.sub(rf"<(uuid:)?{name}>", f"{{{name}}}", path)
                routed.add((method, re.sub(r"<[^>]*>", "{id}", path)))
    assert routed == described


def test_every_kind_of_problem_is_described(client: Client) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["components"]["schemas"]["Problem"]["properties"]["type"][
        "x-extensible-enum"
    ] == [kind.type for kind in ProblemType]
    assert len({kind.type for kind in ProblemType}) == len(ProblemType)


def test_every_parameter_and_body_says_what_it_means(client: Client) -> None:
    """The page of the calls is made from it: what is not said here is an empty cell there."""
    document = client.get("/openapi.json").get_json()
    paths = document["paths"].values()
    parameters = [each for path in paths for each in path.get("parameters", [])]
    parameters += [
        each
        for path in paths
        for name, operation in path.items()
        if name != "parameters"
        for each in operation["parameters"]
    ]
    own = {each["name"]: each.get("description") for each in parameters if "$ref" not in each}
    models = {
        name: each.get("description")
        for name, each in document["components"]["schemas"].items()
        if "properties" in each
    }
    problem = document["components"]["schemas"]["Problem"]["properties"]
    members = {name: each.get("description") for name, each in problem.items()}
    for described in (own, models, members):
        assert len(described) > 4
        assert [name for name, said in described.items() if not said] == []


def test_a_change_is_taken_as_each_content_type_that_is_described(
    client: Client, admin: dict[str, str], new_coupon: NewCoupon
) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    kinds = paths["/coupons/{id}"]["patch"]["requestBody"]["content"]
    assert set(kinds) == {"application/json", "application/merge-patch+json"}
    path, headers = f"/coupons/{new_coupon()}", admin | {"If-Match": "*"}
    for kind in kinds:
        answer = client.patch(path, data=b'{"name": "y"}', content_type=kind, headers=headers)
        assert answer.status_code == 200, answer.text


def test_every_reference_of_the_document_leads_somewhere(client: Client) -> None:
    text = client.get("/openapi.json").text
    schemas = client.get("/openapi.json").get_json()["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert references
    assert references <= set(schemas)


def test_answers_are_of_the_described_form(
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    bearer: Bearer,
) -> None:
    coupon_id = new_coupon()
    claimed = claim(coupon_id, 1)
    conforms(schemas.IssueRequestView, claimed.json)
    conforms(
        schemas.IssueRequestView, client.get(claimed.headers["Location"], headers=bearer(1)).json
    )
    conforms(schemas.CouponView, client.get(f"/coupons/{coupon_id}", headers=bearer(1)).json)
    conforms(
        issued_schemas.IssuedCouponPage, client.get("/users/me/coupons", headers=bearer(1)).json
    )


def test_metrics_count_claims_by_outcome(new_coupon: NewCoupon, claim: Claim) -> None:
    def counted(outcome: str) -> float:
        text = metrics()
        found = re.search(rf'^coupon_api_claims_total{{outcome="{outcome}"}} (\S+)$', text, re.M)
        return float(found.group(1)) if found else 0.0

    coupon_id = new_coupon(total_quantity=1)
    before = {name: counted(name) for name in ("accepted", "repeated", "sold_out")}
    for user in (1, 1, 2, 3):
        claim(coupon_id, user)
    after = {name: counted(name) - count for name, count in before.items()}
    assert after == {"accepted": 1, "repeated": 1, "sold_out": 2}


def test_the_metrics_of_other_processes_are_not_shown() -> None:
    names = re.findall(r"^# TYPE (\S+)", metrics(), re.M)
    assert names
    assert all(name.startswith("coupon_api_") for name in names)


def test_responses_are_counted_by_route_and_status(client: Client) -> None:
    client.get("/nothing")
    assert eventually(
        lambda: 'coupon_api_requests_total{route="none",status="404"}' in metrics(),
        what="counts are handed over several times a second",
    )
    text = metrics()
    assert 'coupon_api_request_duration_seconds_bucket{le="0.002",route="none"}' in text
