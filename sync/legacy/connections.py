"""The connections of a row, and the parents that only they tell."""

from __future__ import annotations

from typing import Any

import msgspec

from sync.errors import Invalid
from sync.legacy.fields import Fields
from sync.legacy.nodes import id_text, short_id
from sync.legacy.notes import Notes, shown
from sync.legacy.reading import decoded
from sync.ops import ImportedConnection

_FROM = ("fromNodeId", "from_node_id", "fromNode", "from_node", "from", "source", "sourceId", "source_id")
_TO = ("toNodeId", "to_node_id", "toNode", "to_node", "to", "target", "targetId", "target_id")
_LABEL = ("label", "title", "name")
_HELD = ("connections", "edges")  # an object that holds the list
_TOLD = 5  # connections named in a note about many


class Edge(msgspec.Struct, frozen=True):
    """A connection between nodes that are there, by their new ids."""

    id: str
    source: str
    target: str
    label: str = ""


def found_connections(value: Any, ids: dict[str, str], notes: Notes) -> list[Edge]:
    """`ids`: those of the nodes, new by old. Raises Invalid for what is no collection of connections."""
    made: dict[str, Edge] = {}
    left: set[str] = set()
    for place, key, raw in _items(value, notes):
        if not isinstance(raw, dict):
            notes.add("connection-extra", place, f"{shown(raw)} was dropped")
            continue
        edge = _edge(Fields(raw, place, notes), key, ids, left)
        if edge is not None:
            _add(made, edge, place, notes)
    if left:
        notes.add("connection-fields", "connections", f"dropped: {', '.join(sorted(left))}")
    return list(made.values())


def _items(value: Any, notes: Notes) -> list[tuple[str, str, Any]]:
    value = decoded(value, "connections", notes)
    if isinstance(value, dict):
        value = next((value[name] for name in _HELD if isinstance(value.get(name), list | dict)), value)
    if value is None:
        return []
    if isinstance(value, dict):
        return [(f"connections.{key[:40]}", key, one) for key, one in value.items()]
    if not isinstance(value, list):
        raise Invalid(f"connections: {shown(value)} is no list of connections")
    return [(f"connections[{number}]", "", one) for number, one in enumerate(value)]


def _edge(fields: Fields, key: str, ids: dict[str, str], left: set[str]) -> Edge | None:
    notes, place = fields.notes, fields.place
    named = id_text(fields.take("id")) or key
    ends = [id_text(fields.take(*names)) for names in (_FROM, _TO)]
    label = fields.text(*_LABEL)
    left.update(fields.rest())
    said = f"{place} ({named})" if named else place
    missing = [end for end in ends if end not in ids]
    if missing:
        notes.add("connection-dangling", said, f"from {shown(ends[0])} to {shown(ends[1])}: no {shown(missing[0])}")
        return None
    source, target = ids[ends[0]], ids[ends[1]]
    if source == target:
        notes.add("connection-self", said, f"it joined {source} with itself")
        return None
    return Edge(short_id(named), source, target, label)


def _add(made: dict[str, Edge], edge: Edge, place: str, notes: Notes) -> None:
    number = len(made) + 1
    if not edge.id:
        edge = msgspec.structs.replace(edge, id=_fresh(made, "connection", number))
        notes.add("id-made", place, f"it is {edge.id} now")
    elif made.get(edge.id) == edge:
        notes.add("duplicate-dropped", f"{place} ({edge.id})")
        return
    elif edge.id in made:
        new = _fresh(made, edge.id[:50], number)
        notes.add("duplicate-renamed", f"{place} ({edge.id})", f"there is another one; this one is {new} now")
        edge = msgspec.structs.replace(edge, id=new)
    made[edge.id] = edge


def _fresh(made: dict[str, Edge], wanted: str, number: int) -> str:
    """`number` grows with each connection, so that few are tried."""
    while f"{wanted}-{number}" in made:
        number += 1
    return f"{wanted}-{number}"


def beside_the_parents(edges: list[Edge], parents: dict[str, str | None], notes: Notes) -> list[ImportedConnection]:
    """What is left once the parents are settled: a connection without a label that only says what the parent says is
    no second line on the canvas."""
    repeating = [edge for edge in edges if not edge.label and parents.get(edge.target) == edge.source]
    if repeating:
        told = ", ".join(edge.id for edge in repeating[:_TOLD]) + (", …" if len(repeating) > _TOLD else "")
        notes.add("connection-parent", "connections", f"{len(repeating)} say who is below whom: {told}")
    gone = {edge.id for edge in repeating}
    return [
        ImportedConnection(id=edge.id, source=edge.source, target=edge.target, label=edge.label)
        for edge in edges
        if edge.id not in gone
    ]
