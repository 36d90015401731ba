"""A version's state read a thousand nodes at a time, so that others get their turn between (B4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import structs

from sync.nodes import Connection, Node, State

SLICE = 1_000  # nodes: 2 ms, and as much to put them into a tree


class _Sliced(msgspec.Struct):
    """A state whose nodes and connections are still bytes: 3 ms for 10,000 of them."""

    name: str
    description: str
    discovery_phase: str
    is_template: bool
    canvas_state: dict[str, Any]
    nodes: list[msgspec.Raw]
    connections: list[msgspec.Raw]


_sliced: msgspec.json.Decoder[_Sliced] = msgspec.json.Decoder(_Sliced)
_node: msgspec.json.Decoder[Node] = msgspec.json.Decoder(Node)
_connection: msgspec.json.Decoder[Connection] = msgspec.json.Decoder(Connection)


def slices(data: bytes) -> Iterator[State]:
    """A state as `JSON.encode_value` wrote it, in parts with the tree's own fields in each; the first has no more."""
    whole = _sliced.decode(data)
    bare = State(
        name=whole.name,
        description=whole.description,
        discovery_phase=whole.discovery_phase,
        is_template=whole.is_template,
        canvas_state=whole.canvas_state,
        nodes=[],
        connections=[],
    )
    yield bare
    for start in range(0, len(whole.nodes), SLICE):
        yield structs.replace(bare, nodes=[_node.decode(raw) for raw in whole.nodes[start : start + SLICE]])
    for start in range(0, len(whole.connections), SLICE):
        part = whole.connections[start : start + SLICE]
        yield structs.replace(bare, connections=[_connection.decode(raw) for raw in part])
