"""A long description that has been typed in for long: what one more delta costs the room (judge and apply)."""

from __future__ import annotations

import time

import msgspec
from msgspec import UNSET

from benchmarks.hot_path import room_of, unread
from sync.identity import Author, Identity
from sync.ops import Op, Text, Update
from sync.pending import PendingEdit
from sync.ports import Receipt
from sync.room import Room
from sync.text import Delta

CHARACTERS = 100_000
HISTORY = 10_000


class Typed(msgspec.Struct):
    """Milliseconds for one delta: against the newest text, and against one that others changed ten times since."""

    newest: float
    behind: float


class Typist:
    """One client of a room."""

    def __init__(self, room: Room, user: str) -> None:
        self._room = room
        self._who = Identity(tenant="bench", user=user, expires_at=1e12)
        self._author = Author(user=user, client=f"c-{user}")
        self._n = 0
        room.know_client((user, self._author.client), 0)

    def write(self, text: str) -> None:
        self._ask(Update(n=self._next(), base=self._room.seq, node="n1", set={"description": text}))

    def type(self, at: int, base: int) -> float:
        """Put five characters in place of five others; seconds."""
        n = self._next()
        delta: Delta = [at + 1, f"{n % 10**5:05}", -5]
        return self._ask(Text(n=n, base=base, node="n1", path="description", delta=delta))

    def _next(self) -> int:
        self._n += 1
        return self._n

    def _ask(self, op: Op) -> float:
        """Offer one op, cut and settle; seconds of the cut."""
        self._room.offer(
            PendingEdit(
                identity=self._who,
                author=self._author,
                ops=[op],
                mode="live",
                policy="apply_clean",
                ref=UNSET,
                size=200,
                participant=None,
                reply=unread,
                waiting_since=0.0,
            )
        )
        began = time.perf_counter()
        flight = self._room.cut("mark", "respace", 0.0)
        took = time.perf_counter() - began
        assert flight.batch is not None
        assert flight.batch.ops, flight.cut.judged
        self._room.settle(Receipt(committed=True, at="2026-01-01T00:00:00Z"))
        return took


def measure(rounds: int = 300) -> Typed:
    """The means of so many deltas of each kind, after 10,000 others."""
    room = room_of(50)
    ada, bo = Typist(room, "ada"), Typist(room, "bo")
    text = ("It was a bright cold day in April. " * (CHARACTERS // 35 + 1))[:CHARACTERS]
    ada.write(text)
    for one in range(HISTORY):
        (ada, bo)[one % 2].type(one * 7919 % (CHARACTERS - 10), room.seq)
    newest = sum(ada.type(one * 31 % (CHARACTERS - 10), room.seq) for one in range(rounds))
    behind = 0.0
    for one in range(rounds):
        base = room.seq
        for step in range(10):
            bo.type((one * 31 + step * 97) % (CHARACTERS - 10), room.seq)
        behind += ada.type(one * 17 % (CHARACTERS - 10), base)
    return Typed(newest / rounds * 1e3, behind / rounds * 1e3)
