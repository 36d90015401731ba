"""PostgreSQL's protocol (3.0, manual chapter 55) as far as a proxy must understand it to lose the answer to a commit,
or to hold a certain query: which statement is executed, and what its transaction's end is answered."""

from __future__ import annotations

import asyncio
from random import Random
from weakref import WeakKeyDictionary, WeakSet

from tests.torture.proxy import Ear, Pair

COMMIT = "commit_batches"  # the function that commits, in every statement that calls it
_HEAD = 5  # bytes of a message's kind and length; a startup message has no kind
_IDLE = b"I"  # ReadyForQuery outside any transaction


class Messages:
    """Cuts a stream into (kind, body)."""

    def __init__(self, *, startup: bool) -> None:
        self._held = bytearray()
        self._startup = startup

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        self._held += data
        found: list[tuple[bytes, bytes]] = []
        while True:
            kind = 0 if self._startup else 1
            if len(self._held) < kind + 4:
                return found
            end = kind + int.from_bytes(self._held[kind : kind + 4], "big")
            if len(self._held) < end:
                return found
            found.append((bytes(self._held[:kind]), bytes(self._held[kind + 4 : end])))
            del self._held[:end]
            self._startup = False


class Statements:
    """What one connection executes, by the text of each statement."""

    def __init__(self) -> None:
        self._asks = Messages(startup=True)
        self._texts: dict[bytes, str] = {}

    def executed(self, data: bytes) -> list[str]:
        texts = []
        for kind, body in self._asks.feed(data):
            if kind == b"P":  # Parse: name, text
                name, text = body.split(b"\0", 2)[:2]
                self._texts[name] = text.decode()
            elif kind == b"B":  # Bind: portal, name of the statement
                texts.append(self._texts.get(body.split(b"\0", 2)[1], ""))
            elif kind == b"Q":
                texts.append(body.rstrip(b"\0").decode())
        return texts


class Watch:
    """What a PostgresEar does with what it understands."""

    async def asked(self, pair: Pair, texts: list[str]) -> None:
        """These statements are about to reach the database."""

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        return data


class PostgresEar(Ear):
    """Knows every statement that goes through, from the first byte of each connection on."""

    def __init__(self) -> None:
        self.watch = Watch()
        self._statements: WeakKeyDictionary[Pair, Statements] = WeakKeyDictionary()

    async def asked(self, pair: Pair, data: bytes) -> bytes | None:
        texts = self._statements.setdefault(pair, Statements()).executed(data)
        if texts:
            await self.watch.asked(pair, texts)
        return data

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        return await self.watch.answered(pair, data)


class CommitLoss(Watch):
    """Loses answers to commits that did happen, each with its connection: so many, chosen by chance."""

    def __init__(self, chance: Random, *, share: float = 0.5) -> None:
        self.left = 0
        self.lost = 0
        self._chance = chance
        self._share = share
        self._awaited: WeakKeyDictionary[Pair, _Answer] = WeakKeyDictionary()

    async def asked(self, pair: Pair, texts: list[str]) -> None:
        if any(COMMIT in text or text.startswith("COMMIT") for text in texts):
            self._awaited.setdefault(pair, _Answer())

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        answer = self._awaited.get(pair)
        if answer is None:
            return data
        answer.data += data
        if not answer.ends(data):
            return b""
        del self._awaited[pair]
        if answer.committed and self.left and self._chance.random() < self._share:
            self.left -= 1
            self.lost += 1
            return None
        return bytes(answer.data)


class _Answer:
    """What a commit is answered, kept back until its end is known."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.committed = False
        self._messages = Messages(startup=False)
        self._failed = False

    def ends(self, data: bytes) -> bool:
        ended = False
        for kind, body in self._messages.feed(data):
            self._failed = self._failed or kind == b"E"
            ended = kind == b"Z"
            self.committed = ended and body == _IDLE and not self._failed
        return ended


class QueryHold(Watch):
    """Holds the first query whose text holds `marker`, either before the database hears it or before its answer is
    heard, until `release`. `every`: not only the first, each on its connection."""

    def __init__(self, marker: str, *, answer: bool = False, every: bool = False) -> None:
        self.held = 0
        self._marker = marker
        self._answer = answer
        self._every = every
        self._free = asyncio.Event()
        self._chosen: WeakSet[Pair] = WeakSet()

    def release(self) -> None:
        self._free.set()

    async def asked(self, pair: Pair, texts: list[str]) -> None:
        if (self._every or not self._chosen) and any(self._marker in text for text in texts):
            self._chosen.add(pair)
            if not self._answer:
                await self._wait()

    async def answered(self, pair: Pair, data: bytes) -> bytes | None:
        if self._answer and pair in self._chosen:
            await self._wait()
        return data

    async def _wait(self) -> None:
        if not self._free.is_set():
            self.held += 1
            await self._free.wait()
