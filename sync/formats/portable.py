"""A tree on its way to or from a file, and what every file of one must keep, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from sync.errors import Invalid
from sync.limits import Limits
from sync.nodes import Details, Node, NodeType, State
from sync.ops import ImportedConnection, ImportedNode
from sync.values import Refused, check_content, check_ids

# The type of a node whose file says none, by its depth: the order in which a tree is thought through (spec 002)
BY_DEPTH: tuple[NodeType, ...] = ("objective", "outcome", "opportunity", "solution", "assumption", "metric")
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Portable(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` stand parents first, siblings in their order."""

    details: Details
    nodes: list[ImportedNode]
    connections: list[ImportedConnection] = []


def portable_of(state: State) -> Portable:
    """A tree as it is handed out: depth first, as an outline reads."""
    below: dict[str | None, list[Node]] = {}
    for node in state.nodes:
        below.setdefault(node.parent, []).append(node)
    for siblings in below.values():
        siblings.sort(key=lambda one: (one.order, one.id), reverse=True)
    nodes: list[ImportedNode] = []
    waiting = below.get(None, [])
    while waiting:
        node = waiting.pop()
        nodes.append(_imported(node))
        waiting += below.get(node.id, ())
    details = {name: getattr(state, name) for name in Details.__struct_fields__}
    connections = [
        ImportedConnection(id=one.id, source=one.source, target=one.target, label=one.label)
        for one in state.connections
    ]
    return Portable(details=Details(**details), nodes=nodes, connections=connections)


def _imported(node: Node) -> ImportedNode:
    return ImportedNode(
        id=node.id,
        parent=node.parent,
        type=node.type,
        title=node.title,
        description=node.description or UNSET,
        position=node.position,
        is_collapsed=node.is_collapsed or UNSET,
        template_data=node.template_data or UNSET,
        metadata=node.metadata or UNSET,
    )


def text_of(content: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises Invalid, naming the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        other = _BOMS.get(content[:2])
        if other is not None:
            raise Invalid(f"line 1: the file is {other}; save it as UTF-8") from None
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid(f"line {line}: byte 0x{content[error.start]:02x} is no UTF-8") from None


class Gathering:
    """Takes the nodes of a file one by one, each with where it stands ("line 7"), and refuses what is no tree."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._where: dict[str, str] = {}
        self._nodes: list[ImportedNode] = []
        self._depths: dict[str, int] = {}
        self._made = 0  # ids that were wanted twice

    def node(self, where: str, fields: Mapping[str, Any]) -> ImportedNode:
        """Raises Invalid."""
        if len(self._nodes) == self._limits.nodes_per_tree:
            raise Invalid(f"{where}: a tree has at most {self._limits.nodes_per_tree} nodes")
        made: ImportedNode = converted(where, fields, ImportedNode)
        if made.id in self._where:
            raise Invalid(f"{where}: the id {made.id} stands at {self._where[made.id]} already")
        try:
            check_ids(made.id, made.parent)
            check_content(made, self._limits)
        except Refused as refused:
            raise Invalid(f"{where} ({made.id}): {refused.why}") from None
        self._where[made.id] = where
        self._nodes.append(made)
        return made

    def fresh(self, wanted: str) -> str:
        """An id that no node has yet, for one whose file gives none."""
        made = wanted
        while made in self._where:
            self._made += 1
            made = f"{wanted}-{self._made}"
        return made

    def finish(self, details: Details, connections: list[ImportedConnection] | None = None) -> Portable:
        """The whole tree. Raises Invalid for parents that lack, cycles, depth, and connections that lead nowhere."""
        parents = {node.id: node.parent for node in self._nodes}
        for node in self._nodes:
            if node.parent is not None and node.parent not in parents:
                raise Invalid(f"{self._where[node.id]} ({node.id}): there is no node {node.parent} to stand below")
        for node in self._nodes:
            self._depth(node.id, parents)
        self._check(connections or [], parents)
        return Portable(details=details, nodes=self._nodes, connections=connections or [])

    def _check(self, connections: list[ImportedConnection], nodes: Mapping[str, str | None]) -> None:
        seen: set[str] = set()
        for one in connections:
            if one.id in seen:
                raise Invalid(f"connection {one.id}: it stands twice")
            seen.add(one.id)
            if one.source == one.target:
                raise Invalid(f"connection {one.id}: it joins {one.source} with itself")
            for end in (one.source, one.target):
                if end not in nodes:
                    raise Invalid(f"connection {one.id}: there is no node {end}")

    def _depth(self, node: str, parents: Mapping[str, str | None]) -> None:
        path: list[str] = []
        seen: set[str] = set()
        above: str | None = node
        while above is not None and above not in self._depths:
            if above in seen:
                raise Invalid(f"{self._where[above]} ({above}): it stands below itself")
            seen.add(above)
            path.append(above)
            above = parents[above]
        depth = 0 if above is None else self._depths[above]
        for one in reversed(path):
            depth += 1
            if depth > self._limits.depth:
                raise Invalid(f"{self._where[one]} ({one}): a tree is at most {self._limits.depth} levels deep")
            self._depths[one] = depth


Kind = Any


def converted(where: str, fields: Any, kind: Kind) -> Any:
    """Values as a Struct. Raises Invalid, naming where they stand and what is wrong."""
    try:
        return msgspec.convert(fields, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        named = fields.get("id") if isinstance(fields, Mapping) else None
        raise Invalid(f"{where}{f' ({named})' if isinstance(named, str) else ''}: {error}") from None


def type_at(depth: int) -> NodeType:
    """The type of a node so deep (from 0) whose file says none."""
    return BY_DEPTH[min(depth, len(BY_DEPTH) - 1)]


def levels(tree: Portable) -> int:
    """How deep a tree is; in any order of its nodes, and without recursion."""
    parents = {node.id: node.parent for node in tree.nodes}
    depths: dict[str | None, int] = {None: 0}
    for node in tree.nodes:
        path: list[str] = []
        above: str | None = node.id
        while above not in depths:
            assert above is not None, "nobody's depth is known"
            path.append(above)
            above = parents[above]
        depths.update((one, depth) for depth, one in enumerate(reversed(path), depths[above] + 1))
    return max(depths.values())
