"""A room without hub and database: edits are offered, judged and settled by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from storage.memory_rows import rfc3339
from sync.codec import Malformed
from sync.conflict_records import ConflictRecord
from sync.identity import Author, TreeKey
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details, Node
from sync.ops import Op
from sync.pending import Answer, PendingEdit, PendingResolve, Refusal
from sync.ports import Batch, First, Head, LoadedTree, NodeRow, Recalled, Receipt, Rights
from sync.protocol import Choice, Error, Outcome, Resolve, Resolved, Result
from sync.room import Room, Settled
from sync.session import Participant
from tests.hubs import identity

AT = "2026-01-05T10:00:00.000000Z"
Json = dict[str, Any]


def loaded(limit_seq: int = 1, **rights: Any) -> LoadedTree:
    """A tree with one node, `root`, made by ada at seq 1."""
    marks = {CREATED: Mark(1, "ada", "create:1")}
    node = Node(id="root", parent=None, order="a0", type="objective", title="Root", seq=1)
    return LoadedTree(
        key=TreeKey("acme", 7),
        head=Head(epoch="e1", commit=1, seq=limit_seq, mark="m1"),
        rights=Rights(version=1, owner="ada", visibility="tenant_edit", **rights),
        details=Details(name="Strategy"),
        detail_marks=marks,
        nodes=[NodeRow(node=node, marks=marks)],
        connections=[],
    )


class Bench:
    """A room and what a database would know of its clients."""

    def __init__(self, limits: Limits | None = None, **rights: Any) -> None:
        self.room = Room(loaded(**rights), limits or Limits())
        self.batches: list[Batch] = []
        self.kept: dict[int, ConflictRecord] = {}
        self.asked = 0
        self.now = datetime.fromisoformat(AT).timestamp()
        self._firsts: dict[tuple[str, str, int], First] = {}
        self._last: dict[tuple[str, str], int] = {}

    def edit(
        self,
        *ops: Json | Malformed,
        user: str = "bo",
        client: str = "",
        participant: Participant | None = None,
        size: int = 100,
        **fields: Any,
    ) -> PendingEdit:
        author = Author(user=user, client=client or f"{user}-1")
        return PendingEdit(
            identity=identity(user),
            author=author,
            ops=[op if isinstance(op, Malformed) else msgspec.convert({"base": 0, **op}, Op) for op in ops],
            mode=fields.pop("mode", "live"),
            policy=fields.pop("policy", "apply_clean"),
            ref=fields.pop("ref", UNSET),
            size=size,
            participant=participant,
            reply=unread,
            waiting_since=0.0,
        )

    def offer(self, *ops: Json | Malformed, **how: Any) -> Refusal | None:
        return self.room.offer(self.edit(*ops, **how))

    def recall(self) -> None:
        for edit in self.room.inbox.unrecalled():
            self.asked += 1
            if isinstance(edit, PendingResolve):
                self.room.inbox.found(edit, self.kept.get(edit.decision.conflict))
                continue
            firsts = {op.n: first for op in edit.ops if (first := self._firsts.get((*edit.client, op.n)))}
            self.room.inbox.recalled(edit, Recalled(last_n=self._last.get(edit.client, 0), firsts=firsts))

    def cut(self) -> Batch | None:
        self.recall()
        return self.room.cut(f"m{self.room.commit + 1}", "r", self.now).batch

    def settle(self) -> Settled:
        """Cut if nothing flies, commit and settle."""
        batch = self.cut() if self.room.flight is None else self.room.flight.batch
        settled = self.room.settle(None if batch is None else Receipt(committed=True, at=rfc3339(self.now)))
        if batch is not None:
            self.batches.append(batch)
            self.kept |= {record.id: record for record in batch.conflicts}
            self._last |= {(one.user, one.client): one.last_n for one in batch.counters}
            for op in batch.ops:
                first = {"n": op.n, "status": "applied", "seq": op.seq}
                target = getattr(op.effect, "node", "")
                self._firsts[op.author.user, op.author.client, op.n] = First(target=target, result=first)
            for result in batch.results:
                kept = {"n": result.n, "status": result.status} | ({"code": result.code} if result.code else {})
                self._firsts[result.user, result.client, result.n] = First(target=result.target, result=kept)
        return settled

    def do(self, *ops: Json | Malformed, **how: Any) -> list[Result]:
        """Offer, settle, and the results."""
        return self.outcome(*ops, **how).results

    def outcome(self, *ops: Json | Malformed, **how: Any) -> Outcome:
        assert self.offer(*ops, **how) is None
        return self.settle().outcomes[-1][1]

    def decision(self, number: int, choice: Choice, *, user: str = "bo", base: int | None = None, **how: Any) -> None:
        """Offer a decision on a record, made against the newest tree unless `base` says otherwise."""
        participant = how.pop("participant", None)
        message = Resolve(conflict=number, base=self.room.seq if base is None else base, choice=choice, ref=9, **how)
        decided = PendingResolve(
            message,
            7,
            identity=identity(user),
            author=Author(user=user, client=f"resolve:{number}", via="resolve"),
            size=100,
            participant=participant,
            reply=unread,
            waiting_since=0.0,
        )
        assert self.room.offer(decided) is None

    def resolve(self, number: int, choice: Choice, **how: Any) -> Resolved | Error:
        """Offer a decision, settle, and the answer."""
        self.decision(number, choice, **how)
        return self.settle().decided[-1][1]

    def record(self, number: int) -> ConflictRecord:
        """A record as it was committed last."""
        return self.kept[number]


def unread(outcome: Answer) -> None:
    """Outcomes are read from what `settle` answers."""


def insert(n: int, node: str, parent: str | None = "root", **fields: Any) -> Json:
    return {"n": n, "op": "insert", "node": node, "parent": parent, "type": "metric", "title": "T", **fields}


def title(n: int, text: str, node: str = "root", **fields: Any) -> Json:
    return {"n": n, "op": "update", "node": node, "set": {"title": text}, **fields}


def delete(n: int, node: str, **fields: Any) -> Json:
    return {"n": n, "op": "delete", "node": node, **fields}


def told(results: list[Result]) -> list[str]:
    """The code of each result that has one, else its status."""
    return [result.code or result.status for result in results]
