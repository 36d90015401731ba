"""The rows a batch writes: what its ops changed, as it stands after them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sync.effects import Effect, Import, Restore
from sync.ports import Batch, ConnectionRow, LoggedOp, NodeRow
from sync.tree import Before, Tree

_WITH_NODES = (Restore, Import)


def changed_rows(
    tree: Tree, ops: Sequence[LoggedOp], befores: Sequence[Before]
) -> tuple[list[NodeRow], list[ConnectionRow], bool]:
    """Every node and connection that these ops changed as the tree holds it now, each once, with who changed it last;
    whether the tree's own fields changed. `befores` may go on behind the ops."""
    nodes: dict[str, str] = {}
    connections: dict[str, str] = {}
    details = False
    for op, before in zip(ops, befores, strict=False):
        user = op.author.user
        for node_id, _ in before.nodes:
            nodes[node_id] = user
        for connection_id, _ in before.connections:
            connections[connection_id] = user
        details = details or bool(before.details)
    node_rows = [_node_row(tree, one, user) for one, user in nodes.items() if one in tree.nodes]
    connection_rows = [_connection_row(tree, one, user) for one, user in connections.items() if one in tree.connections]
    return node_rows, connection_rows, details


def purged_rows(tree: Tree, befores: Sequence[Before]) -> tuple[list[str], list[str]]:
    """Ids of the nodes and connections that these ops touched and that are gone for good."""
    nodes = {node_id: None for before in befores for node_id, _ in before.nodes if node_id not in tree.nodes}
    connections = {one: None for before in befores for one, _ in before.connections if one not in tree.connections}
    return list(nodes), list(connections)


def _node_row(tree: Tree, node_id: str, user: str) -> NodeRow:
    held = tree.nodes[node_id]
    return NodeRow(node=held.node, marks=held.marks, deleted=held.deleted, by=user)


def _connection_row(tree: Tree, connection_id: str, user: str) -> ConnectionRow:
    held = tree.connections[connection_id]
    return ConnectionRow(connection=held.connection, marks=held.marks, deleted=held.deleted, by=user)


def emptied(batch: Batch) -> Batch:
    """A batch at the same place that writes nothing."""
    return msgspec.structs.replace(
        batch,
        ops=[],
        nodes=[],
        connections=[],
        purged_nodes=[],
        purged_connections=[],
        details=None,
        detail_marks=None,
        counters=[],
        results=[],
        conflicts=[],
    )


def number_nodes(effect: Effect, seq: int) -> None:
    """Nodes that travel inside an op carry its seq (SEMANTICS 30)."""
    if type(effect) in _WITH_NODES:
        effect.nodes = [msgspec.structs.replace(node, seq=seq) for node in effect.nodes]  # type: ignore[union-attr]
