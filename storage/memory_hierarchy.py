"""`sync.hierarchy.Hierarchies` in memory, over a MemoryDatabase."""

from __future__ import annotations

from collections import Counter

from storage.memory import MemoryDatabase
from sync.errors import NotFound
from sync.hierarchy import MOST_DEPTH, Ancestor, Hierarchy, HierarchyNode, bounded, path_below
from sync.identity import TreeKey
from sync.nodes import Node


class MemoryHierarchies:
    """Several instances may share one, as they share the database."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def hierarchy(self, key: TreeKey, node: str | None, depth: int) -> Hierarchy:
        depth = min(depth, MOST_DEPTH)
        loaded = self._database.living(key).loaded()
        nodes = {row.node.id: row.node for row in loaded.nodes if row.deleted is None}
        if node is not None and node not in nodes:
            raise NotFound("no such node")
        above = _above(nodes, nodes[node].parent) if node is not None else []
        found = [
            (len(way), path_below(way), one)
            for one in nodes.values()
            if (way := [up.id for up in _above(nodes, one.parent)]) is not None
            and (node is None or node in (*way, one.id))
            and len(way) <= len(above) + depth
        ]
        found.sort(key=lambda line: (line[0], line[1], line[2].order))
        children = Counter(one.parent for one in nodes.values())
        listed = [
            HierarchyNode(
                id=one.id,
                parent=one.parent,
                title=one.title,
                type=one.type,
                depth=level,
                path=path,
                children=children[one.id],
            )
            for level, path, one in found
        ]
        ancestors = [Ancestor(id=one.id, title=one.title, type=one.type) for one in above]
        return bounded(key, loaded.head, ancestors, listed, depth)


def _above(nodes: dict[str, Node], parent: str | None) -> list[Node]:
    above: list[Node] = []
    while parent is not None:
        above.append(nodes[parent])
        parent = nodes[parent].parent
    return above[::-1]
