"""A version's state read a thousand nodes at a time, so that others get their turn between (B4)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from sync.codec import decode_connections, decode_nodes, slice_state
from sync.nodes import State

SLICE = 1_000  # nodes: 2 ms, and as much to put them into a tree


def slices(data: bytes) -> Iterator[State]:
    """A state as `JSON.encode_value` wrote it, in parts with the tree's own fields in each; the first has no more."""
    whole = slice_state(data)
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
        yield structs.replace(bare, nodes=decode_nodes(whole.nodes[start : start + SLICE]))
    for start in range(0, len(whole.connections), SLICE):
        yield structs.replace(bare, connections=decode_connections(whole.connections[start : start + SLICE]))
