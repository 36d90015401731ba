"""What a tree is made of, in the shape the wire, the log and the snapshot share.

Values that a tree holds by the thousand are kept from the garbage collector (`gc=False`): they cannot form cycles, and
a collection would otherwise walk every node of every open room (20 µs an edit in a tree of 50,000 nodes).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

NodeType = Literal["objective", "outcome", "opportunity", "solution", "assumption", "metric", "research"]
NODE_TYPES: tuple[NodeType, ...] = (
    "objective",
    "outcome",
    "opportunity",
    "solution",
    "assumption",
    "metric",
    "research",
)


class Point(msgspec.Struct, frozen=True, gc=False):
    """A place on the canvas, absolute, in canvas units."""

    x: float
    y: float


ORIGIN = Point(0, 0)


class Node(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One node. A value: a change makes a new one, so that undoing it is putting the old one back.

    `seq` is that of the last effective op naming the node (SEMANTICS 30). The maps are never changed in place.
    """

    id: str
    parent: str | None
    order: str
    type: NodeType
    title: str
    description: str = ""
    position: Point = ORIGIN
    is_collapsed: bool = False
    template_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    seq: int = 0


class Connection(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"source": "from", "target": "to"}):
    """An edge between two nodes, beside the parent link."""

    id: str
    source: str
    target: str
    label: str = ""


def first_canvas_state() -> dict[str, Any]:
    """The canvas of a new tree (spec 002's default)."""
    return {"zoom": 1, "pan": {"x": 0, "y": 0}, "orientation": "vertical"}


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The tree's own fields (`configure` changes them)."""

    name: str = ""
    description: str = ""
    discovery_phase: str = "strategy"
    is_template: bool = False
    canvas_state: dict[str, Any] = msgspec.field(default_factory=first_canvas_state)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A whole live tree as a snapshot carries it; the trash is no part of it."""

    name: str
    description: str
    discovery_phase: str
    is_template: bool
    canvas_state: dict[str, Any]
    nodes: list[Node]
    connections: list[Connection]
