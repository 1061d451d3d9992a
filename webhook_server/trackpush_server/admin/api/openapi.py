"""The API's OpenAPI 3.1 description, generated from its operations. Pure."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from trackpush_server.admin.api.operation import Operation
from trackpush_server.admin.problems import ProblemDetails

VERSION: Final = "1.0.0"
BASE: Final = "/api/v1"
_ALWAYS: Final = (400, 401, 403, 503)
_NAME = re.compile(r"\{(\w+)\}")
_ABOUT = (
    "The admin API of a Trackpush server. Lists are paged by cursor. Errors are RFC 9457 problems. There"
    " are two roles: view sees neither bodies nor free texts and can't change anything; operate can see and"
    " change everything."
)


def description(operations: Sequence[Operation]) -> dict[str, Any]:
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(f"{BASE}{operation.path}", {})[operation.method.lower()] = _operation(
            operation, schema_of, components
        )
    used = {operation.query.__name__ for operation in operations if operation.query is not None}
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
                    "description": "The cookie of a console session; changes also need its X-CSRF-Token.",
                },
            },
        },
    }


def _types(operations: Iterable[Operation]) -> list[Any]:
    found: list[Any] = [ProblemDetails]
    for operation in operations:
        for kind in (operation.answer, operation.query, operation.body):
            if kind is not None and kind not in found:
                found.append(kind)
    return found


def _operation(operation: Operation, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-role": operation.role,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, components)],
        "responses": _responses(operation, schema_of),
    }
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of[operation.body]}}}
    return made


def _responses(operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {media: {} for media in operation.streamed_as}
    if not content:
        content = {"application/json": {"schema": schema_of[operation.answer]}}
    problem = {"application/problem+json": {"schema": schema_of[ProblemDetails]}}
    return {
        str(operation.status): {"description": operation.summary, "content": content},
        **{
            str(status): {"description": HTTPStatus(status).phrase, "content": problem}
            for status in sorted({*_ALWAYS, *operation.errors})
        },
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1}
            | ({"pattern": operation.path_patterns[name]} if name in operation.path_patterns else {}),
        }
        for name in _NAME.findall(operation.path)
    ]


def _query_parameters(operation: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    properties = components[operation.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": _without_null(schema)} for name, schema in properties.items()]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if not options:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return rest | (options[0] if len(options) == 1 else {"anyOf": options})
