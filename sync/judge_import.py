"""A subtree in one op."""

from __future__ import annotations

from sync import effects, ops
from sync.judge_values import check_label
from sync.nodes import ORIGIN, Connection, Node, Point
from sync.order import key_between
from sync.placing import check_parent, orders_for
from sync.templates import canonical_data
from sync.tree import Tree
from sync.values import (
    Refused,
    check_content,
    check_ids,
)
from sync.verdict import Asking, Verdict


def import_(tree: Tree, op: ops.Import, asking: Asking) -> Verdict:
    if not op.nodes:
        raise Refused("invalid", "an import brings at least one node")
    check_ids(op.parent, op.after)
    places = _arranged(tree, op, asking)
    in_trash = check_parent(tree, op.parent, max(level for _, level in places), len(places), asking.limits)
    tops = [node.id for node, level in places if level == 1]
    orders, respaced = orders_for(tree, "", op.parent, op.after, len(tops))
    nodes = _imported_nodes(op, [node for node, _ in places], dict(zip(tops, orders, strict=True)))
    connections = _imported_connections(tree, op, {node.id for node in nodes}, asking)
    effect = effects.Import(nodes=nodes, connections=connections)
    return Verdict(effect=effect, in_trash=in_trash, respaced=respaced, differs=True)


def _arranged(tree: Tree, op: ops.Import, asking: Asking) -> list[tuple[ops.ImportedNode, int]]:
    """(node, level from 1) with parents first; raises Refused for ids that clash, parents that lack, cycles."""
    below: dict[str | None, list[ops.ImportedNode]] = {}
    ids = {node.id for node in op.nodes}
    if len(ids) != len(op.nodes):
        raise Refused("invalid", "an id stands twice in the import")
    for node in op.nodes:
        check_ids(node.id, node.parent)
        check_content(node, asking.limits)
        if node.id in tree.nodes or node.id == op.parent:
            raise Refused("exists", f"there is a node {node.id} already")
        if node.parent is not None and node.parent not in ids:
            raise Refused("parent_missing", f"{node.parent} is not part of the import")
        below.setdefault(node.parent, []).append(node)
    placed = [(node, 1) for node in below.get(None, ())]
    for node, level in placed:  # grows while it is walked: breadth first, so parents stand before children
        placed.extend((child, level + 1) for child in below.get(node.id, ()))
    if len(placed) != len(op.nodes):
        raise Refused("cycle", "the import's nodes are not a tree")
    return placed


def _imported_nodes(op: ops.Import, made: list[ops.ImportedNode], keys: dict[str, str]) -> list[Node]:
    counts: dict[str, str | None] = {}
    nodes = []
    for node in made:
        key = keys.get(node.id)
        if key is None:
            assert node.parent is not None
            key = counts[node.parent] = key_between(counts.get(node.parent), None)
        nodes.append(
            Node(
                id=node.id,
                parent=op.parent if node.parent is None else node.parent,
                order=key,
                type=node.type,
                title=node.title,
                description=node.description or "",
                position=node.position if isinstance(node.position, Point) else ORIGIN,
                is_collapsed=node.is_collapsed or False,
                template_data=canonical_data(node.template_data or {}),
                metadata=node.metadata or {},
            )
        )
    return nodes


def _imported_connections(tree: Tree, op: ops.Import, ids: set[str], asking: Asking) -> list[Connection]:
    made: dict[str, Connection] = {}
    for one in op.connections:
        check_ids(one.id, one.source, one.target)
        check_label(one.label or "", asking)
        if one.id in made or (one.id in tree.connections):
            raise Refused("exists", f"there is a connection {one.id} already")
        if one.source == one.target:
            raise Refused("invalid", "a connection joins two nodes")
        for end in (one.source, one.target):
            if end not in ids and end not in tree.nodes:
                raise Refused("node_missing", f"there is no node {end}")
        made[one.id] = Connection(id=one.id, source=one.source, target=one.target, label=one.label or "")
    return list(made.values())
