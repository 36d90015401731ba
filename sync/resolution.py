"""Deciding a conflict record: the ops that carry out `mine`, `theirs` or a value (SEMANTICS 24, 26).

What was decided is an edit like any other: the server makes the ops, judges them and commits them together with the
closed record.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import msgspec
from msgspec import UNSET, structs

from sync import ops
from sync.claims import PLACEMENT, asked
from sync.conflict_records import ConflictRecord
from sync.nodes import Point
from sync.ops import Op
from sync.pending import PendingResolve, Refusal
from sync.protocol import Mode, Resolve
from sync.records import DELETED
from sync.text import applied
from sync.tree import Tree
from sync.values import Refused

Field = tuple[str, str]  # a node and a path in it

RESOLVE = "resolve:"  # begins the client of such ops; behind it stands the record's number


def decidable(edit: PendingResolve, standing: ConflictRecord | None, refusal: Refusal | None) -> ConflictRecord:
    """The record that a decision is about. Raises Refused: not there or not his to see, which look the same; or
    whatever keeps this person from editing."""
    record = standing or edit.found
    hidden = record is None or not (edit.sees_all or edit.identity.user in record.parties)
    if refusal is not None and (refusal.code != "forbidden" or not hidden):
        raise Refused(refusal.code, refusal.why)
    if record is None or hidden:
        raise Refused("not_found", "no such conflict")
    if standing is None and record.closed is None:
        raise Refused("unavailable", "this server has not come so far yet; try again")
    return record


def mode_of(record: ConflictRecord) -> Mode:
    """A set-aside edit is forced, an overwritten value set back as anybody would set it."""
    return "force" if record.kind == "aside" else "live"


def ops_of(tree: Tree, record: ConflictRecord, decision: Resolve) -> list[Op]:
    """The ops of a decision, numbered from 1. Raises Refused (`invalid`) where it does not fit the record."""
    if decision.choice == "theirs":
        return []
    values = None if decision.choice == "mine" else _values(record, decision.value)
    found = _waiting(record, values) if record.kind == "aside" else _set_back(tree, record, values)
    return [_numbered(op, place, decision.base) for place, op in enumerate(found, 1)]


def _numbered(op: Op, n: int, base: int) -> Op:
    """A delta keeps its base: it is against the text at it."""
    return structs.replace(op, n=n) if isinstance(op, ops.Text) else structs.replace(op, n=n, base=base)


def _values(record: ConflictRecord, value: Any) -> dict[str, Any]:
    """What to set under each path of a record. Raises Refused."""
    if value is UNSET:
        raise Refused("invalid", "the choice `value` comes with a value")
    paths = set(record.paths)
    if not paths or PLACEMENT in paths or record.code == DELETED:
        raise Refused("invalid", "this conflict is decided by `mine` or `theirs`")
    if len(paths) == 1:
        return {paths.pop(): value}
    if not isinstance(value, dict) or value.keys() != paths:
        raise Refused("invalid", f"the value is a map of these paths: {', '.join(sorted(paths))}")
    return value


# ---- ops that waited


def _waiting(record: ConflictRecord, values: dict[str, Any] | None) -> list[Op]:
    """The ops of a set-aside edit in order, with these values instead of its author's."""
    waiting = asked(record)
    if not waiting:
        raise Refused("invalid", "what waits cannot be read any more; it can be closed with `theirs`")
    if values is not None:
        waiting = [_with_values(op, record, values) for op in waiting]
    return _folded(waiting)


def _with_values(op: Op, record: ConflictRecord, values: dict[str, Any]) -> Op:
    if isinstance(op, ops.Text) and op.path in values and op.node == record.node:
        return ops.Update(n=op.n, base=op.base, node=op.node, set={op.path: values[op.path]})
    if not isinstance(op, ops.Update | ops.Configure) or not _is_about(op, record):
        return op
    changed = {path: values.get(path, value) for path, value in (op.set or {}).items()}
    changed |= {path: values[path] for path in op.unset or () if path in values}
    unset = [path for path in op.unset or () if path not in values]
    return structs.replace(op, set=changed or UNSET, unset=unset or UNSET)


def _is_about(op: ops.Update | ops.Configure, record: ConflictRecord) -> bool:
    if isinstance(op, ops.Configure):
        return not record.node and not record.connection
    return (op.node or "", op.connection or "") == (record.node, record.connection)


def _folded(waiting: list[Op]) -> list[Op]:
    """A delta on a text that waits with it becomes part of that text. Raises Refused where it does not fit."""
    folded: list[Op] = []
    texts: dict[Field, int] = {}  # -> the place of the op that sets that text
    for op in waiting:
        if isinstance(op, ops.Text) and (op.node, op.path) in texts:
            place = texts[op.node, op.path]
            folded[place] = _typed_on(folded[place], op)
            continue
        for field in _texts_of(op):
            texts[field] = len(folded)
        folded.append(op)
    return folded


def _texts_of(op: Op) -> list[Field]:
    if isinstance(op, ops.Update) and isinstance(op.node, str):
        return [(op.node, path) for path, value in (op.set or {}).items() if isinstance(value, str)]
    if not isinstance(op, ops.Insert):
        return []
    fields = [(op.node, "title"), (op.node, "description")]
    for field in ("template_data", "metadata"):
        values = getattr(op, field) or {}
        fields += [(op.node, f"{field}.{key}") for key, value in values.items() if isinstance(value, str)]
    return fields


def _typed_on(op: Op, typed: ops.Text) -> Op:
    if isinstance(op, ops.Update):
        changed = op.set or {}
        return structs.replace(op, set={**changed, typed.path: applied(changed[typed.path], typed.delta)})
    assert isinstance(op, ops.Insert), "only inserts and updates set a text"
    field, dot, key = typed.path.partition(".")
    if not dot:
        return structs.replace(op, **{field: applied(getattr(op, field) or "", typed.delta)})
    values = getattr(op, field)
    return structs.replace(op, **{field: {**values, key: applied(values[key], typed.delta)}})


# ---- values that were overwritten


def _set_back(tree: Tree, record: ConflictRecord, values: dict[str, Any] | None) -> list[Op]:
    if record.code == DELETED:
        return [ops.Restore(n=1, base=0, node=record.node)]
    if PLACEMENT in record.paths:
        return [_moved_back(tree, record.node, record.paths[PLACEMENT]["mine"])]
    wanted = {path: lost["mine"] for path, lost in record.paths.items()} if values is None else values
    changed = {path: value for path, value in wanted.items() if value is not None or values is not None}
    unset = [path for path in wanted if path not in changed]  # what was absent stands in a record as null
    fields: dict[str, Any] = {"n": 1, "base": 0, "set": changed or UNSET, "unset": unset or UNSET}
    if record.connection:
        return [ops.Update(connection=record.connection, **fields)]
    return [ops.Update(node=record.node, **fields)] if record.node else [ops.Configure(**fields)]


def _moved_back(tree: Tree, node: str, place: dict[str, Any]) -> Op:
    """Under the parent that was lost, behind what stood before it then."""
    siblings = [one for one in tree.siblings(place["parent"]) if one[1] != node]
    behind = bisect_left(siblings, (place["order"], node)) - 1
    after = siblings[behind][1] if behind >= 0 else None
    position = msgspec.convert(place["position"], Point)
    return ops.Move(n=1, base=0, node=node, parent=place["parent"], after=after, position=position)
