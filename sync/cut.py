"""Cutting a batch: judging waiting edits against the tree, in order, and collecting what their commit must write.

Synchronous from the first op to the last; the tree is ahead of what is confirmed until the batch settles, and
`Cut.undo` takes it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec
from msgspec import UNSET

from sync.activities import activity_of
from sync.answers import answered_again, target_asked, without_id
from sync.apply import RESPACE, Stamp, apply, inverse
from sync.backlog import Backlog
from sync.codec import Malformed
from sync.conflict_records import ConflictRecord
from sync.effects import Effect, Purge
from sync.identity import Author
from sync.judge import judge
from sync.judged import Judged, Reached
from sync.keeping import Keeping, Source, check_joining
from sync.ladders import MOST_WORK, Ladders
from sync.limits import Limits
from sync.merge import WORK_OF_AN_EDIT
from sync.ops import Delete, Move, Op, Text
from sync.pending import ClientKey, Numbered, PendingEdit, PendingResolve, Refusal
from sync.planned import PendingPlan
from sync.ports import Batch, ClientCounter, ConnectionRow, First, LoggedOp, NodeRow, StoredResult
from sync.protocol import UNCONSUMED, Closing, Error, RejectionCode, Resolved, Result
from sync.records import Records
from sync.resolution import decidable, mode_of, ops_of
from sync.rows import changed_rows, emptied, number_nodes, purged_rows
from sync.shown import Shown
from sync.tree import Before, Tree
from sync.untyped import unstorable
from sync.values import Refused
from sync.verdict import SET_ASIDE_CODES, Asking, SetAside, Verdict

_STRUCTURAL = (Delete, Move)  # what a writer who is still catching up may not do (SEMANTICS 22)


class Cut:
    """One batch in the making. `counters` starts as the room's and is only changed here."""

    def __init__(
        self,
        tree: Tree,
        *,
        seq: int,
        now: float,
        records: Records,
        limits: Limits,
        backlog: Backlog,
        counters: dict[ClientKey, int],
        firsts: dict[Numbered, First],
        respace_id: str,
    ) -> None:
        self.tree = tree
        self.seq = seq
        self.keeping = Keeping(records, now)
        self.judged: list[Judged] = []
        self.ops: list[LoggedOp] = []
        self.results: list[StoredResult] = []
        self.used: dict[ClientKey, int] = {}
        self._limits = limits
        self._backlog = backlog
        backlog.watch(self.ops)
        self._ladders: Ladders | None = None  # of the texts that the edit in hand has changed
        self._merging = [WORK_OF_AN_EDIT]
        self._shown: Shown | None = None  # by the results of the edit in hand, made where one has a record to show
        self._asked: Asking | None = None  # for the edit in hand, but for its deltas
        self.work = 0.0  # on texts and plans, in shares of what one edit may do
        self._counters = counters
        self._firsts = firsts
        self._answered: dict[tuple[ClientKey, int], tuple[Op | Malformed, Result]] = {}
        self._befores: list[Before] = []
        self._sources: list[Source | None] = []  # whose op each logged one is; None: the server's
        self._respace = Author(user="treesync", client=RESPACE + respace_id, via="server")
        self._respaced = 0

    # ---- judging

    def take(self, edit: PendingEdit, refusal: Refusal | None) -> None:
        """Judge a whole edit; its results stand in `judged`."""
        self._ladders, self._merging, self._shown, self._asked = None, [WORK_OF_AN_EDIT], None, None
        self._judge_all(edit, refusal)
        self.work += 1 - self._merging[0] / WORK_OF_AN_EDIT
        if self._ladders is not None:
            self.work += 1 - self._ladders.left[0] / MOST_WORK

    def _judge_all(self, edit: PendingEdit, refusal: Refusal | None) -> None:
        if isinstance(edit, PendingResolve):
            self.judged.append(Judged(edit, answer=self._resolve(edit, refusal)))
        elif isinstance(edit, PendingPlan):
            self._carry_out_plan(edit, refusal)
        elif refusal is not None:
            results = [self._refused(edit, op, refusal) for op in edit.ops]
            self.judged.append(Judged(edit, results))
        elif edit.mode == "replay" and edit.policy == "all_or_nothing":
            self._take_whole(edit)
        else:
            self.judged.append(Judged(edit, [self._answer(edit, place, op) for place, op in enumerate(edit.ops)]))

    def _refused(self, edit: PendingEdit, op: Op | Malformed, refusal: Refusal) -> Result:
        if op.n <= self._last_n(edit):
            return self._duplicate(edit, op)
        return Result(n=op.n, status="rejected", code=refusal.code, why=refusal.why)

    def _take_whole(self, edit: PendingEdit) -> None:
        """All or nothing: where one op would not land, everything this edit did is taken back (SEMANTICS 27)."""
        kept = self._reached()
        last_n, counted = self.used.get(edit.client), self._last_n(edit)
        results = [self._answer(edit, place, op) for place, op in enumerate(edit.ops)]
        if all(result.status not in ("conflict", "rejected") for result in results):
            self.judged.append(Judged(edit, results, landed=True))
            return
        self._take_back(kept)
        for op in edit.ops:
            if op.n > counted:  # what was answered before this edit stays so
                self._answered.pop((edit.client, op.n), None)
        if last_n is None:
            self.used.pop(edit.client, None)
        else:
            self.used[edit.client] = last_n
        blocking = [without_id(result) for result in results if result.status in ("conflict", "rejected")]
        self.judged.append(Judged(edit, blocking, landed=False))

    def _carry_out_plan(self, edit: PendingPlan, refusal: Refusal | None) -> None:
        self.work += 1  # it compares whole trees, also where it finds nothing to do
        if not edit.prepare(self.tree, self.seq, self._last_n(edit), self._limits, refusal):
            self.judged.append(Judged(edit))
        elif edit.ops:
            self._take_whole(edit)
            edit.judged(self.judged[-1].results, self.judged[-1].landed is True)
        else:  # so that asked again it is known to have been done
            self.used[edit.client] = 1
            user, client = edit.client
            self.results.append(StoredResult(user=user, client=client, n=1, target="", status="unchanged"))
            self.judged.append(Judged(edit))

    def _reached(self) -> Reached:
        return Reached(self.seq, len(self.ops), len(self.results), self.keeping.records.mark())

    def _take_back(self, place: Reached) -> None:
        """Undo what was done since; what it was answered is the caller's."""
        self.seq = place.seq
        for before in reversed(self._befores[place.ops :]):
            self.tree.undo(before)
        self._backlog.truncate(self.seq)
        self.keeping.undo(place.records)
        del self._befores[place.ops :], self._sources[place.ops :], self.ops[place.ops :], self.results[place.results :]

    def _resolve(self, edit: PendingResolve, refusal: Refusal | None) -> Resolved | Error:
        """Carry out a decision: all of it, with the record closed, or nothing."""
        kept: Reached | None = None
        try:
            record = decidable(edit, self.keeping.records.standing(edit.decision.conflict), refusal)
            kept = self._reached()
            closing = record.closed or self._decide(edit, record)
        except Refused as refused:
            if kept is not None:
                self._take_back(kept)
            return Error(code=refused.code, why=refused.why, ref=edit.ref, tree=edit.tree)
        return Resolved(ref=edit.ref, tree=edit.tree, conflict=edit.decision.conflict, closed=closing)

    def _decide(self, edit: PendingResolve, record: ConflictRecord) -> Closing:
        decision = edit.decision
        if decision.base > self.seq:
            raise Refused("invalid", f"base {decision.base} lies ahead of the tree")
        edit.mode, seq = mode_of(record), self.seq
        ops = ops_of(self.tree, record, decision)
        self._ladders = self._ladders_over(edit, ops)
        for place, op in enumerate(ops):
            self._carry_out(edit, place, op)
        closing = Closing(choice=decision.choice, by=edit.author.user, seq=self.seq if self.seq > seq else 0)
        self.keeping.close((edit, 0), record, closing)
        return closing

    def _carry_out(self, edit: PendingEdit, place: int, op: Op) -> None:
        self._check(edit, place, op)
        try:
            verdict = judge(self.tree, op, self._asking(edit, op))
        except SetAside as aside:
            raise Refused(aside.code or "invalid", "it cannot be applied as things are now") from aside
        if verdict.effect is not None:
            self._apply(edit, place, op, verdict)

    def _answer(self, edit: PendingEdit, place: int, op: Op | Malformed) -> Result:
        last_n = self._last_n(edit)
        if op.n <= last_n:
            return self._duplicate(edit, op)
        if op.n > last_n + 1:
            why = f"n {last_n + 1} comes next"
            return Result(n=op.n, status="rejected", code="gap", why=why, expected=last_n + 1)
        result = self._judge(edit, place, op)
        if result.code is UNSET or result.code not in UNCONSUMED:
            self.used[edit.client] = op.n
            self._answered[edit.client, op.n] = (op, result)
        return result

    def _last_n(self, edit: PendingEdit) -> int:
        used = self.used.get(edit.client)
        return self._counters.get(edit.client, 0) if used is None else used

    def _duplicate(self, edit: PendingEdit, op: Op | Malformed) -> Result:
        """The first answer again; from this very batch, or as storage recalls it (P2)."""
        answered = self._answered.get((edit.client, op.n))
        if answered is not None:
            target, first = target_asked(answered[0]), msgspec.to_builtins(answered[1])
        else:
            recalled = self._firsts.get((*edit.client, op.n))
            if recalled is None:
                return Result(n=op.n, status="duplicate", first={"n": op.n, "status": "unknown"})
            target, first = recalled.target, recalled.result
        return answered_again(op, target, first)

    def _judge(self, edit: PendingEdit, place: int, op: Op | Malformed) -> Result:
        try:
            if isinstance(op, Malformed):
                raise Refused("invalid", op.why)
            self._check(edit, place, op)
            asking = self._asking(edit, op)
            awaited = self.keeping.awaiting(op, edit.client) if edit.mode == "replay" else None
            if awaited is None:
                return self._apply(edit, place, op, judge(self.tree, op, asking))
            check_joining(self.tree, op, asking)
            return self._set_aside(edit, place, op, awaited)
        except SetAside as aside:
            return self._set_aside(edit, place, op, aside)
        except Refused as refused:
            if edit.mode == "replay" and refused.code in SET_ASIDE_CODES:
                return self._set_aside(edit, place, op, SetAside({}, refused.code))
            return self._reject(edit, op, refused)

    def _check(self, edit: PendingEdit, place: int, op: Op) -> None:
        """Raises Refused for what no op may, whatever it is about."""
        if place in edit.poisoned:
            raise Refused("invalid", "the database cannot hold this value")
        if op.base > self.seq:
            raise Refused("invalid", f"base {op.base} lies ahead of the tree")
        if isinstance(op, _STRUCTURAL) and edit.participant is not None and not edit.participant.live:
            raise Refused("stale", "still catching up; send it again")

    def _asking(self, edit: PendingEdit, op: Op) -> Asking:
        if type(op) is Text:
            ladders = self._ladders = self._ladders or self._ladders_over(edit, edit.ops)
            return Asking(*edit.client, edit.mode, self._limits, self._backlog, ladders, self._merging)
        if self._asked is None:
            self._asked = Asking(*edit.client, edit.mode, self._limits, self._backlog, None, self._merging)
        return self._asked

    def _ladders_over(self, edit: PendingEdit, ops: Sequence[Op | Malformed]) -> Ladders:
        oldest = self.seq - self._limits.resume_ops
        return Ladders(ops, edit.client, self._backlog, oldest, partial(self._first_of, edit.client))

    def _first_of(self, client: ClientKey, n: int) -> tuple[str, int]:
        """What became of an op: the status and seq of its first answer; ("", 0) where it got none yet."""
        answered = self._answered.get((client, n))
        if answered is not None:
            return answered[1].status, answered[1].seq or 0
        recalled = self._firsts.get((*client, n))
        return ("", 0) if recalled is None else (recalled.result["status"], recalled.result.get("seq", 0))

    # ---- collecting

    def _apply(self, edit: PendingEdit, place: int, op: Op, verdict: Verdict) -> Result:
        if verdict.effect is None:
            self._store_result(edit, op, verdict.status)
            return Result(n=op.n, status=verdict.status)
        for move in verdict.respaced:
            self._respaced += 1
            self._log(move, self._respace, self._respaced, "live", "")
            self._sources.append(None)
        logged = self._log(verdict.effect, edit.author, op.n, edit.mode, activity_of(op))
        self._sources.append((edit, place))
        if verdict.overwrote is not UNSET or self.keeping.records.open:
            self.keeping.applied(self.tree, self._backlog, (edit, place), op, verdict, logged, self._befores[-1])
        return Result(
            n=op.n,
            status=verdict.status,
            seq=self.seq,
            effective=verdict.effect if verdict.differs else UNSET,
            in_trash=verdict.in_trash,
            overwrote=verdict.overwrote,
        )

    def _log(self, effect: Effect, author: Author, n: int, mode: str, activity: str) -> LoggedOp:
        self.seq += 1
        number_nodes(effect, self.seq)
        before = apply(self.tree, effect, Stamp(self.seq, author.user, author.client))
        self._befores.append(before)
        op = LoggedOp(
            seq=self.seq,
            n=n,
            author=author,
            effect=effect,
            inverse=inverse(effect, before),
            mode=mode,
            activity=activity,
        )
        self.ops.append(op)
        return op

    def _set_aside(self, edit: PendingEdit, place: int, op: Op | Malformed, aside: SetAside | ConflictRecord) -> Result:
        """The op waits: in a record of its own, or behind those whose record it joins."""
        assert not isinstance(op, Malformed), "what cannot be read cannot be set aside"
        content = msgspec.to_builtins(op)
        why = unstorable(content)
        if why is not None:  # in an id, or in `was`, which nobody judged
            return self._reject(edit, op, Refused("invalid", why))
        if isinstance(aside, ConflictRecord):
            record = self.keeping.join((edit, place), aside, op, content)
        elif self.keeping.records.is_full(edit.author.user):
            return self._reject(edit, op, Refused("rate", "too many edits wait for a decision; decide some first"))
        else:
            record = self.keeping.set_aside((edit, place), op, content, aside)
        self._store_result(edit, op, "conflict", conflict=record.id)
        self._shown = self._shown or Shown()
        return Result(n=op.n, status="conflict", conflict=self._shown.view(record))

    def _reject(self, edit: PendingEdit, op: Op | Malformed, refused: Refused) -> Result:
        code: RejectionCode = refused.code  # type: ignore[assignment]  # judges raise codes of the table only
        if code not in UNCONSUMED:
            self._store_result(edit, op, "rejected", code=code)
        return Result(n=op.n, status="rejected", code=code, why=refused.why)

    def _store_result(
        self, edit: PendingEdit, op: Op | Malformed, status: str, *, code: str = "", conflict: int = 0
    ) -> None:
        user, client = edit.client
        self.results.append(
            StoredResult(
                user=user, client=client, n=op.n, target=target_asked(op), status=status, code=code, conflict=conflict
            )
        )

    # ---- what the commit writes, and taking it back

    @property
    def writes(self) -> bool:
        return bool(self.used or self.ops or self.records)

    @property
    def records(self) -> list[ConflictRecord]:
        """The conflict records that this batch opens or changes."""
        return self.keeping.records.changed()

    def rows(self) -> tuple[list[NodeRow], list[ConnectionRow], bool]:
        """Every changed node and connection as it stands now, each once; whether the tree's own fields changed."""
        return changed_rows(self.tree, self.ops, self._befores)

    def purged(self) -> tuple[list[str], list[str]]:
        """Ids of the nodes and connections that are gone for good."""
        if not any(type(op.effect) is Purge for op in self.ops):
            return [], []
        return purged_rows(self.tree, self._befores)

    def first_ops(self, batch: Batch, count: int) -> Batch:
        """What a commit of only the first `count` ops of a batch would write, to learn whether the database can hold
        them. The tree is taken back and made again on the way."""
        first = emptied(batch)
        first.ops = self.ops[:count]
        self.undo()
        self._apply_again(range(count))
        first.nodes, first.connections, details = changed_rows(self.tree, self.ops[:count], self._befores)
        first.purged_nodes, first.purged_connections = purged_rows(self.tree, self._befores[:count])
        if details:
            first.details, first.detail_marks = self.tree.details.details, self.tree.details.marks
        self._apply_again(range(count, len(self.ops)))
        return first

    def lone_records(self, batch: Batch) -> Iterator[tuple[Batch, Source]]:
        """Each conflict record of a batch by itself, every time that it grew, and whose op it holds since."""
        for record, source in self.keeping.changes():
            alone = emptied(batch)
            alone.conflicts = [record]
            yield alone, source

    def source(self, place: int) -> Source | None:
        """Whose op a logged one is; None: the server's."""
        return self._sources[place]

    def client_counters(self) -> list[ClientCounter]:
        return [ClientCounter(user=user, client=client, last_n=n) for (user, client), n in self.used.items()]

    def undo(self) -> None:
        for before in reversed(self._befores):
            self.tree.undo(before)

    def redo(self) -> None:
        """Apply again what `undo` took back; effective ops need no judging."""
        self._apply_again(range(len(self.ops)))

    def _apply_again(self, places: range) -> None:
        for op in self.ops[places.start : places.stop]:
            apply(self.tree, op.effect, Stamp(op.seq, op.author.user, op.author.client))
