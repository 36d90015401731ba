"""A tree as the parts of a `snapshot`, encoded once per codec and kept until it is too old to be worth sending."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import structs

from sync.codec import Codec
from sync.identity import Position
from sync.limits import FRAME_BYTES
from sync.nodes import Connection, Node, State

PART_NODES = 1_000  # and connections; 200 bytes each, so that a part is encoded in less than a millisecond

Share = tuple[list[Node], list[Connection]]


class EncodedState(msgspec.Struct, frozen=True):
    """A state at one position in parts, each a `state`: the tree's fields stand in all, the nodes are shared out."""

    position: Position
    parts: tuple[msgspec.Raw, ...]


def encode_state(state: State, position: Position, codec: Codec) -> EncodedState:
    """All of it at once."""
    return EncodedState(position, tuple(encoded_parts(state, codec)))


def encoded_parts(state: State, codec: Codec) -> Iterator[msgspec.Raw]:
    """Parts of at most FRAME_BYTES, except where a single node is larger."""
    waiting = _shares(state)
    while waiting:
        nodes, connections = waiting.pop()
        part = codec.encode_value(structs.replace(state, nodes=nodes, connections=connections))
        if len(part) > FRAME_BYTES and len(nodes) + len(connections) > 1:
            waiting += _halves(nodes, connections)
        else:
            yield msgspec.Raw(part)


def _shares(state: State) -> list[Share]:
    """What each part brings, the last part first; a small state is one part."""
    nodes, connections = state.nodes, state.connections
    if len(nodes) + len(connections) <= PART_NODES:
        return [(nodes, connections)]
    shares: list[Share] = [(nodes[start : start + PART_NODES], []) for start in range(0, len(nodes), PART_NODES)]
    shares += [([], connections[start : start + PART_NODES]) for start in range(0, len(connections), PART_NODES)]
    return shares[::-1]


def _halves(nodes: list[Node], connections: list[Connection]) -> list[Share]:
    if nodes and connections:
        return [([], connections), (nodes, [])]
    half = (len(nodes) + len(connections)) // 2
    return [(nodes[half:], connections[half:]), (nodes[:half], connections[:half])]
