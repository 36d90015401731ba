"""Which fields an op gives a value to, and what it would make of a text there. Sans-I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from sync import ops
from sync.ops import Op
from sync.text import applied, composed
from sync.values import Refused

Field = tuple[str, str]  # of a node: (its id, the path)


def touches(op: Op, field: Field) -> bool:
    """Whether it sets that field, edits its text, or makes its node."""
    node, path = field
    match op:
        case ops.Text():
            return op.node == node and op.path == path
        case ops.Update():
            return op.node == node and (path in (op.set or ()) or path in (op.unset or ()))
        case ops.Insert():
            return op.node == node
        case ops.Import():
            return any(made.id == node for made in op.nodes)
    return False


def touched(op: Op, fields: Collection[Field]) -> list[Field]:
    """Those of the fields that it touches."""
    match op:
        case ops.Text():
            named = [(op.node, op.path)]
        case ops.Update() if isinstance(op.node, str):
            named = [(op.node, path) for path in (*(op.set or ()), *(op.unset or ()))]
        case ops.Insert() | ops.Import():
            return [field for field in fields if touches(op, field)]
        case _:
            return []
    return [field for field in named if field in fields]


def text_after(op: Op, field: Field, before: str) -> str:
    """The text of a field that it touches once it is done; `before` where it would have no effect."""
    node, path = field
    match op:
        case ops.Text():
            try:
                return applied(before, op.delta)
            except Refused:
                return before
        case ops.Update():
            return as_text((op.set or {}).get(path))
        case ops.Insert():
            return as_text(_value(op, path))
        case ops.Import():
            return next((as_text(_value(made, path)) for made in op.nodes if made.id == node), before)
    return before


def as_text(value: Any) -> str:
    """What is no text is the empty text (SEMANTICS 15)."""
    return value if isinstance(value, str) else ""


def _value(op: ops.Insert | ops.ImportedNode, path: str) -> Any:
    prefix, dot, key = path.partition(".")
    value: Any = getattr(op, prefix, None)
    return (value or {}).get(key) if dot else value


def folded(op: Op, delta: ops.Text) -> Op | None:
    """One op that does both, where an op that was not sent yet gives that field its text; None where it cannot."""
    match op:
        case ops.Text():
            return _replaced(op, delta=composed(op.delta, delta.delta))
        case ops.Update() if isinstance((op.set or {}).get(delta.path), str):
            assert isinstance(op.set, dict)
            text = applied(op.set[delta.path], delta.delta)
            return _replaced(op, set={**op.set, delta.path: text})
        case ops.Insert():
            return _inserted(op, delta)
    return None


def _inserted(op: ops.Insert, delta: ops.Text) -> Op | None:
    prefix, dot, key = delta.path.partition(".")
    if not dot:
        return _replaced(op, **{prefix: applied(as_text(_value(op, delta.path)), delta.delta)})
    held: dict[str, Any] = getattr(op, prefix) or {}
    if not isinstance(held.get(key, ""), str):
        return None
    return _replaced(op, **{prefix: {**held, key: applied(held.get(key, ""), delta.delta)}})


def _replaced(op: Op, **fields: Any) -> Op:
    made: Op = replace(op, **fields)
    return made


class Busy:
    """Fields that own ops give a value to which are sent and not confirmed: no delta may follow them yet."""

    def __init__(self) -> None:
        self._fields: set[Field] = set()
        self._nodes: set[str] = set()

    def add(self, op: Op) -> None:
        match op:
            case ops.Text():
                self._fields.add((op.node, op.path))
            case ops.Update() if isinstance(op.node, str):
                self._fields.update((op.node, path) for path in (*(op.set or ()), *(op.unset or ())))
            case ops.Insert():
                self._nodes.add(op.node)
            case ops.Import():
                self._nodes.update(made.id for made in op.nodes)
            case _:
                pass

    def holds(self, op: ops.Text) -> bool:
        return op.node in self._nodes or (op.node, op.path) in self._fields
