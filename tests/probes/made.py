"""Requests made from the description of the API: every route, query and field of a body, with places for ids.

A place stands for a thing of the victim's; it is filled with the real id for one request, with a ghost's for its twin.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from tests.probes.victim import Names

Schema = dict[str, Any]
_DEPTH = 6  # of a made body; what is deeper is left out


class Place(NamedTuple):
    """Where an id goes: the field of Names, and which of several."""

    name: str
    number: int = 0

    def filled(self, names: Names) -> Any:
        value = getattr(names, self.name)
        return value[self.number] if isinstance(value, tuple) else value


class Asked(NamedTuple):
    """One request, still with places."""

    operation: str
    method: str
    path: tuple[Any, ...]
    query: tuple[tuple[str, Any], ...]
    body: Any


TREES = (Place("tree"), Place("tree"), Place("tree"), Place("trashed_tree"))
NODES = tuple(Place("nodes", number) for number in range(3))
IDS: dict[str, tuple[Any, ...]] = {
    "tree": TREES,
    "node": NODES,
    "user": (Place("user"),),
    "tenant": (Place("tenant"),),
    "connection": (Place("connection"),),
    "conflict": (1, 2),
    "parent": (*NODES, None),
    "after": (*NODES, None),
    "from": NODES,
    "to": NODES,
    "id": (*NODES, Place("connection"), "fresh"),
    "epoch": (Place("epoch"),),
    "mark": (Place("mark"),),
    "client_id": ("victims", "victims-2", "victor-sits", "own"),
    "name": ("Mine",),
}
STRINGS = ("", "x", "root", "CAN", "0", "1", "vic", "title", "mine", "2026-01-01T00:00:00Z|1", "2026-11-21T00:00:00Z")
NUMBERS = (0, 1, 2, 3, 5, 500, -1, 2**53)


class Maker:
    """`described` is /openapi.json."""

    def __init__(self, described: dict[str, Any], chance: Random) -> None:
        self._schemas: dict[str, Schema] = described["components"]["schemas"]
        self._chance = chance
        self.operations = [
            (method.upper(), path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        ]

    def request(self) -> Asked:
        """Some operation, mostly about the victim's tree."""
        method, path, operation = self._chance.choice(self.operations)
        pieces = tuple(self._piece(piece) for piece in path.split("/")[1:])
        parameters = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
        query = tuple(
            (one["name"], self._parameter(one))
            for one in parameters
            if one.get("required") or self._chance.random() < 0.4
        )
        body = None
        if "requestBody" in operation:
            [content] = [*operation["requestBody"]["content"].values()][:1]
            body = self.value(content.get("schema", {"type": "object"}))
        return Asked(f"{method} {path}", method, pieces, query, body)

    def _piece(self, piece: str) -> Any:
        if not piece.startswith("{"):
            return piece
        return self._chance.choice(IDS.get(piece.strip("{}"), (1, 2, "p1", "partitions", *NODES, *TREES)))

    def _parameter(self, parameter: dict[str, Any]) -> Any:
        if parameter["name"] in IDS:
            return self._chance.choice(IDS[parameter["name"]])
        if self._chance.random() < 0.2:
            return self._chance.choice((*NODES, *TREES))
        return self.value(parameter.get("schema", {"type": "string"}))

    def value(self, schema: Schema, name: str = "", depth: int = 0) -> Any:
        """Something of that schema; what is named like an id is one."""
        chance = self._chance
        if name in IDS and chance.random() < 0.9:
            return chance.choice(IDS[name])
        if "$ref" in schema:
            return self.value(self._schemas[schema["$ref"].rsplit("/", 1)[1]], name, depth)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.value(chance.choice(schema[several]), name, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        kind = schema.get("type", "object")
        match chance.choice(kind) if isinstance(kind, list) else kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                items = schema.get("items", {})
                return [
                    self.value(items, name, depth + 1)
                    for _ in range(chance.choice((0, 1, 1, 2)) if depth < _DEPTH else 0)
                ]
            case "integer" | "number":
                return chance.choice(NUMBERS)
            case "boolean":
                return chance.random() < 0.5
            case "null":
                return None
            case _:
                return chance.choice((*STRINGS, *NODES))

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.value(one, name, depth + 1)
            for name, one in schema.get("properties", {}).items()
            if name in required or (depth < _DEPTH and self._chance.random() < 0.5)
        }


def filled(value: Any, names: Names) -> Any:
    """The value with its places filled."""
    match value:
        case Place():
            return value.filled(names)
        case dict():
            return {key: filled(one, names) for key, one in value.items()}
        case list():
            return [filled(one, names) for one in value]
        case _:
            return value
