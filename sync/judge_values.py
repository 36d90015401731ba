"""Updates of fields, labels and the tree's own settings: same value, last writer, three-way merge, conflict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from sync import effects, ops
from sync.backlog import Backlog, Thing
from sync.limits import VALUE_DEPTH
from sync.marks import CREATED, Mark, Marks, mark_of
from sync.merge import merged
from sync.nodes import Details, Node
from sync.protocol import ConflictPath, Lost
from sync.templates import canonical_paths
from sync.tree import Held, HeldConnection, Tree
from sync.untyped import unstorable
from sync.values import (
    ABSENT,
    NODE_FIELDS,
    NODE_MAPS,
    TREE_FIELDS,
    TREE_MAPS,
    Refused,
    check_ids,
    check_paths,
    check_value,
    is_view_state,
    read,
)
from sync.verdict import UNCHANGED, Asking, SetAside, Verdict


def update(tree: Tree, op: ops.Update, asking: Asking) -> Verdict:
    if isinstance(op.connection, str):
        return _update_connection(tree, op, asking)
    if not isinstance(op.node, str):
        raise Refused("invalid", "an update names a node or a connection")
    said, unset = op.set or {}, op.unset or []
    check_paths(said, unset, NODE_FIELDS, NODE_MAPS, asking.limits)
    _check_was(op)
    changed = meant = canonical_paths(said)
    held = tree.nodes.get(op.node)
    if held is None:
        check_ids(op.node)
        raise Refused("node_missing", f"there is no node {op.node}")
    if held.deleted is not None and asking.mode == "replay":
        raise SetAside({path: ConflictPath(mine=value) for path, value in changed.items()}, "node_missing")
    changed, unset = _what_differs(held.node, changed, unset)
    if not changed and not unset:
        return UNCHANGED
    lost = _lost(op.node, held.node, held.marks, changed, unset, op, asking)
    if lost and asking.mode == "replay":
        return _merge(held, op, changed, unset, lost, asking)
    return Verdict(
        effect=effects.Update(node=op.node, set=changed or UNSET, unset=unset or UNSET),
        in_trash=held.deleted is not None,
        overwrote=lost or UNSET,
        differs=meant is not said or len(changed) != len(said) or len(unset) != len(op.unset or ()),
    )


def _merge(
    held: Held, op: ops.Update, changed: dict[str, Any], unset: list[str], lost: dict[str, Lost], asking: Asking
) -> Verdict:
    """A replayed update that meets changes of others: texts are merged three-way where the changes do not overlap, and
    with one that is not, the whole op waits for a decision (CF3)."""
    paths = _conflict_paths(op.node or None, held.marks, changed, lost, op, asking)
    both: dict[str, Any] = {}
    for path, met in paths.items():
        text = _merged(path, met, asking)
        if text is None:
            raise SetAside(paths)
        both[path] = text
    values, unset = _what_differs(held.node, changed | both, unset)
    if not values and not unset:
        return UNCHANGED  # theirs says it all
    has_both = any(values[path] != changed[path] for path in both if path in values)
    return Verdict(
        effect=effects.Update(node=op.node, set=values or UNSET, unset=unset or UNSET, merged=has_both or UNSET),
        status="merged" if has_both else "applied",
        differs=values != op.set or len(unset) != len(op.unset or ()),
    )


def _merged(path: str, met: ConflictPath, asking: Asking) -> str | None:
    """Both changes of a text; None: it is none, its base is not known, the changes overlap, or it grew too large."""
    base, mine, theirs = ("" if value is None else value for value in (met.base, met.mine, met.theirs))
    if path == "type" or met.mine is None or not all(isinstance(value, str) for value in (base, mine, theirs)):
        return None
    text = merged(base, mine, theirs, asking.merging)
    if text is not None:
        try:
            check_paths({path: text}, (), NODE_FIELDS, NODE_MAPS, asking.limits)
        except Refused:
            return None
    return text


def configure(tree: Tree, op: ops.Configure, asking: Asking) -> Verdict:
    changed, unset = op.set or {}, op.unset or []
    check_paths(changed, unset, TREE_FIELDS, TREE_MAPS, asking.limits)
    _check_was(op)
    held = tree.details
    changed, unset = _what_differs(held.details, changed, unset)
    if not changed and not unset:
        return UNCHANGED
    lost = _lost(None, held.details, held.marks, changed, unset, op, asking)
    if lost and asking.mode == "replay":
        raise SetAside(_conflict_paths(None, held.marks, changed, lost, op, asking))
    return Verdict(
        effect=effects.Configure(set=changed or UNSET, unset=unset or UNSET),
        overwrote=lost or UNSET,
        differs=len(changed) != len(op.set or ()) or len(unset) != len(op.unset or ()),
    )


def _update_connection(tree: Tree, op: ops.Update, asking: Asking) -> Verdict:
    assert isinstance(op.connection, str)
    changed = op.set or {}
    if isinstance(op.node, str) or op.unset or set(changed) != {"label"}:
        raise Refused("invalid", "an update of a connection sets its label and nothing else")
    label = changed["label"]
    check_label(label, asking)
    held = held_connection(tree, op.connection)
    if held.deleted is not None and asking.mode == "replay":
        raise SetAside({"label": ConflictPath(mine=label, theirs=held.connection.label)}, "connection_missing")
    if held.connection.label == label:
        return UNCHANGED
    lost: dict[str, Lost] = {}
    mark = mark_of(held.marks, "label")
    if mark.unseen(asking.user, asking.client, op.base):
        lost["label"] = Lost(value=held.connection.label, by=mark.user, seq=mark.seq)
        if asking.mode == "replay":
            raise SetAside(_conflict_paths((op.connection,), held.marks, changed, lost, op, asking))
    effect = effects.Update(connection=op.connection, set={"label": label})
    return Verdict(effect=effect, in_trash=held.deleted is not None, overwrote=lost or UNSET)


def _check_was(op: ops.Update | ops.Configure) -> None:
    """What an author saw is kept with his op, so it must be storable like a value."""
    why = unstorable(op.was, VALUE_DEPTH + 1) if op.was else None
    if why is not None:
        raise Refused("invalid", f"was: {why}")


def _what_differs(thing: Node | Details, changed: dict[str, Any], unset: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Leave out what is so already."""
    differing = {path: value for path, value in changed.items() if not same(read(thing, path), value)}
    return differing, [path for path in unset if read(thing, path) is not ABSENT]


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal: a number is none that is true or false, and the order of keys says nothing."""
    if type(left) is str or type(right) is str:
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _lost(
    place: Thing,
    thing: Node | Details,
    marks: Marks,
    changed: dict[str, Any],
    unset: Iterable[str],
    op: ops.Update | ops.Configure,
    asking: Asking,
) -> dict[str, Lost]:
    """The values someone else put there since base."""
    lost: dict[str, Lost] = {}
    was = op.was or {}
    for path in (*changed, *unset):
        if is_view_state(path):
            continue
        mark = marks.get(path)
        if mark is None:
            mark = mark_of(marks, path)
        if mark.seq <= op.base or (op.base == 0 and path in was and same(read(thing, path), was[path])):
            continue
        seq, by = _standing(place, path, mark, op.base, asking)
        if seq <= op.base:
            continue
        theirs = read(thing, path)
        lost[path] = Lost(value=None if theirs is ABSENT else theirs, by=by, seq=seq)
    return lost


def _standing(place: Thing, path: str, mark: Mark, base: int, asking: Asking) -> tuple[int, str]:
    """(seq, user) of the newest change by others since base that the value in the tree still holds; (0, "") if there
    is none. What this client has replaced with a value of its own is kept in the record of that; what it only typed
    into stands yet."""
    backlog, own = asking.backlog, (asking.user, asking.client)
    if mark.unseen(*own, base):
        seq, by, client = mark.seq, mark.user, mark.client
    else:
        seq, by, client = mark.other_seq, mark.other_user, mark.other_client
        if seq <= base or backlog is None or not backlog.reaches(place, path, seq):
            return 0, ""
        since = backlog.changes(place, path, seq)
        if not since or any(type(change.effect) is not effects.Text for change in since):
            return 0, ""
    if by == asking.user and not client and backlog is not None and asking.mode != "replay":
        # merged by himself: what he now takes away is theirs
        changes = reversed(backlog.changes(place, path, base))
        by = next((change.author.user for change in changes if change.author.user != by), by)
    return seq, by


def _conflict_paths(
    thing: Thing,
    marks: Marks,
    changed: dict[str, Any],
    lost: dict[str, Lost],
    op: ops.Update | ops.Configure,
    asking: Asking,
) -> dict[str, ConflictPath]:
    """What each side has, of every path that others changed since."""
    return {
        path: ConflictPath(
            base=base_of(asking.backlog, thing, marks, path, op, one.value),
            mine=changed.get(path),
            theirs=one.value,
            by=one.by,
            seq=one.seq,
        )
        for path, one in lost.items()
    }


def base_of(
    backlog: Backlog | None, thing: Thing, marks: Marks, path: str, op: ops.Update | ops.Configure, now: Any
) -> Any:
    """The value that the author of an op saw at a path: what he says it was, else what it was at his base. `marks` are
    those of the thing, `now` is the value in the tree. None: it was absent; UNSET: nobody knows."""
    if op.was and path in op.was:
        return op.was[path]
    if backlog is None or op.base < marks[CREATED].seq:
        return UNSET
    return backlog.value_at(thing, path, op.base, now)


def held_connection(tree: Tree, connection_id: str) -> HeldConnection:
    held = tree.connections.get(connection_id)
    if held is None:
        check_ids(connection_id)
        raise Refused("connection_missing", f"there is no connection {connection_id}")
    return held


def check_label(label: Any, asking: Asking) -> None:
    check_value(label, "label", asking.limits)
    if type(label) is not str:
        raise Refused("invalid", "a label must be text")
