"""Delete, restore and purge: removal is a move to the trash (SEMANTICS 20), and leaving it for good the server's."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from sync import effects, ops
from sync.nodes import Point
from sync.placing import check_count, check_depth, height, orders_for
from sync.protocol import ConflictPath, Lost
from sync.tree import HeldConnection, Tree
from sync.values import (
    Refused,
    check_ids,
)
from sync.verdict import UNCHANGED, Asking, SetAside, Verdict

PURGE = "purge:"  # begins the client of whoever may purge; a client's own id has no colon (SEMANTICS 4)


def delete(tree: Tree, op: ops.Delete, asking: Asking) -> Verdict:
    check_ids(op.node)
    held = tree.nodes.get(op.node)
    if held is None:
        raise Refused("node_missing", f"there is no node {op.node}")
    if held.deleted is not None:
        return UNCHANGED
    theirs = _changed_below(tree, op, asking)
    if theirs and asking.mode == "replay":
        raise SetAside(theirs)
    lost = {node_id: Lost(value=path.theirs, by=path.by, seq=path.seq) for node_id, path in theirs.items()}
    return Verdict(effect=effects.Delete(node=op.node), overwrote=lost or UNSET)


def _changed_below(tree: Tree, op: ops.Delete, asking: Asking) -> dict[str, ConflictPath]:
    """What others changed in the subtree since base, the newest change of each node, keyed by node id."""
    found: dict[str, ConflictPath] = {}
    for node_id, _ in tree.subtree(op.node):
        held = tree.nodes[node_id]
        if held.deleted is not None or held.node.seq <= op.base:
            continue
        seq, by = max(mark.by_others(asking.user, asking.client) for mark in held.marks.values())
        if seq > op.base:
            found[node_id] = ConflictPath(mine=None, theirs=held.node.title, by=by, seq=seq)
    return found


def restore(tree: Tree, op: ops.Restore, asking: Asking) -> Verdict:
    check_ids(op.node, op.parent)
    held = tree.nodes.get(op.node)
    if held is None:
        raise Refused("node_missing", f"there is no node {op.node}")
    if held.deleted is None:
        return UNCHANGED
    parent = held.node.parent if op.parent is UNSET else op.parent
    if parent is not None and tree.node(parent) is None:
        raise Refused("parent_missing", "its parent is not in the tree; name another one")
    check_depth(tree, parent, height(tree, op.node), asking.limits)
    if parent == held.node.parent:
        return take_out(tree, op.node, parent, held.node.order, held.node.position, (), asking)
    (order,), respaced = orders_for(tree, op.node, parent, UNSET)
    return take_out(tree, op.node, parent, order, held.node.position, respaced, asking)


def take_out(
    tree: Tree,
    node_id: str,
    parent: str | None,
    order: str,
    position: Point,
    respaced: tuple[effects.Move, ...],
    asking: Asking,
) -> Verdict:
    """Bring back what one deletion took, from this node down (SEMANTICS 20)."""
    taken_by = tree.nodes[node_id].deleted
    top = msgspec.structs.replace(tree.nodes[node_id].node, parent=parent, order=order, position=position)
    nodes, coming = [top], {node_id}
    for below, _ in tree.subtree(node_id):
        held = tree.nodes[below]
        if below != node_id and held.deleted == taken_by and held.node.parent in coming:
            nodes.append(held.node)
            coming.add(below)
    check_count(tree, len(nodes), asking.limits)
    connections = [
        tree.connections[one].connection
        for one in sorted({one for node in nodes for one in tree.touching(node.id)})
        if tree.connections[one].deleted == taken_by and _ends_live(tree, tree.connections[one], coming)
    ]
    effect = effects.Restore(node=node_id, nodes=nodes, connections=connections)
    return Verdict(effect=effect, respaced=respaced, differs=True)


def purge(tree: Tree, op: ops.Purge, asking: Asking) -> Verdict:
    if not asking.client.startswith(PURGE):
        raise Refused("invalid", "clients do not purge; owners ask for it by HTTP")
    check_ids(op.node)
    held = tree.nodes.get(op.node)
    if held is None:
        raise Refused("node_missing", f"there is no node {op.node}")
    if held.deleted is None:
        raise Refused("invalid", f"{op.node} is not in the trash")
    return Verdict(effect=effects.Purge(node=op.node))


def _ends_live(tree: Tree, held: HeldConnection, coming: set[str]) -> bool:
    ends = (held.connection.source, held.connection.target)
    return all(end in coming or tree.node(end) is not None for end in ends)
