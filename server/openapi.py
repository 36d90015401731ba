"""OpenAPI 3.1, made from the table of operations that serves and the Structs that decode: so it cannot drift."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from server.bodies import Problem
from server.faults import FAULTS
from server.http import PROBLEM, Operation, Parameter
from server.release import release

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "tree": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "user": {"type": "string", "minLength": 1, "maxLength": 64},
    "node": {"type": "string", "minLength": 1, "maxLength": 64},
    "conflict": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "term": {"type": "string", "minLength": 1, "maxLength": 64},
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
    ("/api/v1/trees/{tree}/versions", "history"),
    ("/api/v1/trees/{tree}/diff", "history"),
    ("/api/v1/trees/{tree}/nodes", "history"),
    ("/api/v1/trees/{tree}/restore", "history"),
    ("/api/v1/trees/{tree}/revert", "history"),
    ("/api/v1/trees/{tree}/progress", "progress"),
    ("/api/v1/trees/{tree}/structure", "ai"),
    ("/api/v1/trees", "trees"),
    ("/api/v1/node-templates", "progress"),
    ("/api/v1/users", "progress"),
    ("/api/v1/schemas", "ai"),
    ("/api/v1/ai", "ai"),
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
            "responses": _problems(schemas[Problem]),
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
    elif operation.accepts:
        described["requestBody"] = {"required": True, "content": {kind: {} for kind in operation.accepts}}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    named = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    in_path = [{"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]} for name in named]
    in_query = [
        {"name": one.name, "in": "query", "required": False, "description": one.what, "schema": _bounded(one)}
        for one in operation.query
    ]
    return in_path + in_query


def _bounded(parameter: Parameter) -> dict[str, Any]:
    bounds = {"minimum": parameter.least, "maximum": parameter.most}
    return {"type": parameter.kind} | {name: bound for name, bound in bounds.items() if bound is not None}


def _problems(schema: dict[str, Any]) -> dict[str, Any]:
    """status -> the answer of every error that has it"""
    titles = {fault.status: fault.title for fault in reversed(FAULTS.values())}  # of two, the one a client may mend
    return {
        str(status): {"description": title, "content": {PROBLEM: {"schema": schema}}}
        for status, title in sorted(titles.items())
    }


def _refusals(operation: Operation) -> set[int]:
    """The statuses of errors that an operation of that shape may be answered with."""
    found = {429, 500, 503}
    if operation.access != "public":
        found.add(401)
    if operation.access == "bearer":
        found.add(403)
    if "{" in operation.path or operation.query:
        found |= {404, 422}
    if operation.takes is not None or operation.accepts:
        found |= {400, 409, 413, 422}
    return found


def _responses(operation: Operation, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.gives is not None:
        given = [schemas[kind] for kind in _given(operation)]
        schema = given[0] if len(given) == 1 else {"anyOf": given}
        good["content"] = {operation.media_type: {"schema": schema}}
    elif operation.status != HTTPStatus.NO_CONTENT:
        good["content"] = {operation.media_type: {}}
    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(_refusals(operation))}
    return refused | {str(operation.status): good} | _also(operation, good, schemas[Problem])


def _also(operation: Operation, good: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    """Statuses that come with the ordinary answer, or as an error."""
    content = {**good.get("content", {}), PROBLEM: {"schema": problem}}
    return {str(status): {"description": HTTPStatus(status).phrase, "content": content} for status in operation.also}


def _given(operation: Operation) -> tuple[Any, ...]:
    return operation.gives if isinstance(operation.gives, tuple) else (operation.gives,)


def _group(path: str) -> str:
    return next((group for prefix, group in _GROUPS if path.startswith(prefix)), "operations")
