"""Whether later edits have decided a conflict record (SEMANTICS 25): then it closes itself, in the commit that did it.

A record is moot when the tree reads as its author wanted it, when he has changed the same thing again after he saw what
stood there, or when its node was purged. Where that cannot be told, it stays open: a person decides.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from sync import ops
from sync.claims import MADE, PLACEMENT, REMOVED, Claim, asked, claims_of, thing_of
from sync.conflict_records import ConflictRecord
from sync.judge_values import same
from sync.ops import Op
from sync.records import DELETED
from sync.tree import Tree
from sync.values import ABSENT, read

_MOST_OPS = 100  # 0.1 ms; of a record with more, which is read at every change of what it is about, a person decides


def is_moot(tree: Tree, record: ConflictRecord, op: Op, user: str) -> bool:
    """After this op of this user was applied."""
    if _is_gone(tree, record, op):
        return True
    if record.user == user and _decided_by(record, op):
        return True
    return _reads_as_lost(tree, record) if record.kind == "overwritten" else _reads_as_asked(tree, record)


def _is_gone(tree: Tree, record: ConflictRecord, op: Op) -> bool:
    """Whether the op took for good what the record is about; what waits to be made cannot go."""
    thing = thing_of(record)
    if not isinstance(op, ops.Purge) or thing is None or any(path == MADE for _, path in _claims(record)):
        return False
    return thing not in tree.nodes if isinstance(thing, str) else thing[0] not in tree.connections


def _decided_by(record: ConflictRecord, op: Op) -> bool:
    """Whether whose value waits has changed all of it again, and had seen what stood there."""
    if not record.paths or any(path["seq"] > op.base for path in record.paths.values()):
        return False
    changed = set(claims_of(op))
    return bool(changed) and changed.issuperset(_claims(record))


def _claims(record: ConflictRecord) -> list[Claim]:
    if record.code == DELETED:
        return [(record.node, REMOVED)]
    if record.kind == "overwritten":
        return [(thing_of(record), path) for path in record.paths]
    return [claim for op in asked(record) for claim in claims_of(op)]


def _reads_as_lost(tree: Tree, record: ConflictRecord) -> bool:
    if record.code == DELETED:
        return tree.node(record.node) is not None
    return all(_reads(tree, (thing_of(record), path), lost["mine"]) for path, lost in record.paths.items())


def _reads_as_asked(tree: Tree, record: ConflictRecord) -> bool:
    """Whether everything that a set-aside edit wanted is so."""
    if len(record.ops) > _MOST_OPS:
        return False
    wanted: dict[Claim, Any] = {}
    for op in asked(record):
        wishes = _wishes(op)
        if not wishes:
            return False
        wanted.update(wishes)
    return bool(wanted) and all(_reads(tree, claim, value) for claim, value in wanted.items())


def _wishes(op: Op) -> dict[Claim, Any]:
    """What the tree would read after an op; nothing where that cannot be told from the op alone."""
    match op:
        case ops.Update():
            thing = (op.connection,) if isinstance(op.connection, str) else op.node or None
        case ops.Configure():
            thing = None
        case ops.Move() if op.parent is not UNSET:
            return {(op.node, PLACEMENT): {"parent": op.parent}}
        case ops.Delete():
            return {(op.node, REMOVED): True}
        case ops.Disconnect():
            return {((op.connection,), REMOVED): True}
        case ops.Insert():
            fields = {"title": op.title, "type": op.type, "description": op.description or ""}
            wishes: dict[Claim, Any] = {(op.node, path): value for path, value in fields.items()}
            return {**wishes, (op.node, REMOVED): False}
        case _:
            return {}
    return {
        **{(thing, path): value for path, value in (op.set or {}).items()},
        **{(thing, path): None for path in op.unset or ()},
    }


def _reads(tree: Tree, claim: Claim, wanted: Any) -> bool:
    thing, path = claim
    if thing is None:
        return _alike(read(tree.details.details, path), wanted)
    if isinstance(thing, tuple):
        link = tree.connections.get(thing[0])
        if path == REMOVED:
            return link is None or link.deleted is not None
        return link is not None and link.connection.label == wanted
    held = tree.nodes.get(thing)
    if path == REMOVED:
        return (held is None or held.deleted is not None) is bool(wanted)
    if held is None:
        return False
    if path == PLACEMENT:
        return bool(held.node.parent == wanted["parent"])
    return _alike(read(held.node, path), wanted)


def _alike(value: Any, wanted: Any) -> bool:
    """A value that is absent stands in a record as null."""
    return same(None if value is ABSENT else value, wanted)
