"""The newest changes of an open tree, by what they changed: what was written meanwhile, and what stood there before.

An op that was made against an older tree is judged by it: a delta is transformed over the changes of its field since
(SEMANTICS 14, 15), three-way merge and conflict records ask for the value at the base (13). It is complete above
`floor`; what lies below is read from the log before a batch is cut that needs it (16). Filling it is a list append: its
index is made when the first question comes, and most live edits never ask one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from sync.effects import Configure, Effect, Move, Text, Update
from sync.ports import LoggedOp
from sync.text import Delta, applied, difference

# What clients have not seen yet under heavy editing: 0.1 s at 2,500 ops/s. An older base is rare, and the log has it;
# with 1,000 kept, every edit of a busy room took 1.5 µs longer (20 against 18.5), for they fall out of the caches.
KEPT_OPS = 256
KEPT_BYTES = 1024 * 1024  # of the messages they came in: what they replaced was in memory before, and is not counted
KEPT_OPS_WAITED_FOR = 12_000  # while an edit waits that needs them: what was loaded (`resume_ops`) is not loaded twice
KEPT_BYTES_WAITED_FOR = 16 * 1024 * 1024

Thing = str | tuple[str] | None  # a node's id, a connection's in a tuple, None: the tree's own fields

_KINDS = frozenset({Update, Text, Configure, Move})


class _Batch(msgspec.Struct, frozen=True):
    """Ops that were confirmed together; `last` is the seq of the last, kept or not."""

    last: int
    size: int
    ops: list[LoggedOp]


class Backlog:
    """See the module. Nothing is dropped while a batch is cut: `trim` is called between batches."""

    __slots__ = ("_batches", "_chains", "_flight", "_indexed", "_kept", "_unchanged", "floor", "read_below", "size")

    def __init__(self, seq: int) -> None:
        self.floor = seq
        self.read_below = 0  # the floor before more was read of the log, which is kept while edits look back so far
        self.size = 0
        self._kept = 0
        self._batches: deque[_Batch] = deque()
        self._flight: list[LoggedOp] = []
        self._chains: dict[Thing, list[LoggedOp]] = {}  # of the ops through `_indexed`, oldest first
        self._indexed = seq
        self._unchanged: dict[tuple[Thing, str], int] = {}  # not changed in the log after this seq through the floor

    # ---- filling

    def keeps(self, effect: Effect) -> bool:
        return type(effect) in _KINDS

    def watch(self, flight: list[LoggedOp]) -> None:
        """The ops of a batch in the making: they are known here as they come."""
        self._flight = flight

    def truncate(self, seq: int) -> None:
        """The ops in flight after that seq are about to be taken back."""
        for op in reversed(self._flight):
            if op.seq <= seq:
                break
            if op.seq <= self._indexed:
                self._unlink(op, -1)
        self._indexed = min(self._indexed, max(seq, self.floor))

    def confirm(self, seq: int, ops: Sequence[LoggedOp], size: int | None = None) -> None:
        """These ops, the last of which has that seq, are in the log. `size`: of what they came in, in bytes."""
        self._flight = []
        kept = [op for op in ops if type(op.effect) in _KINDS]
        if kept:
            size = sum(map(_size, kept)) if size is None else size
            self._batches.append(_Batch(seq, size, kept))
            self._kept += len(kept)
            self.size += size

    @property
    def full(self) -> bool:
        """Whether nothing more may be loaded."""
        return self._exceeds(KEPT_OPS_WAITED_FOR, KEPT_BYTES_WAITED_FOR)

    def trim(self, waited_for: bool = False) -> None:
        """Drop the oldest beyond the bounds."""
        bounds = (KEPT_OPS_WAITED_FOR, KEPT_BYTES_WAITED_FOR) if waited_for else (KEPT_OPS, KEPT_BYTES)
        if not waited_for:
            self.read_below = 0
        while len(self._batches) > 1 and self._exceeds(*bounds):
            batch = self._batches.popleft()
            self._kept -= len(batch.ops)
            self.size -= batch.size
            for op in batch.ops:
                if op.seq > self._indexed:
                    break
                self._unlink(op, 0)
            self.floor = batch.last
            self._indexed = max(self._indexed, batch.last)
            self._unchanged.clear()

    def _exceeds(self, ops: int, size: int) -> bool:
        return self._kept > ops or self.size > size

    def load(self, after: int, rows: Sequence[LoggedOp]) -> None:
        """Take the log between `after` and the floor."""
        kept = [row for row in rows if type(row.effect) in _KINDS]
        self.read_below = max(self.read_below, self.floor)
        batch = _Batch(self.floor, sum(map(_size, kept)), kept)
        self._batches.appendleft(batch)
        self._kept += len(kept)
        self.size += batch.size
        self.floor = self._indexed = after
        self._chains.clear()

    # ---- asking

    def reaches(self, thing: Thing, path: str, seq: int) -> bool:
        """Whether every change of that path after a seq is known here."""
        return seq >= self.floor or self._unchanged.get((thing, path), self.floor) <= seq

    def unchanged(self, thing: Thing, path: str, seq: int) -> None:
        """Its mark says that this path was not changed after that seq, which lies below the floor."""
        known = self._unchanged.get((thing, path), seq)
        self._unchanged[thing, path] = min(known, seq)

    def changes(self, thing: Thing, path: str, after: int) -> list[LoggedOp]:
        """The changes of a path after a seq, oldest first."""
        self._index()
        found: list[LoggedOp] = []
        for op in reversed(self._chains.get(thing, ())):
            if op.seq <= after:
                break
            if changed(op.effect, path):
                found.append(op)
        found.reverse()
        return found

    def value_at(self, thing: Thing, path: str, seq: int, now: Any) -> Any | UnsetType:
        """The value of a path right after a seq, given what it is now; None where it was absent, UNSET where that is
        not known here."""
        if not self.reaches(thing, path, seq):
            return UNSET
        value = now
        for op in reversed(_through_first_set(self.changes(thing, path, seq))):
            value = before(op, path, value)
        return value

    def placement_at(self, node: str, seq: int) -> dict[str, Any] | UnsetType:
        """Parent and order key of a node right after a seq, where it was moved since; else UNSET."""
        if seq < self.floor:
            return UNSET
        self._index()
        moves = (op for op in self._chains.get(node, ()) if op.seq > seq and type(op.effect) is Move)
        first = next(moves, None)
        return UNSET if first is None else {"parent": first.inverse["parent"], "order": first.inverse["order"]}

    # ---- the index

    def _index(self) -> None:
        """Read what came since the last question."""
        unread = list(takewhile(lambda op: op.seq > self._indexed, self._newest_first()))
        for op in reversed(unread):
            if _counts(op):
                self._chains.setdefault(_thing(op.effect), []).append(op)
        if unread:
            self._indexed = unread[0].seq

    def _newest_first(self) -> Iterator[LoggedOp]:
        yield from (op for op in reversed(self._flight) if type(op.effect) in _KINDS)
        for batch in reversed(self._batches):
            yield from reversed(batch.ops)

    def _unlink(self, op: LoggedOp, end: int) -> None:
        if not _counts(op):
            return
        thing = _thing(op.effect)
        chain = self._chains[thing]
        chain.pop(end)
        if not chain:
            del self._chains[thing]


def changed(effect: Effect, path: str) -> bool:
    """Whether an update, configure or text changed that path."""
    kind = type(effect)
    if kind is Text:
        return bool(effect.path == path)  # type: ignore[union-attr]
    if kind is Move:
        return False
    return path in (effect.set or ()) or path in (effect.unset or ())  # type: ignore[union-attr]


def before(op: LoggedOp, path: str, after: Any) -> Any:
    """The value of a path before an op that changed it, given the value after it; None where it was absent."""
    if type(op.effect) is Text:
        return applied(text_of(after), op.inverse["delta"])
    return op.inverse["set"].get(path)


def delta_of(op: LoggedOp, path: str) -> Delta:
    """What an op did to the text at a path (SEMANTICS 15: a set is the delta of its common prefix and suffix)."""
    effect = op.effect
    if type(effect) is Text:
        return effect.delta
    changes = effect.set if isinstance(effect, Update) else UNSET
    return difference(text_of(op.inverse["set"].get(path)), text_of((changes or {}).get(path)))


def text_of(value: Any) -> str:
    """What a value is to a delta: what is no text, or is not there, is the empty one."""
    return value if type(value) is str else ""


def _through_first_set(changes: list[LoggedOp]) -> list[LoggedOp]:
    """The changes up to the first that keeps the whole value before it: what followed does not matter."""
    for place, op in enumerate(changes):
        if type(op.effect) is not Text:
            return changes[: place + 1]
    return changes


def _counts(op: LoggedOp) -> bool:
    """Whether an op is ever asked for: a drag changes nothing that is."""
    effect, inverse = op.effect, op.inverse
    if type(effect) is not Move:
        return type(effect) in _KINDS
    return effect.parent != inverse.get("parent") or effect.order != inverse.get("order")


def _thing(effect: Effect) -> Thing:
    kind = type(effect)
    if kind is Configure:
        return None
    if kind is Update and not isinstance(effect.node, str):  # type: ignore[union-attr]
        return (effect.connection,)  # type: ignore[union-attr,return-value]
    return effect.node  # type: ignore[union-attr,return-value]


def _size(op: LoggedOp) -> int:
    """Roughly what an op keeps from being freed: the texts in it and those it replaced."""
    effect = op.effect
    kind = type(effect)
    if kind is Text:
        parts = (*effect.delta, *op.inverse.get("delta", ()))  # type: ignore[union-attr]
        return sum(len(part) for part in parts if type(part) is str)
    if kind is Move:
        return 0
    size = 0
    for value in (effect.set or {}).values():  # type: ignore[union-attr]
        size += len(value) if type(value) is str else _spread(value)
    for value in op.inverse.get("set", {}).values():
        size += len(value) if type(value) is str else _spread(value)
    return size


def _spread(value: Any) -> int:
    """The same for a value that may hold others."""
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            size += len(one)
        elif isinstance(one, dict):
            size += sum(map(len, one))
            waiting.extend(one.values())
        elif isinstance(one, list):
            size += 8 * len(one)
            waiting.extend(one)
    return size
