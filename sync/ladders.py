"""From the text a delta was written on to the text as it is: what one edit's deltas are transformed over.

A delta of a message stands on the text at its base with its author's ops on that field before it in the same message
applied (SEMANTICS 14). So what others did since is a ladder that each of those ops walks, in turn: the op over every
rung, every rung over the op. An op of the message that was stored before walks it at its place in the log. Whatever
cannot be told for certain leaves the delta without effect and with its content kept: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from sync import ops
from sync.backlog import Backlog, delta_of, text_of
from sync.codec import Malformed
from sync.marks import CREATED, Marks, mark_of
from sync.ops import Op
from sync.pending import ClientKey
from sync.ports import LoggedOp
from sync.text import STEP, Delta, Exhausted, checked, difference, ladder
from sync.values import Refused

# Parts of deltas that one edit may have walked: 0.15 to 0.2 µs each, so that an edit holds up every room for 20 ms at
# most. A queue composes its deltas on a field to one before it has a number, so that an honest one needs as many steps,
# of 12 parts or so, as others have changed the field since.
MOST_WORK = 100_000
_CODE_POINTS = 64  # of the text, which every delta has copied some times, take as long as one part

First = Callable[[int], tuple[str, int]]  # n -> (status, seq) of its first answer; ("", 0): not answered


class OutOfReach(Exception):
    """A delta that cannot be brought to the text as it is; the argument says why."""


class _Field(msgspec.Struct):
    """One text, as far as the edit was judged: `rungs` (seq, delta) lead from its author's text to the tree's."""

    own: list[tuple[int, Op]]  # the edit's ops on the field, by their numbers
    start: int  # the seq at which the first of them stands
    read: int  # the log was taken in to here
    base: int
    rungs: list[tuple[int, Delta]] = []
    passed: int = 0  # how many of `own` have walked the ladder
    broken: Refused | OutOfReach | None = None


class Ladders:
    """The ladders of one edit, by field. What was changed since a seq before `oldest` is out of reach; `first` tells
    what became of an op. `left`: work that may yet be done; below zero the edit's further deltas are out of reach."""

    def __init__(
        self, edit: Sequence[Op | Malformed], client: ClientKey, backlog: Backlog, oldest: int, first: First
    ) -> None:
        self._edit = edit
        self._client = client
        self._backlog = backlog
        self._oldest = oldest
        self._first = first
        self._own: dict[tuple[str, str], dict[int, Op]] | None = None
        self._fields: dict[tuple[str, str], _Field] = {}
        self.left = [MOST_WORK]
        self._some = False  # whether one of its deltas was brought through

    def rungs(self, op: ops.Text, marks: Marks, text: str) -> list[Delta]:
        """What others did to the text since this delta's author saw it, as he would see it now, oldest first.

        Raises OutOfReach; Refused (`stale`) where an op of his own that he had not seen stands between.
        """
        self._spend(len(op.delta) + len(text) // _CODE_POINTS)
        if len(self._edit) == 1 and mark_of(marks, op.path).seq <= op.base:
            return []
        field = self._fields.get((op.node, op.path))
        if field is None:
            field = self._fields[op.node, op.path] = self._begin(op, marks)
        self._advance(field, op, text)
        if field.broken is not None:
            raise field.broken
        self._stand_on(field, op)
        return [delta for _, delta in field.rungs]

    def walked(self, op: ops.Text, rungs: Sequence[Delta]) -> None:
        """The delta walked the ladder, and these are its rungs now."""
        self._some = True
        field = self._fields.get((op.node, op.path))
        if field is not None:
            _replace(field, rungs)
            field.passed += 1

    # ---- the field so far

    def _begin(self, op: ops.Text, marks: Marks) -> _Field:
        own = sorted(self._on_field(op).items())
        start = max(own[0][1].base, marks[CREATED].seq)
        field = _Field(own=own, start=start, read=start, base=start)
        known = start >= self._oldest and self._backlog.reaches(op.node, op.path, start)
        if mark_of(marks, op.path).seq > start and not known:
            field.broken = OutOfReach("it was made against a text that is too old")
        return field

    def _on_field(self, op: ops.Text) -> dict[int, Op]:
        """The edit's ops on one field; of ops with one number only the first counts, the others are answered by it."""
        if self._own is None:
            self._own = {}
            for one in self._edit:
                for field in _fields_of(one):
                    self._own.setdefault(field, {}).setdefault(one.n, one)  # type: ignore[arg-type]
        return self._own[op.node, op.path]

    def _advance(self, field: _Field, op: ops.Text, text: str) -> None:
        """Take in the log, and let the edit's ops before this one walk the ladder, each at its place."""
        mine = {n for n, _ in field.own}
        for change in self._backlog.changes(op.node, op.path, field.read):
            field.read = change.seq
            if (change.author.user, change.author.client) != self._client:
                field.rungs.append((change.seq, delta_of(change, op.path)))
            elif change.n not in mine:
                field.broken = Refused("stale", "an op of this client on the field has not come back to it yet")
                return
            else:
                self._pass_through(field, op, change, text)
        while field.passed < len(field.own) and field.own[field.passed][0] < op.n:
            self._pass_unlogged(field, op.path, text)

    def _pass_through(self, field: _Field, op: ops.Text, change: LoggedOp, text: str) -> None:
        """Let the edit's ops through the logged one walk the ladder."""
        path = op.path
        while field.passed < len(field.own) and field.own[field.passed][0] < change.n:
            since = len(self._backlog.changes(op.node, path, change.seq - 1))
            self._spend(since * (STEP + len(text) // _CODE_POINTS))
            self._pass_unlogged(field, path, text_of(self._backlog.value_at(op.node, path, change.seq - 1, text)))
        if field.passed == len(field.own) or field.own[field.passed][0] != change.n:
            return  # it has walked, in this very batch
        own = field.own[field.passed][1]
        field.passed += 1
        self._stand_on(field, own)
        if isinstance(own, ops.Text):
            delta = self._step(field, own)
            if delta != delta_of(change, path):
                field.broken = OutOfReach("what it builds on was stored otherwise")
        else:
            field.broken = None
            field.rungs = _way(change.seq, _asked(own, path), _asked(change.effect, path))

    def _pass_unlogged(self, field: _Field, path: str, text: str) -> None:
        """The next op of the edit left no change of this field in the log. `text`: what the tree had then, or later."""
        n, own = field.own[field.passed]
        field.passed += 1
        status, seq = self._first(n)
        if status in ("applied", "merged") and 0 < seq <= field.start:
            return  # the text at the base has it
        if status not in ("applied", "merged", "unchanged"):
            field.broken = field.broken or OutOfReach(f"it builds on op {n}, which is not in the tree")
        elif isinstance(own, ops.Text):
            self._stand_on(field, own)
            delta = self._step(field, own)
            if delta:
                field.broken = OutOfReach(f"it builds on op {n}, which is not in the tree")
        else:
            field.broken = None
            field.rungs = _way(field.read, _asked(own, path), text)

    def _stand_on(self, field: _Field, own: Op) -> None:
        """What its author had seen is no rung any more. He had seen what he saw for an op before it, too."""
        field.base = max(field.base, own.base)
        field.rungs = [rung for rung in field.rungs if rung[0] > field.base]

    def _step(self, field: _Field, own: ops.Text) -> Delta:
        """An op before the one that is asked about walks the ladder."""
        try:
            delta, rungs = ladder(checked(own.delta), [rung for _, rung in field.rungs], self.left)
        except Exhausted as exhausted:
            raise self.too_long() from exhausted
        _replace(field, rungs)
        return delta

    def _spend(self, work: int) -> None:
        self.left[0] -= work
        if self.left[0] < 0:
            raise self.too_long()

    def too_long(self) -> OutOfReach | Refused:
        """Why a delta takes too much: it alone, or with those before it, and then it may come in another message."""
        return Refused("stale", "too much for one edit") if self._some else OutOfReach("it would take too long")


def _fields_of(op: Op | Malformed) -> list[tuple[str, str]]:
    """The texts of nodes that an op of an edit may change."""
    if isinstance(op, ops.Text):
        return [(op.node, op.path)]
    if isinstance(op, ops.Update) and isinstance(op.node, str):
        return [(op.node, path) for path in (*(op.set or ()), *(op.unset or ()))]
    return []


def _asked(op: object, path: str) -> str:
    """The text that an update puts at a path."""
    return text_of((getattr(op, "set", None) or {}).get(path))


def _way(seq: int, mine: str, theirs: str) -> list[tuple[int, Delta]]:
    """The rungs from a text its author has set to the one that came of it."""
    return [] if mine == theirs else [(seq, difference(mine, theirs))]


def _replace(field: _Field, rungs: Sequence[Delta]) -> None:
    field.rungs = [(seq, rung) for (seq, _), rung in zip(field.rungs, rungs, strict=True)]
