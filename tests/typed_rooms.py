"""A real room to type to (`tests.pipelining`): what judges deltas for people, without hub and database.

Edits gather and are committed together; commits are lost and tried again; the room is dropped and loaded anew, so that
what it judges by has to be read from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
from msgspec import UNSET

from sync import effects, ops
from sync.backlog import changed, delta_of, text_of
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details, Node
from sync.pending import Answer, PendingEdit
from sync.ports import Batch, First, Head, LoadedTree, LoggedOp, NodeRow, Recalled, Receipt, Rights
from sync.protocol import Mode
from sync.room import Room
from sync.text import Delta, applied, difference
from sync.values import ABSENT, read
from tests.pipelining import FIELDS, Entry, Op, Settled, Typing

Json = dict[str, Any]
SCRIPT = 99  # the number of a client that sets whole texts

_MARKS = {CREATED: Mark(1, "u0", "create:1")}
_MODES: tuple[Mode, ...] = ("live", "replay", "force")
_BEGIN = 1  # the seq at which the node was made; the log that is typed begins behind it


class TypedRoom:
    """`tests.pipelining.Judging`, by a room with one node. Chance is the server's own, by the same seed."""

    def __init__(self, seed: int) -> None:
        self.log: list[Entry] = []
        self.merged = 0  # ops that had to be transformed
        self._random = Random(~seed)
        self._rows: list[LoggedOp] = []
        self._firsts: dict[tuple[str, int], First] = {}
        self._last: dict[str, int] = {}
        node = Node(id="n", parent=None, order="a0", type="metric", title="T", seq=_BEGIN)
        self._room = self._loaded(NodeRow(node=node, marks=_MARKS), Head(epoch="e", commit=1, seq=_BEGIN, mark="m"))

    @property
    def texts(self) -> dict[str, str]:
        node = self._room.tree.nodes["n"].node
        return {path: "" if (value := read(node, path)) is ABSENT else value for path in FIELDS}

    def receive(self, client: int, message: list[Op]) -> list[tuple[int, Settled]]:
        """Offer a message; what waits is committed now, or with a later one that is on its way already."""
        texts = [ops.Text(n=op.n, base=op.base + _BEGIN, node="n", path=op.path, delta=op.delta) for op in message]
        assert self._room.offer(self._edit(client, texts)) is None
        if self._random.random() < 0.2:
            assert self._room.offer(self._edit(client, texts)) is None  # doubled, in one batch perhaps
        settled: list[tuple[int, Settled]] = []
        while len(self._room.inbox):
            settled += self._commit()
        if self._random.random() < 0.1:
            self._reload()
        return settled

    def overwrite(self, path: str, change: Callable[[str], str | None]) -> tuple[str, str]:
        """A script sets the whole text, over a text it read a while ago; the text before and after."""
        before = self.texts[path]
        seen = self._random.randint(max(len(self.log) - 3, 0), len(self.log))
        text = before
        for row in reversed(self._rows[seen:]):
            if changed(row.effect, path):
                text = applied(text, inverted_of(row, path))
        value = change(text)
        n = self._last.get(str(SCRIPT), 0) + 1
        fields: Json = {"unset": [path]} if value is None and "." in path else {"set": {path: value or ""}}
        update = ops.Update(n=n, base=seen + _BEGIN, node="n", **fields)
        assert self._room.offer(self._edit(SCRIPT, [update])) is None
        while len(self._room.inbox):
            self._commit()
        return before, self.texts[path]

    # ---- one batch

    def _commit(self) -> list[tuple[int, Settled]]:
        self._look_up()
        for _ in range(self._random.choice((0, 0, 0, 1, 2))):  # a commit that was lost
            self._room.cut("lost", "respace", 0.0)
            self._room.roll_back()
            self._look_up()
        batch = self._room.cut(f"m{len(self.log)}", "respace", 0.0).batch
        done = self._room.settle(None if batch is None else Receipt(committed=True, at="2026-01-05T10:00:00.000000Z"))
        for edit, outcome in done.outcomes:
            for result in outcome.results:
                if result.status in ("applied", "merged", "unchanged"):
                    self._firsts[edit.author.client, result.n] = First(target="n", result=msgspec.to_builtins(result))
        if batch is not None:
            self._store(batch)
        return [
            (int(edit.author.client), Settled(result.n))
            for edit, outcome in done.outcomes
            for result in outcome.results
            if _came_to_nothing(int(edit.author.client), result.status, result.code, result.first)
        ]

    def _look_up(self) -> None:
        """As the commit loop does: first answers, then as much of the log as is asked for (SEMANTICS 2, 16)."""
        for edit in self._room.inbox.unrecalled():
            client = edit.author.client
            firsts = {op.n: self._firsts[client, op.n] for op in edit.ops if (client, op.n) in self._firsts}
            self._room.inbox.recalled(edit, Recalled(last_n=self._last.get(client, 0), firsts=firsts))
        while (after := self._room.reach()) < (floor := self._room.backlog.floor):
            after = max(after, floor - self._random.randint(1, 4))
            self._room.backlog.load(after, self._rows[after - _BEGIN : floor - _BEGIN])

    def _store(self, batch: Batch) -> None:
        for op in batch.ops:
            assert isinstance(op.effect, effects.Text | effects.Update)
            self.merged += op.effect.merged is True
            [path] = (path for path in FIELDS if changed(op.effect, path))
            self.log.append(Entry(int(op.author.client), op.n, path, delta_of(op, path)))
        self._rows += batch.ops
        self._last |= {one.client: one.last_n for one in batch.counters}

    # ---- the room

    def _edit(self, client: int, asked: Sequence[ops.Op]) -> PendingEdit:
        return PendingEdit(
            identity=Identity(tenant="t", user="u0", expires_at=2e9),
            author=Author(user="u0", client=str(client)),
            ops=[*asked],
            mode=self._random.choice(_MODES),
            policy="apply_clean",
            ref=UNSET,
            size=100,
            participant=None,
            reply=_unread,
            waiting_since=0.0,
        )

    def _reload(self) -> None:
        """Another instance, or this one after its room was dropped: it knows rows, no backlog and no counters."""
        held = self._room.tree.nodes["n"]
        head = Head(epoch="e", commit=self._room.commit, seq=self._room.seq, mark=self._room.mark)
        self._room = self._loaded(NodeRow(node=held.node, marks=held.marks), head)

    @staticmethod
    def _loaded(row: NodeRow, head: Head) -> Room:
        loaded = LoadedTree(
            key=TreeKey("t", 7),
            head=head,
            rights=Rights(version=1, owner="u0", visibility="tenant_edit"),
            details=Details(name="Strategy"),
            detail_marks=_MARKS,
            nodes=[row],
            connections=[],
        )
        return Room(loaded, Limits())


class Overwriting(Typing):
    """The same with a script among them: its values are to the others what their common ends say (SEMANTICS 15)."""

    def __init__(self, seed: int, room: TypedRoom, *, clients: int = 3) -> None:
        super().__init__(seed, room, clients=clients)
        self._typed_room = room

    def doing(self) -> tuple[Callable[[int], None], ...]:
        return (*super().doing(), self._overwrite)

    def _overwrite(self, number: int) -> None:
        logged = len(self.server.log)
        before, after = self._typed_room.overwrite(self.random.choice(FIELDS), self._changed)
        self.deleted |= set(before) - set(after)
        self.deleted -= set(after) - set(before)  # its author had read it before it was deleted
        self.revivable |= set(after)  # a value puts there anew what somebody is just deleting
        self.typed.append("".join(one for one in after if one not in before))
        self.tell(logged)

    def _changed(self, text: str) -> str | None:
        if self.random.random() < 0.1:
            return None
        at = self.random.randint(0, len(text))
        return text[:at] + self.fresh(self.random.randint(0, 3)) + text[at + self.random.choice((0, 1, len(text))) :]


def inverted_of(row: LoggedOp, path: str) -> Delta:
    """What takes back a logged change of a text."""
    if isinstance(row.effect, effects.Text):
        delta: Delta = row.inverse["delta"]
        return delta
    values = row.effect.set or {} if isinstance(row.effect, effects.Update) else {}
    return difference(text_of(values.get(path)), text_of(row.inverse["set"].get(path)))


def _came_to_nothing(client: int, status: str, code: object, first: object) -> bool:
    """Of an answer. A gap is for a socket that nobody reads any more; any refusal would be a fault."""
    if status == "duplicate":
        assert isinstance(first, dict)
        return bool(first["status"] == "unchanged")
    if client == SCRIPT:
        return False
    assert status in ("applied", "merged", "unchanged") or code == "gap", (status, code)
    return status == "unchanged"


def _unread(answer: Answer) -> None:
    """Outcomes are read from what `settle` answers."""
