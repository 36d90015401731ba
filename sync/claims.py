"""What an op is about, in the words of conflict records: what it would change, and what it stands on.

A later op of a client that stands on what a set-aside op of his would have made, or changes the same field or
placement, joins that op's record (SEMANTICS 24).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from sync import ops
from sync.backlog import Thing
from sync.conflict_records import ConflictRecord
from sync.ops import Op
from sync.values import is_view_state

Claim = tuple[Thing, str]  # a thing, and the path in it

MADE = ""  # the thing itself, which an insert, import or connect would make
PLACEMENT = "placement"  # parent and order, as one
REMOVED = "removed"  # whether it is in the trash, or disconnected


def claims_of(op: Op) -> list[Claim]:
    """What an op would change; view state apart, which leaves no records (SEMANTICS 18)."""
    return _CLAIMS[type(op)](op)


def ground_of(op: Op) -> list[Claim]:
    """What must have been made before an op can be applied, itself included where it makes something."""
    if isinstance(op, ops.Connect):
        return [((op.connection,), MADE), (op.source, MADE), (op.target, MADE)]
    named = [getattr(op, "node", None), getattr(op, "parent", None)]
    connection = getattr(op, "connection", None)
    made: list[Claim] = [(one, MADE) for one in named if isinstance(one, str)]
    return [*made, ((connection,), MADE)] if isinstance(connection, str) else made


def asked(record: ConflictRecord) -> list[Op]:
    """The ops that wait in a record, in order; none where another release wrote them in another way."""
    try:
        return msgspec.convert(record.ops, list[Op])
    except msgspec.ValidationError:
        return []


def thing_of(record: ConflictRecord) -> Thing:
    return record.node or ((record.connection,) if record.connection else None)


def _update(op: ops.Update) -> list[Claim]:
    thing: Thing = (op.connection,) if isinstance(op.connection, str) else op.node or None
    return _fields(thing, (*(op.set or ()), *(op.unset or ())))


def _fields(thing: Thing, paths: Iterable[str]) -> list[Claim]:
    return [(thing, path) for path in paths if not is_view_state(path)]


def _move(op: ops.Move) -> list[Claim]:
    drag = op.parent is msgspec.UNSET and op.after is msgspec.UNSET
    return [] if drag else [(op.node, PLACEMENT)]


def _import(op: ops.Import) -> list[Claim]:
    return [*((node.id, MADE) for node in op.nodes), *(((one.id,), MADE) for one in op.connections)]


_CLAIMS: dict[type[Op], Callable[[Any], list[Claim]]] = {
    ops.Insert: lambda op: [(op.node, MADE)],
    ops.Update: _update,
    ops.Text: lambda op: [(op.node, op.path)],
    ops.Move: _move,
    ops.Delete: lambda op: [(op.node, REMOVED)],
    ops.Restore: lambda op: [(op.node, REMOVED)],
    ops.Purge: lambda op: [],
    ops.Connect: lambda op: [((op.connection,), MADE)],
    ops.Disconnect: lambda op: [((op.connection,), REMOVED)],
    ops.Configure: lambda op: _fields(None, (*(op.set or ()), *(op.unset or ()))),
    ops.Import: _import,
}
