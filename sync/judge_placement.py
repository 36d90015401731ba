"""Inserts and moves: placement is one value (P7, SEMANTICS 19-21)."""

from __future__ import annotations

from bisect import bisect_left

from msgspec import UNSET

from sync import effects, ops
from sync.judge_trash import take_out
from sync.marks import CREATED, ORDER, PARENT
from sync.nodes import ORIGIN, Point
from sync.placing import check_depth, check_parent, height, orders_for
from sync.protocol import ConflictPath, Lost
from sync.templates import canonical_data
from sync.tree import Held, Tree
from sync.values import (
    Refused,
    check_content,
    check_ids,
    check_point,
)
from sync.verdict import SUPERSEDED, UNCHANGED, Asking, SetAside, Verdict


def insert(tree: Tree, op: ops.Insert, asking: Asking) -> Verdict:
    check_ids(op.node, op.parent, op.after)
    check_content(op, asking.limits)
    existing = tree.nodes.get(op.node)
    if existing is not None:
        if _is_own_insert(existing, op, asking):
            return UNCHANGED
        raise Refused("exists", f"there is a node {op.node} already")
    in_trash = check_parent(tree, op.parent, 1, 1, asking.limits)
    (order,), respaced = orders_for(tree, op.node, op.parent, op.after)
    said = op.template_data or {}
    meant = canonical_data(said)
    effect = effects.Insert(
        node=op.node,
        parent=op.parent,
        order=order,
        type=op.type,
        title=op.title,
        description=op.description or "",
        position=op.position if isinstance(op.position, Point) else ORIGIN,
        is_collapsed=op.is_collapsed or False,
        template_data=meant,
        metadata=op.metadata or {},
    )
    return Verdict(effect=effect, in_trash=in_trash, respaced=respaced, differs=meant is not said)


def _is_own_insert(existing: Held, op: ops.Insert, asking: Asking) -> bool:
    """The same user, the same content: an insert that was stored under another number (SEMANTICS 11)."""
    node = existing.node
    return (
        existing.marks[CREATED].user == asking.user
        and (node.parent, node.type, node.title) == (op.parent, op.type, op.title)
        and node.description == (op.description or "")
        and node.template_data == canonical_data(op.template_data or {})
        and node.metadata == (op.metadata or {})
    )


def move(tree: Tree, op: ops.Move, asking: Asking) -> Verdict:
    check_ids(op.node, op.after)
    check_point(op.position)
    held = tree.nodes.get(op.node)
    if held is None:
        raise Refused("node_missing", f"there is no node {op.node}")
    if op.parent is UNSET or op.parent == held.node.parent:
        return _reorder(tree, op, held, asking)
    return _reparent(tree, op, held, op.parent, asking)


def _reorder(tree: Tree, op: ops.Move, held: Held, asking: Asking) -> Verdict:
    """A reorder or a drag: yields to a reparent its author had not seen (P7)."""
    node = held.node
    if op.after is UNSET and op.position is UNSET and op.parent is UNSET:
        raise Refused("invalid", "a move names a parent, a sibling or a position")
    if held.deleted is not None and asking.mode == "replay":
        raise SetAside(_placement_conflict(held, op, asking), "node_missing")
    reparented, _ = _placed_by_others(held, PARENT, asking)
    if reparented > op.base and asking.mode != "force" and op.parent is UNSET:
        return SUPERSEDED
    reorders = op.after is not UNSET and not _stands_after(tree, held, op.after)
    moved, _ = _placed_by_others(held, ORDER, asking)
    if reorders and moved > op.base and asking.mode == "replay":
        raise SetAside(_placement_conflict(held, op, asking))
    drags = isinstance(op.position, Point) and op.position != node.position
    if not reorders and not drags:
        return UNCHANGED
    (order,), respaced = orders_for(tree, op.node, node.parent, op.after) if reorders else ([node.order], ())
    effect = effects.Move(node=op.node, parent=node.parent, order=order, position=op.position if drags else UNSET)
    return Verdict(effect=effect, in_trash=held.deleted is not None, respaced=respaced)


def _reparent(tree: Tree, op: ops.Move, held: Held, parent: str | None, asking: Asking) -> Verdict:
    check_ids(parent)
    if not isinstance(op.position, Point):
        raise Refused("invalid", "a move to another parent carries the position")
    if parent is not None and tree.node(parent) is None:
        raise Refused("parent_missing", f"{parent} is in the trash" if parent in tree.nodes else f"no node {parent}")
    if tree.lies_below(parent, op.node):
        raise Refused("cycle", f"{parent} lies below {op.node}")
    if held.deleted is not None and asking.mode == "replay":
        raise SetAside(_placement_conflict(held, op, asking), "node_missing")
    moved, _ = _placed_by_others(held, ORDER, asking)
    reparented, by = _placed_by_others(held, PARENT, asking)
    if max(moved, reparented) > op.base and asking.mode == "replay":
        raise SetAside(_placement_conflict(held, op, asking))
    lost: dict[str, Lost] = {}
    if reparented > op.base:
        lost[PARENT] = Lost(value=held.node.parent, by=by, seq=reparented)
    check_depth(tree, parent, height(tree, op.node), asking.limits)
    (order,), respaced = orders_for(tree, op.node, parent, op.after)
    if held.deleted is not None:
        return take_out(tree, op.node, parent, order, op.position, respaced, asking)
    effect = effects.Move(node=op.node, parent=parent, order=order, position=op.position)
    return Verdict(effect=effect, overwrote=lost or UNSET, respaced=respaced)


def _placed_by_others(held: Held, path: str, asking: Asking) -> tuple[int, str]:
    """(seq, user) of the placement that stands, if it is someone else's; making the node is none, nor is what this
    client has placed anew itself."""
    mark = held.marks.get(path)
    return (mark.seq, mark.user) if mark is not None and mark.unseen(asking.user, asking.client, 0) else (0, "")


def _placement_conflict(held: Held, op: ops.Move, asking: Asking) -> dict[str, ConflictPath]:
    seq, by = max(_placed_by_others(held, path, asking) for path in (ORDER, PARENT))
    mine = {"parent": held.node.parent if op.parent is UNSET else op.parent}
    if op.after is not UNSET:
        mine["after"] = op.after
    theirs = {"parent": held.node.parent, "order": held.node.order}
    base = UNSET if asking.backlog is None else asking.backlog.placement_at(op.node, op.base)
    return {"placement": ConflictPath(base=base, mine=mine, theirs=theirs, by=by, seq=seq)}


def _stands_after(tree: Tree, held: Held, after: str | None) -> bool:
    """Whether the node is where the wish wants it: right behind that sibling among the live ones."""
    node = held.node
    if held.deleted is not None or after == node.id:
        return after == node.id
    siblings = tree.siblings(node.parent)
    place = bisect_left(siblings, (node.order, node.id)) - 1
    while place >= 0 and tree.nodes[siblings[place][1]].deleted is not None:
        place -= 1
    return (siblings[place][1] if place >= 0 else None) == after
