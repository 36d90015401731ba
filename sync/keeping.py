"""Keeping what a cut takes from people: ops that are set aside, values that are overwritten, records that end (P6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from sync import ops
from sync.backlog import Backlog, Thing
from sync.claims import PLACEMENT
from sync.conflict_records import ConflictRecord
from sync.judge import judge
from sync.losses import losses_of
from sync.moot import is_moot
from sync.ops import Op
from sync.pending import ClientKey, PendingEdit
from sync.ports import LoggedOp
from sync.protocol import Closing, ConflictDetail, ConflictPath
from sync.records import Records
from sync.text import applied, checked, composed
from sync.tree import Before, Tree
from sync.values import Refused
from sync.verdict import SET_ASIDE_CODES, Asking, SetAside, Verdict

Source = tuple[PendingEdit, int]  # an edit, and the place of an op in it


class Keeping:
    """The records of one cut, made at `now` (seconds since the epoch of Unix), and whose op made each change."""

    def __init__(self, records: Records, now: float) -> None:
        self.records = records
        self._sources: list[Source] = []
        self._now = now

    def undo(self, mark: int) -> None:
        """Take back what was changed since a mark of the records."""
        self.records.undo(mark)
        del self._sources[mark:]

    def changes(self) -> Iterator[tuple[ConflictRecord, Source]]:
        """Every step, in order: a record as it was then, and whose op it holds since."""
        return zip(self.records.versions(), self._sources, strict=True)

    def awaiting(self, op: Op, client: ClientKey) -> ConflictRecord | None:
        """The record that a replayed op belongs to, because it stands on what waits there (SEMANTICS 24)."""
        return self.records.awaited_by(op, client)

    def set_aside(self, source: Source, op: Op, content: dict[str, Any], aside: SetAside) -> ConflictRecord:
        """A whole op waits, as it was sent."""
        author = source[0].author
        record = ConflictRecord(
            id=0,
            node=getattr(op, "node", None) or "",
            connection=getattr(op, "connection", None) or "",
            user=author.user,
            client=author.client,
            n=op.n,
            base=op.base,
            code=aside.code,
            ops=[content],
            paths=msgspec.to_builtins(aside.paths),
            parties=sorted({author.user} | {path.by for path in aside.paths.values() if path.by}),
        )
        return self._noted(self.records.set_aside(record), source)

    def join(self, source: Source, record: ConflictRecord, op: Op, content: dict[str, Any]) -> ConflictRecord:
        """One op more, behind those that wait."""
        paths = _paths_with(record.paths, op) if record.paths else record.paths
        return self._noted(self.records.join(record, op, content, paths), source)

    def applied(
        self, tree: Tree, backlog: Backlog, source: Source, op: Op, verdict: Verdict, logged: LoggedOp, before: Before
    ) -> None:
        """An op was applied: what it decided is closed, what it overwrote is kept."""
        if self.records.open:
            self._close_moot(tree, source, op, logged, before)
        if verdict.overwrote is not UNSET:
            for loss in losses_of(op, logged, verdict.overwrote, before, backlog):
                self._noted(self.records.overwritten(loss, self._now), source)

    def close(self, source: Source, record: ConflictRecord, closing: Closing) -> None:
        self._noted(self.records.close(record, closing), source)

    def _close_moot(self, tree: Tree, source: Source, op: Op, logged: LoggedOp, before: Before) -> None:
        for record in self.records.about(_touched(before)):
            if is_moot(tree, record, op, logged.author.user):
                self.close(source, record, Closing(choice="moot", by=logged.author.user, seq=logged.seq))

    def _noted(self, record: ConflictRecord, source: Source) -> ConflictRecord:
        self._sources += [source] * (self.records.mark() - len(self._sources))
        return record


def check_joining(tree: Tree, op: Op, asking: Asking) -> None:
    """Raises Refused where an op could never be applied, whatever becomes of those before it."""
    if isinstance(op, ops.Text):
        checked(op.delta)
        return
    try:
        judge(tree, op, asking)
    except SetAside:
        return
    except Refused as refused:
        if refused.code not in SET_ASIDE_CODES:
            raise


def detail_of(record: ConflictRecord) -> ConflictDetail:
    """A record as its parties are told of it."""
    return ConflictDetail(
        id=record.id,
        kind=record.kind,
        node=record.node,
        connection=record.connection,
        user=record.user,
        client=record.client,
        n=record.n,
        base=record.base,
        code=record.code,
        ops=record.ops,
        paths=msgspec.convert(record.paths, dict[str, ConflictPath]),
        parties=record.parties,
        seqs=record.seqs,
        at=record.at,
        closed=record.closed or UNSET,
    )


def _touched(before: Before) -> list[Thing]:
    things: list[Thing] = [node_id for node_id, _ in before.nodes]
    things += [(connection_id,) for connection_id, _ in before.connections]
    return [*things, None] if before.details else things


def _paths_with(paths: dict[str, Any], op: Op) -> dict[str, Any]:
    """What a record shows as its author's, with one more of his ops."""
    changes: dict[str, Any] = {}
    if isinstance(op, ops.Update | ops.Configure):
        changes = {**(op.set or {}), **dict.fromkeys(op.unset or ())}
    elif isinstance(op, ops.Move) and PLACEMENT in paths:
        mine = {"parent": op.parent, "after": op.after}
        changes = {PLACEMENT: {**paths[PLACEMENT]["mine"], **{k: v for k, v in mine.items() if v is not UNSET}}}
    elif isinstance(op, ops.Text) and op.path in paths:
        changes = {op.path: _typed(paths[op.path]["mine"], op)}
    return {path: {**shown, "mine": changes[path]} if path in changes else shown for path, shown in paths.items()}


def _typed(mine: Any, op: ops.Text) -> Any:
    """A text, or a delta that waits, after one more delta."""
    try:
        return applied(mine or "", op.delta) if mine is None or isinstance(mine, str) else composed(mine, op.delta)
    except (Refused, TypeError):
        return mine
