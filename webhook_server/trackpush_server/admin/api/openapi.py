"""The API's description, OpenAPI 3.1, made of its operations. Pure."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from trackpush_server.admin.api.operation import Operation
from trackpush_server.admin.problems import Problem

VERSION: Final = "1.0.0"
BASE: Final = "/api/v1"
_ALWAYS: Final = (400, 401, 403, 503)
_NAME = re.compile(r"\{(\w+)\}")
_ABOUT = (
    "The admin API of a Trackpush server. Lists are paged by cursor. Errors are RFC 9457 problems. Of"
    " the two roles, view sees no bodies and no free texts, and only operate may change anything."
)


def description(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document."""
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    for one in operations:
        paths.setdefault(f"{BASE}{one.path}", {})[one.method.lower()] = _operation(one, schema_of, components)
    used = {one.query.__name__ for one in operations if one.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trackpush admin API",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"session": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in sorted(components.items()) if name not in used},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The content of --admin-token-file (operate) or --admin-view-token-file (view).",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "trackpush_session",
                    "description": "A log-in of the console; changes need its X-CSRF-Token, too.",
                },
            },
        },
    }


def _types(operations: Iterable[Operation]) -> list[Any]:
    found: list[Any] = [Problem]
    for one in operations:
        for kind in (one.answer, one.query, one.body):
            if kind is not None and kind not in found:
                found.append(kind)
    return found


def _operation(one: Operation, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "x-role": one.role,
        "parameters": [*_path_parameters(one), *_query_parameters(one, components)],
        "responses": _responses(one, schema_of),
    }
    if one.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[one.body]}}}
    return made


def _responses(one: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    content = {one.content_type: {} if one.content_type == "text/event-stream" else {"schema": schema_of[one.answer]}}
    problem = {"application/problem+json": {"schema": schema_of[Problem]}}
    return {
        str(one.status): {"description": one.summary, "content": content},
        **{
            str(status): {"description": HTTPStatus(status).phrase, "content": problem}
            for status in sorted({*_ALWAYS, *one.errors})
        },
    }


def _path_parameters(one: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1}
            | ({"pattern": one.path_patterns[name]} if name in one.path_patterns else {}),
        }
        for name in _NAME.findall(one.path)
    ]


def _query_parameters(one: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    properties = components[one.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": _without_null(schema)} for name, schema in properties.items()]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is absent, never null."""
    schema = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not options:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return rest | (options[0] if len(options) == 1 else {"anyOf": options})
