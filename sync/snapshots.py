"""A tree as the parts of a `snapshot`, encoded once per codec and kept until it is too old to be worth sending."""

from __future__ import annotations

import msgspec
from msgspec import structs

from sync.codec import Codec
from sync.identity import Position
from sync.nodes import State

# 1,000 nodes are about 200 kB: a part stays below the frame limit of 256 kB and its encoding below a millisecond
PART_NODES = 1_000


class EncodedState(msgspec.Struct, frozen=True):
    """A state at one position in parts, each a `state`: the tree's fields stand in all, the nodes are shared out."""

    position: Position
    parts: tuple[msgspec.Raw, ...]


def encode_state(state: State, position: Position, codec: Codec) -> EncodedState:
    parts = []
    for start in range(0, max(len(state.nodes), 1), PART_NODES):
        last = start + PART_NODES >= len(state.nodes)
        part = structs.replace(
            state,
            nodes=state.nodes[start : start + PART_NODES],
            connections=state.connections if last else [],
        )
        parts.append(msgspec.Raw(codec.encode_value(part)))
    return EncodedState(position, tuple(parts))
