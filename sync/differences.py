"""What is different between two states of a tree, in the terms in which people speak of it (DESIGN §9)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from sync.judge_values import same
from sync.merge import WORK_OF_AN_EDIT, pieces
from sync.nodes import Node, NodeType, State
from sync.planning import rising
from sync.values import ABSENT

_NODE_FIELDS = ("type", "title", "description")
_NODE_MAPS = ("template_data", "metadata")
_TREE_FIELDS = ("name", "description", "discovery_phase", "is_template")


class Piece(msgspec.Struct, frozen=True):
    """A part of a text: it stayed, went or came."""

    kind: Literal["same", "removed", "added"]
    text: str


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """`before` or `after` is left out where nothing stood there. `pieces`: of two texts, word by word."""

    path: str
    before: Any = UNSET
    after: Any = UNSET
    pieces: list[Piece] | UnsetType = UNSET


class NodeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A node that came or went. `parent`: where it stands or stood; `below`: how many came or went with it there."""

    node: str
    type: NodeType
    title: str
    parent: str | None
    below: int = 0


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A node under another parent, or elsewhere among the same siblings (`before` and `after` are alike)."""

    node: str
    title: str
    before: str | None
    after: str | None


class NodeChange(msgspec.Struct, frozen=True, kw_only=True):
    node: str
    title: str
    fields: list[FieldChange]


class ConnectionLine(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    """A connection that came or went, or whose label changed (then `before` is the former)."""

    connection: str
    source: str
    target: str
    label: str
    before: str | UnsetType = UNSET


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """From one state to another. Where nodes stand on the canvas, and which are collapsed, is no part of it."""

    added: list[NodeLine]
    removed: list[NodeLine]
    moved: list[Moved]
    changed: list[NodeChange]
    connected: list[ConnectionLine]
    disconnected: list[ConnectionLine]
    relabelled: list[ConnectionLine]
    tree: list[FieldChange]


def difference(old: State, new: State) -> Difference:
    before, after = {node.id: node for node in old.nodes}, {node.id: node for node in new.nodes}
    both = [node for node in after if node in before]
    connected = {one.id: one for one in new.connections}
    was_connected = {one.id: one for one in old.connections}
    relabelled = []
    left = [WORK_OF_AN_EDIT]  # for all texts together: 50 ms
    for one in old.connections:
        now = connected.get(one.id)
        if now is not None and (now.source, now.target) == (one.source, one.target):
            del connected[one.id], was_connected[one.id]
            if now.label != one.label:
                relabelled.append(_connection(now, before=one.label))
    return Difference(
        added=_tops(after, before),
        removed=_tops(before, after),
        moved=_moved(before, after, both),
        changed=[change for node in both if (change := _changed(before[node], after[node], left)) is not None],
        connected=[_connection(one) for one in connected.values()],
        disconnected=[_connection(one) for one in was_connected.values()],
        relabelled=relabelled,
        tree=_fields(old, new, _TREE_FIELDS, ("canvas_state",), left),
    )


def _tops(have: dict[str, Node], lack: dict[str, Node]) -> list[NodeLine]:
    """The nodes that only one side has, each with how many of them lie below it."""
    alone = {node: one for node, one in have.items() if node not in lack}
    below = dict.fromkeys(alone, 0)
    waiting = Counter(one.parent for one in alone.values())  # for so many children that are not summed up yet
    summed = [node for node in alone if not waiting[node]]
    for node in summed:  # grows while it is walked
        above = alone[node].parent
        if above is not None and above in alone:
            below[above] += below[node] + 1
            waiting[above] -= 1
            if not waiting[above]:
                summed.append(above)
    return [
        NodeLine(node=node, type=one.type, title=one.title, parent=one.parent, below=below[node])
        for node, one in alone.items()
    ]


def _moved(before: dict[str, Node], after: dict[str, Node], both: list[str]) -> list[Moved]:
    moved = [node for node in both if before[node].parent != after[node].parent]
    stirred = {after[node].parent for node in both if before[node].order != after[node].order}
    families: dict[str | None, list[str]] = {}
    for node in both:
        if before[node].parent == after[node].parent and after[node].parent in stirred:
            families.setdefault(after[node].parent, []).append(node)
    for family in families.values():
        family.sort(key=lambda node: (after[node].order, node))
        still = rising([(before[node].order, node) for node in family])
        moved += [node for place, node in enumerate(family) if place not in still]
    return [
        Moved(node=node, title=after[node].title, before=before[node].parent, after=after[node].parent)
        for node in moved
    ]


def _changed(old: Node, new: Node, left: list[int]) -> NodeChange | None:
    fields = [] if old == new else _fields(old, new, _NODE_FIELDS, _NODE_MAPS, left)
    return NodeChange(node=new.id, title=new.title, fields=fields) if fields else None


def _fields(old: Any, new: Any, names: tuple[str, ...], maps: tuple[str, ...], left: list[int]) -> list[FieldChange]:
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in names]
    for name in maps:
        was, now = getattr(old, name), getattr(new, name)
        pairs += [(f"{name}.{key}", was.get(key, ABSENT), now.get(key, ABSENT)) for key in {**was, **now}]
    return [_field(*pair, left) for pair in pairs if not same(pair[1], pair[2])]


def _field(path: str, was: Any, now: Any, left: list[int]) -> FieldChange:
    words: list[Piece] | UnsetType = UNSET
    if isinstance(was, str) and isinstance(now, str) and path not in ("type", "discovery_phase"):
        words = [Piece(kind, text) for kind, text in pieces(was, now, left)]
    return FieldChange(path=path, before=was, after=now, pieces=words)


def _connection(one: Any, before: str | UnsetType = UNSET) -> ConnectionLine:
    return ConnectionLine(connection=one.id, source=one.source, target=one.target, label=one.label, before=before)
