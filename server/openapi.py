"""OpenAPI 3.1, made from the table of operations that serves and the Structs that decode: so it cannot drift."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from server.bodies import Problem
from server.http import PROBLEM, Operation
from server.release import release

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "tree": {"type": "integer", "minimum": 1},
    "user": {"type": "string", "minLength": 1, "maxLength": 64},
    "node": {"type": "string", "minLength": 1, "maxLength": 64},
    "conflict": {"type": "integer", "minimum": 1},
    "tenant": {"type": "string", "minLength": 1, "maxLength": 64},
    "participant": {"type": "string"},
    "job": {"type": "string"},
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "public": [],
    "bearer": [{"bearer": []}],
    "operator": [{"operator": []}],
}
_GROUPS = (
    ("/api/v1/trees/{tree}/members", "members"),
    ("/api/v1/trees/{tree}/conflicts", "conflicts"),
    ("/api/v1/conflicts", "conflicts"),
    ("/api/v1/trees", "trees"),
    ("/admin", "admin"),
)


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole description, ready to be encoded."""
    kinds = [Problem, *(kind for operation in operations for kind in (operation.takes, *_given(operation)) if kind)]
    references, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    schemas = dict(zip(kinds, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "treesync",
            "version": release(),
            "description": "Impact trees that several people edit at once. Live edits travel over the WebSocket at "
            "`/ws` (PROTOCOL.md); this is the HTTP side.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "operator": {"type": "http", "scheme": "bearer", "description": "TREESYNC_OPERATOR_TOKEN"},
            },
        },
    }


def _described(operation: Operation, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [_group(operation.path)],
        "security": _SECURITY[operation.access],
        "parameters": _parameters(operation),
        "responses": _responses(operation, schemas),
    }
    if operation.takes is not None:
        content = {"application/json": {"schema": schemas[operation.takes]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    named = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    in_path = [{"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]} for name in named]
    in_query = [
        {"name": one.name, "in": "query", "required": False, "description": one.what, "schema": {"type": one.kind}}
        for one in operation.query
    ]
    return in_path + in_query


def _responses(operation: Operation, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.gives is not None:
        given = [schemas[kind] for kind in _given(operation)]
        schema = given[0] if len(given) == 1 else {"anyOf": given}
        good["content"] = {operation.media_type: {"schema": schema}}
    elif operation.media_type != "application/json":
        good["content"] = {operation.media_type: {}}
    bad = {"description": "An error", "content": {PROBLEM: {"schema": schemas[Problem]}}}
    return {str(operation.status): good, "default": bad}


def _given(operation: Operation) -> tuple[Any, ...]:
    return operation.gives if isinstance(operation.gives, tuple) else (operation.gives,)


def _group(path: str) -> str:
    return next((group for prefix, group in _GROUPS if path.startswith(prefix)), "operations")
