"""Faults put between a hub and its ports. What fails, and when, the test or the simulator decides; nothing is random
here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal, TypeVar

from storage.bus_local import LocalBus, LocalExchange
from sync.conflict_records import ConflictRecord
from sync.errors import Unavailable
from sync.identity import Author, TreeKey
from sync.ports import Batch, Head, LoadedTree, LoggedOp, Missing, Recalled, Receipt, Rights, Store, Turn
from sync.protocol import ActivityEvent
from sync.versions import Edited, TreeVersion

Answer = TypeVar("Answer")

# before: it did not happen; after: it happened, and the caller cannot know
Fault = Literal["none", "before", "after"]


class FaultyStore:
    """`sync.ports.Store` over another one. `pause` is awaited around every call, so that others can come between;
    `decide` is asked with the call's name: a call fails with Unavailable before or after it reached the store."""

    def __init__(
        self, store: Store, decide: Callable[[str], Fault], pause: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self._store = store
        self._decide = decide
        self._pause = pause

    async def call(self, name: str, made: Callable[[], Awaitable[Answer]]) -> Answer:
        fault = self._decide(name)
        await self._wait(name)
        if fault == "before":
            raise Unavailable(f"{name} did not reach the database")
        answer = await made()
        await self._wait(name)
        if fault == "after":
            raise Unavailable(f"the answer to {name} was lost")
        return answer

    async def _wait(self, name: str) -> None:
        if self._pause is not None:
            await self._pause(name)

    async def load(self, key: TreeKey) -> LoadedTree:
        return await self.call("load", lambda: self._store.load(key))

    async def rights(self, key: TreeKey) -> Rights:
        return await self.call("rights", lambda: self._store.rights(key))

    async def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        return await self.call("commit", lambda: self._store.commit(batches))

    @asynccontextmanager
    async def exclusive(self, key: TreeKey) -> AsyncIterator[Turn]:
        fault = self._decide("exclusive")
        await self._wait("exclusive")
        if fault != "none":
            raise Unavailable("the head could not be locked")
        async with self._store.exclusive(key) as turn:
            yield FaultyTurn(turn, self)

    async def missing(self, key: TreeKey, after_commit: int) -> Missing:
        return await self.call("missing", lambda: self._store.missing(key, after_commit))

    async def log(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        return await self.call("log", lambda: self._store.log(key, after, through))

    async def log_page(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        return await self.call("log", lambda: self._store.log_page(key, after, through))

    async def mark_at(self, key: TreeKey, seq: int) -> str | None:
        return await self.call("mark_at", lambda: self._store.mark_at(key, seq))

    async def recall(self, key: TreeKey, user: str, client: str, numbers: Sequence[int]) -> Recalled:
        return await self.call("recall", lambda: self._store.recall(key, user, client, numbers))

    async def conflict(self, key: TreeKey, number: int) -> ConflictRecord | None:
        return await self.call("conflict", lambda: self._store.conflict(key, number))

    async def heads(self, keys: Sequence[TreeKey]) -> dict[TreeKey, Head]:
        return await self.call("heads", lambda: self._store.heads(keys))

    async def renew_epoch(self, key: TreeKey, epoch: str, new_epoch: str) -> Head:
        return await self.call("renew_epoch", lambda: self._store.renew_epoch(key, epoch, new_epoch))

    async def keep_version(self, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
        return await self.call("keep_version", lambda: self._store.keep_version(key, version))

    async def version_before(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        return await self.call("version_before", lambda: self._store.version_before(key, epoch, seq))

    async def version(self, key: TreeKey, number: int) -> TreeVersion | None:
        return await self.call("version", lambda: self._store.version(key, number))

    async def versions(self, key: TreeKey, *, limit: int, before: int | None = None) -> list[TreeVersion]:
        return await self.call("versions", lambda: self._store.versions(key, limit=limit, before=before))

    async def version_at(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        return await self.call("version_at", lambda: self._store.version_at(key, epoch, seq))

    async def rename_version(self, key: TreeKey, version: TreeVersion, *, first: bool = False) -> TreeVersion | None:
        return await self.call("rename_version", lambda: self._store.rename_version(key, version, first=first))

    async def unname_version(self, key: TreeKey, number: int) -> TreeVersion | None:
        return await self.call("unname_version", lambda: self._store.unname_version(key, number))

    async def edited(self, key: TreeKey, epoch: str, seq: int) -> list[Edited]:
        return await self.call("edited", lambda: self._store.edited(key, epoch, seq))

    async def seq_at(self, key: TreeKey, moment: datetime) -> int:
        return await self.call("seq_at", lambda: self._store.seq_at(key, moment))

    async def node_ops(self, key: TreeKey, node: str, *, before: int, limit: int) -> tuple[list[LoggedOp], int]:
        return await self.call("node_ops", lambda: self._store.node_ops(key, node, before=before, limit=limit))

    async def ops_span(self, key: TreeKey, user: str, client: str) -> tuple[int, int, int]:
        return await self.call("ops_span", lambda: self._store.ops_span(key, user, client))

    async def log_activity(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
        await self.call("log_activity", lambda: self._store.log_activity(key, author, events))


class FaultyTurn:
    """A turn whose calls fail as the store's do, named `turn.…`."""

    def __init__(self, turn: Turn, store: FaultyStore) -> None:
        self._turn = turn
        self._store = store

    async def missing(self, after_commit: int) -> Missing:
        return await self._store.call("turn.missing", lambda: self._turn.missing(after_commit))

    async def recall(self, user: str, client: str, numbers: Sequence[int]) -> Recalled:
        return await self._store.call("turn.recall", lambda: self._turn.recall(user, client, numbers))

    async def conflict(self, number: int) -> ConflictRecord | None:
        return await self._store.call("turn.conflict", lambda: self._turn.conflict(number))

    async def log(self, after: int, through: int) -> list[LoggedOp]:
        return await self._store.call("turn.log", lambda: self._turn.log(after, through))

    async def rehearse(self, batch: Batch) -> None:
        await self._store.call("turn.rehearse", lambda: self._turn.rehearse(batch))

    async def commit(self, batch: Batch) -> Receipt:
        return await self._store.call("turn.commit", lambda: self._turn.commit(batch))


class LossyExchange(LocalExchange):
    """An exchange that keeps every message until it is asked to hand some over: any of them, in any order, twice or
    never."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[LocalBus, TreeKey, bytes]] = []

    def send(self, sender: LocalBus, key: TreeKey, payload: bytes) -> None:
        self.kept.append((sender, key, payload))

    def hand_over(self, place: int, *, keep: bool = False) -> None:
        """Deliver one kept message to those who are subscribed now."""
        sender, key, payload = self.kept[place] if keep else self.kept.pop(place)
        super().send(sender, key, payload)

    def lose(self, place: int) -> None:
        del self.kept[place]
