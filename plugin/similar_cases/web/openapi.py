"""The OpenAPI 3.1 document of the API, made from the table of operations and the types of bodies and answers."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal

from pydantic import TypeAdapter

from similar_cases import wire
from similar_cases.web.operations import OPERATIONS, PATH_PARAMETERS, Operation
from similar_cases.web.schemas import Problem

#: a fault of ours; and the bridge's own words where the worker is away, or does not answer in time
_EVERYWHERE = (500, 502, 503, 504)
_REFERENCE = "#/components/schemas/{model}"
_ABOUT = """\
Finds, in a hospital's own archive, the cases that look like the one on the screen.

Callers speak to Orthanc, with its login; the worker behind it takes requests with a token alone. HEAD says what GET \
would, OPTIONS says which methods a path takes. Errors are problems (RFC 9457); Orthanc 1.13 and later send them as \
text/plain. Research software: not a medical device.
"""

Schema = dict[str, Any]


@lru_cache(maxsize=8)
def text(server: str, version: str) -> str:
    """Return the same as JSON, kept for the next caller."""
    return json.dumps(document(server, version), ensure_ascii=False)


def document(server: str, version: str) -> Schema:
    """Return the document.

    Args:
        server: where the routes begin, as the caller sees it: ``/similar-cases``.
        version: of Similar Cases.
    """
    references, schemas = _schemas()
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, references)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Similar Cases",
            "version": version or "0",
            "description": _ABOUT,
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": server}],
        "security": [{"orthanc": []}, {"token": []}],
        "tags": [{"name": group} for group in dict.fromkeys(one.group for one in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "orthanc": {"type": "http", "scheme": "basic", "description": "Orthanc's own users"},
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": wire.TOKEN_HEADER,
                    "description": "the worker alone",
                },
            },
        },
    }


def _schemas() -> tuple[dict[tuple[Any, str], Schema], Schema]:
    """Return the reference of every type in its part, and what is referred to."""
    answers: set[type[Any]] = {Problem}
    answers |= {kind for one in OPERATIONS for kind in one.content.values() if kind is not None}
    bodies: set[type[Any]] = {one.body for one in OPERATIONS if one.body is not None}
    asked: list[tuple[Any, Literal["serialization", "validation"], TypeAdapter[Any]]] = []
    asked += [(kind, "serialization", TypeAdapter(kind)) for kind in sorted(answers, key=_name)]
    asked += [(kind, "validation", TypeAdapter(kind)) for kind in sorted(bodies, key=_name)]
    references, schemas = TypeAdapter.json_schemas(asked, by_alias=True, ref_template=_REFERENCE)
    return references, schemas["$defs"]  # type: ignore[return-value]


def _name(kind: type[Any]) -> str:
    return kind.__name__


def _operation(operation: Operation, references: dict[tuple[Any, str], Schema]) -> Schema:
    written: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.group],
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation, references),
    }
    if operation.body is not None:
        schema = references[operation.body, "validation"]
        content: Schema = {wire.JSON: {"schema": schema}, **{media: {} for media in operation.also_takes}}
        written["requestBody"] = {"required": True, "content": content}
    if operation.is_open:
        written["security"] = []
    return written


def _parameters(operation: Operation) -> Iterator[Schema]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        meaning, schema = PATH_PARAMETERS[name]
        yield {"name": name, "in": "path", "required": True, "description": meaning, "schema": dict(schema)}
    for one in operation.parameters:
        told: Schema = {"name": one.name, "in": "query", "description": one.meaning, "schema": dict(one.schema)}
        yield {**told, "required": True} if one.required else told


def _responses(operation: Operation, references: dict[tuple[Any, str], Schema]) -> Schema:
    content = {
        media: {"schema": references[kind, "serialization"]} if kind is not None else {}
        for media, kind in operation.content.items()
    }
    answers: Schema = {str(operation.status): {"description": "the answer", "content": content}}
    if "remaining" in getattr(operation.content.get(wire.JSON), "__annotations__", ()):
        more = {"description": "how many answers stand behind the page (PS3.18 8.3.4.4)", "schema": {"type": "string"}}
        answers[str(operation.status)]["headers"] = {"Warning": more}
    if operation.may_be_empty:
        answers["204"] = {"description": "nothing similar"}
    if operation.is_cached:
        answers["304"] = {"description": "the caller has it"}
    statuses = {*operation.problems, *_EVERYWHERE, *(() if operation.is_open else (401, 403))}
    problem = {"schema": references[Problem, "serialization"]}
    for status in sorted(statuses):
        answers[str(status)] = {"description": HTTPStatus(status).phrase, "content": {wire.PROBLEM: problem}}
    return answers
