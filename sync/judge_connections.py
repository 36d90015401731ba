"""Connections between nodes."""

from __future__ import annotations

from sync import effects, ops
from sync.judge_values import check_label, held_connection
from sync.marks import CREATED
from sync.nodes import Connection
from sync.protocol import ConflictPath
from sync.tree import HeldConnection, Tree
from sync.values import (
    Refused,
    check_ids,
)
from sync.verdict import UNCHANGED, Asking, SetAside, Verdict


def connect(tree: Tree, op: ops.Connect, asking: Asking) -> Verdict:
    check_ids(op.connection, op.source, op.target)
    label = op.label or ""
    check_label(label, asking)
    if op.source == op.target:
        raise Refused("invalid", "a connection joins two nodes")
    for end in (op.source, op.target):
        if end not in tree.nodes:
            raise Refused("node_missing", f"there is no node {end}")
    in_trash = any(tree.nodes[end].deleted is not None for end in (op.source, op.target))
    made = Connection(id=op.connection, source=op.source, target=op.target, label=label)
    existing = tree.connections.get(op.connection)
    if existing is not None and not _is_disconnected(tree, existing):
        if existing.connection == made and existing.marks[CREATED].user == asking.user:
            return UNCHANGED
        raise Refused("exists", f"there is a connection {op.connection} already")
    effect = effects.Connect(connection=op.connection, source=op.source, target=op.target, label=label)
    return Verdict(effect=effect, in_trash=in_trash)


def _is_disconnected(tree: Tree, held: HeldConnection) -> bool:
    """Gone by a disconnect, not along with a node: then its id is free again, which is what undo needs."""
    ends = (held.connection.source, held.connection.target)
    return held.deleted is not None and held.deleted not in {tree.nodes[end].deleted for end in ends}


def disconnect(tree: Tree, op: ops.Disconnect, asking: Asking) -> Verdict:
    held = held_connection(tree, op.connection)
    if _is_disconnected(tree, held):
        return UNCHANGED
    seq, by = max(mark.by_others(asking.user, asking.client) for mark in held.marks.values())
    if seq > op.base and asking.mode == "replay":
        raise SetAside({"label": ConflictPath(theirs=held.connection.label, by=by, seq=seq)})
    return Verdict(effect=effects.Disconnect(connection=op.connection), in_trash=held.deleted is not None)
