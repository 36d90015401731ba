"""Python's cost of an edit, without sockets and database: decode, offer, cut, settle, encode (DESIGN §13)."""

from __future__ import annotations

import time

import msgspec
from msgspec import UNSET

from sync.codec import JSON
from sync.identity import Author, Identity, TreeKey
from sync.limits import Limits
from sync.marks import CREATED, Mark
from sync.nodes import Details, Node
from sync.pending import PendingEdit
from sync.ports import Head, LoadedTree, NodeRow, Receipt, Rights
from sync.protocol import Edit, Error, Outcome, Resolved
from sync.room import Room

BATCH = 32  # edits in a batch: what one commit in flight lets gather under load
_MARKS = {CREATED: Mark(1, "ada", "c")}


class Cost(msgspec.Struct):
    """Microseconds per edit."""

    decode: float
    judge: float
    settle: float
    encode: float

    @property
    def total(self) -> float:
        return self.decode + self.judge + self.settle + self.encode


def room_of(nodes: int) -> Room:
    """A room of so many nodes, ten children each."""
    rows = [
        NodeRow(
            node=Node(
                id=f"n{one}",
                parent=None if one == 0 else f"n{(one - 1) // 10}",
                order=f"a{one:06d}V",
                type="metric",
                title="t",
                seq=1,
            ),
            marks=_MARKS,
        )
        for one in range(nodes)
    ]
    loaded = LoadedTree(
        key=TreeKey("bench", 7),
        head=Head(epoch="e", commit=1, seq=1),
        rights=Rights(version=0, owner="ada", visibility="tenant_edit"),
        details=Details(name="x"),
        detail_marks=_MARKS,
        nodes=rows,
        connections=[],
    )
    return Room(loaded, Limits())


def unread(outcome: Outcome | Resolved | Error) -> None:
    """The outcome is encoded below; nobody waits for it."""


def measure(room: Room, edits: int, nodes: int) -> Cost:
    """Run title updates of eight clients through a room."""
    who = Identity(tenant="bench", user="bo", expires_at=1e12)
    authors = [Author(user="bo", client=f"c{one}") for one in range(8)]
    numbers = [room.last_n(("bo", author.client)) for author in authors]
    for author, number in zip(authors, numbers, strict=True):
        room.know_client(("bo", author.client), number)
    spent = [0.0, 0.0, 0.0, 0.0]
    for start in range(0, edits, BATCH):
        frames = []
        for one in range(start, start + BATCH):
            numbers[one % 8] += 1
            frames.append(_frame(numbers[one % 8], room.seq, one * 7919 % nodes, room.seq + one))
        marks = [time.perf_counter()]
        for one, frame in enumerate(frames):
            message = JSON.decode(frame).message
            assert isinstance(message, Edit)
            room.offer(
                PendingEdit(
                    identity=who,
                    author=authors[one % 8],
                    ops=list(message.ops),
                    mode="live",
                    policy="apply_clean",
                    ref=UNSET,
                    size=len(frame),
                    participant=None,
                    reply=unread,
                    waiting_since=0.0,
                )
            )
        marks.append(time.perf_counter())
        room.cut("mark", "respace", 0.0)
        marks.append(time.perf_counter())
        settled = room.settle(Receipt(committed=True, at="2026-01-01T00:00:00Z"))
        marks.append(time.perf_counter())
        assert settled.commit is not None
        settled.commit.encoded(JSON)
        for _, outcome in settled.outcomes:
            JSON.encode(outcome)
        marks.append(time.perf_counter())
        for step in range(4):
            spent[step] += marks[step + 1] - marks[step]
    return Cost(*(seconds / edits * 1e6 for seconds in spent))


def _frame(n: int, base: int, node: int, title: int) -> bytes:
    return (
        f'{{"type":"edit","tree":7,"mode":"live","ops":[{{"n":{n},"base":{base},"op":"update",'
        f'"node":"n{node}","set":{{"title":"Grow {title}"}}}}]}}'
    ).encode()
