"""What a feed is made of: rows of activity as they are stored, and what is called how."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sync.nodes import NodeType


class Place(NamedTuple):
    """Where a row stands: its time as the wire writes it, to the microsecond, and its number."""

    at: str
    id: int


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of activity. `seq`, `fields`, `client` and `via` are of the op it stands for (seq 0: it is of none), and
    `told` is what that op, or the row itself, says beside:

    parent, before: where a node was put, and where it stood · nodes: how many · from, to: the ends of a connection ·
    connection: its id · name: the tree's · how: a tree was made · member, role, visibility

    `reported`: a client said so, and nothing was changed.
    """

    id: int
    at: str
    kind: str
    user: str
    tree: int | None
    node: str = ""
    session: str = ""
    duration_ms: int = 0
    seq: int = 0
    fields: list[str] = []
    client: str = ""
    via: str = ""
    reported: bool = False
    told: dict[str, Any] = {}

    @property
    def place(self) -> Place:
        return Place(self.at, self.id)


class NodeName(NamedTuple):
    title: str
    type: NodeType


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What is called how now, of what the reader may see. Trees and nodes he may not, and those that are gone, are
    left out."""

    users: dict[str, str] = {}
    trees: dict[int, str] = {}
    nodes: dict[tuple[int, str], NodeName] = {}
