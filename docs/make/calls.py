"""The reference of the API's calls, from its OpenAPI document."""

from collections.abc import Iterator, Mapping
from typing import Any

from api.problems import TYPE_PREFIX
from docs.make import openapi
from docs.make.markdown import paragraph, table

METHODS = ("get", "post", "patch", "put", "delete")

HEAD = """# Calls of the API

`GET /openapi.json` returns the same description for programs; [a copy](openapi.json) lies here.
[The HTTP API](api.md) explains what the calls have in common: ids, times, headers, tokens and
limits.

Every call also takes the header `X-Request-Id` and can answer with another of the
[problem types](problems.md), such as `internal` (500).

*Generated from the OpenAPI document by `make docs`. A test compares the two.*
"""


def render() -> str:
    """The page."""
    document = openapi.document()
    sections = [
        _section(document, method, path, item[method], item.get("parameters", []))
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    return HEAD + "".join(sections) + _models(document["components"]["schemas"])


def _section(
    document: Mapping[str, Any],
    method: str,
    path: str,
    operation: Mapping[str, Any],
    shared: list[Mapping[str, Any]],
) -> str:
    lines = [f"\n## {operation['summary']}\n\n", f"```http\n{method.upper()} {path}\n```\n\n"]
    lines += [f"{each}\n\n" for each in _needs(operation)]
    parameters = [_resolved(document, each) for each in [*shared, *operation.get("parameters", [])]]
    if own := [each for each in parameters if each["name"] != "X-Request-Id"]:
        lines += [table(["parameter", "in", "meaning"], map(_parameter, own)), "\n"]
    answers = operation["responses"].items()
    rows = [(status, _answer(answer)) for status, answer in answers if status != "default"]
    return "".join(lines) + table(["status", "answer"], rows)


def _needs(operation: Mapping[str, Any]) -> Iterator[str]:
    no_token = operation.get("security") == []
    yield operation.get("description", "Needs no token." if no_token else "Needs any valid token.")
    if body := operation.get("requestBody"):
        kinds = [each for each in body["content"] if each != "application/json"]
        taken = " or ".join(f"`{each}`" for each in body["content"])
        sent = f", sent as {taken}" if kinds else ""
        says = f"The body is {_model(next(iter(body['content'].values()))['schema'])}{sent}."
        more = body.get("description")
        yield paragraph(f"{says} {more}." if more else says).rstrip()


def _resolved(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = parameter.get("$ref")
    return document["components"]["parameters"][_name(reference)] if reference else parameter


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, str, str]:
    meaning = [parameter.get("description", ""), _range(parameter["schema"])]
    return f"`{parameter['name']}`", parameter["in"], "; ".join(filter(None, meaning))


def _answer(answer: Mapping[str, Any]) -> str:
    schemas = [each["schema"] for each in answer.get("content", {}).values()]
    models = [_model(each) for each in schemas if "$ref" in each and "Problem" not in each["$ref"]]
    text = answer["description"].replace(TYPE_PREFIX, "")
    return f"{text}{': ' if models else ''}{', '.join(models)}"


def _models(schemas: Mapping[str, Mapping[str, Any]]) -> str:
    sections = ["\n## Bodies\n"]
    for name, schema in schemas.items():
        if "properties" in schema:
            required = schema.get("required", [])
            rows = [
                (
                    f"`{field}`",
                    _type(each, schemas),
                    "yes" if field in required else "",
                    _meaning(each),
                )
                for field, each in schema["properties"].items()
            ]
            said = paragraph(schema.get("description", ""))
            columns = 4 if any(row[3] for row in rows) else 3
            head = ["member", "type", "required", "meaning"]
            members = table(head[:columns], (row[:columns] for row in rows))
            sections.append(f"\n### {name}\n\n{said}\n{members}")
    return "".join(sections)


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each, schemas) for each in schema["anyOf"]))
    if "$ref" in schema:
        name = _name(schema["$ref"])
        return _model(schema) if "properties" in schemas[name] else _type(schemas[name], schemas)
    if "enum" in schema and len(schema["enum"]) < 6:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], schemas)}"
    return str(schema.get("format") or schema.get("type") or "any")


def _meaning(schema: Mapping[str, Any]) -> str:
    """What the schema of a member says of its values; one of several says it for all."""
    said = [schema.get("description", ""), _range(schema)]
    if "minLength" in schema:
        said.append(f"{schema['minLength']} to {schema['maxLength']} characters")
    return "; ".join(filter(None, [*said, *map(_meaning, schema.get("anyOf", []))]))


def _range(schema: Mapping[str, Any]) -> str:
    return f"{schema['minimum']:,} to {schema['maximum']:,}" if "minimum" in schema else ""


def _model(schema: Mapping[str, Any]) -> str:
    if "$ref" not in schema:
        return "text, one code a line" if schema["type"] == "string" else "a JSON object"
    name = _name(schema["$ref"])
    return f"[`{name}`](#{name.lower()})"


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]
