"""Writer schemas from the schema registry, by id."""

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import requests
from fastavro import parse_schema
from fastavro.schema import SchemaParseException

from coupons.errors import SchemaRegistryUnavailable, UndecodableEvent
from coupons.links.web import WebService, why_no_response

ASK_AGAIN_SECONDS = 10.0
"""How long the registry is not asked again for an id that it does not have."""

MAX_UNKNOWN_IDS = 1_000
"""Unknown ids that are cached: garbage on a topic may contain any number of ids."""

_TIMEOUT_SECONDS = (2.0, 3.0)


class SchemaRegistry:
    """Reads schemas over the Confluent-compatible API (v7) and caches them. For one thread.

    url: the root of the API, such as http://host:8080/apis/ccompat/v7, as for `coupons.links.web`.
    clock: a monotonic clock, in seconds.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = WebService(url)
        self._clock = clock
        self._schemas: dict[int, Any] = {}
        self._unknown: dict[int, float] = {}
        self._fetched: dict[int, float] = {}

    def writer_schema(self, schema_id: int, subject: str | None = None) -> Any:
        """The parsed schema of this id. subject: the subject of such records.

        Raises UndecodableEvent when the registry has no such schema, and SchemaRegistryUnavailable
        when it does not answer, or has lost all schemas of the subject.
        """
        schema = self._schemas.get(schema_id)
        if schema is None:
            schema = self._schemas[schema_id] = self._fetch(schema_id, subject)
            self._fetched[schema_id] = self._clock()
        return schema

    def changed_schema(self, schema_id: int, subject: str) -> Any | None:
        """The new schema of an id whose schema has changed; None when it has not.

        A registry that lost its schemas assigns the same ids again. Asks at most every
        ASK_AGAIN_SECONDS. Raises SchemaRegistryUnavailable.
        """
        known = self._schemas.get(schema_id)
        if (
            known is None
            or self._clock() < self._fetched.get(schema_id, self._clock()) + ASK_AGAIN_SECONDS
        ):
            return None
        try:
            schema = self._fetch(schema_id, subject)
        except UndecodableEvent:
            return None
        self._schemas[schema_id], self._fetched[schema_id] = schema, self._clock()
        return None if schema == known else schema

    def latest_schema(self, subject: str) -> Any | None:
        """The newest schema under a subject, not parsed; None when there is none yet."""
        answer = self._get(f"/subjects/{subject}/versions/latest")
        return None if answer is None else json.loads(answer["schema"])

    def _fetch(self, schema_id: int, subject: str | None) -> Any:
        if self._clock() < self._unknown.get(schema_id, 0.0):
            raise UndecodableEvent(f"the schema registry has no schema {schema_id}")
        answer = self._get(f"/schemas/ids/{schema_id}")
        if answer is None:
            if subject is not None and self.latest_schema(subject) is None:
                raise SchemaRegistryUnavailable(
                    f"the schema registry has no schema {schema_id}, and none of {subject} at"
                    " all: it lost them. `coupon connector recover` registers them again"
                )
            if len(self._unknown) >= MAX_UNKNOWN_IDS:
                self._unknown.clear()
            self._unknown[schema_id] = self._clock() + ASK_AGAIN_SECONDS
            raise UndecodableEvent(f"the schema registry has no schema {schema_id}")
        try:
            return parse_schema(json.loads(answer["schema"]))
        except (SchemaParseException, KeyError, ValueError) as error:
            raise UndecodableEvent(f"schema {schema_id} is not an Avro schema: {error}") from error

    def _get(self, path: str) -> Any | None:
        try:
            response = self._service.request("GET", path, _TIMEOUT_SECONDS)
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            response.raise_for_status()
            return response.json()
        except requests.RequestException as error:
            raise SchemaRegistryUnavailable(
                f"no answer to {self._service.url}{path}: {why_no_response(error)}"
            ) from error
