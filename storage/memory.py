"""The in-memory implementation of `sync.ports.Store`: for tests, simulations and a look at the contract in small.

Several stores may share one `MemoryDatabase`, as several instances share PostgreSQL. Nothing here waits but for a
held head, no time passes but the clock's, and what is stored are values: changing an object that was stored, or one
that was read, changes nothing here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

from storage.memory_past import MemoryPast
from storage.memory_rows import TreeRows, encoded, rfc3339
from sync.activities import TREE_VIEWED
from sync.conflict_records import ConflictRecord
from sync.errors import NotFound, Unavailable, Unstorable
from sync.identity import Author, TreeKey
from sync.interactions import moment_of
from sync.ports import (
    Batch,
    Clock,
    Head,
    LoadedTree,
    LoggedOp,
    Missing,
    Recalled,
    Receipt,
    Rights,
    Turn,
)
from sync.protocol import ActivityEvent

HEAD_WAIT_SECONDS = 1.0  # lock_timeout of the real store (SEMANTICS 5)
_LOST = Receipt(committed=False)


class ActivityRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of user_activities: one per accepted op, and one per event a client reported."""

    key: TreeKey
    author: Author
    kind: str
    node: str = ""
    seq: int = 0  # of the op; 0 for a reported event
    event: str = ""  # the client's id of a reported event
    duration_ms: int = 0
    data: bytes = b"{}"
    at: str = ""


def spent_ms(rows: Iterable[ActivityRow]) -> int:
    """How long somebody was there: see COUNTS of `storage.personal_metrics`."""
    viewed = rest = 0
    for row in rows:
        if row.kind == TREE_VIEWED:
            viewed += row.duration_ms
        else:
            rest += row.duration_ms
    return max(viewed, rest)


class HeadLock:
    """The row lock of one head: first come, first served, with a limit to patience on the database's own clock."""

    def __init__(self) -> None:
        self.held = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self, clock: Clock) -> None:
        """Raises Unavailable where it was not free in time."""
        if not self.held:
            self.held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        patience = asyncio.create_task(self._give_up(turn, clock), name="memory-head-patience")
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()
            raise
        finally:
            patience.cancel()

    def release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.held = False

    async def _give_up(self, turn: asyncio.Future[None], clock: Clock) -> None:
        await clock.sleep(HEAD_WAIT_SECONDS)
        if not turn.done():
            turn.set_exception(Unavailable("the head of the tree stayed locked"))


class MemoryDatabase:
    """What PostgreSQL is to the real store: outlives every instance that uses it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.trees: dict[TreeKey, TreeRows] = {}
        self.locks: dict[TreeKey, HeadLock] = {}
        self.users: dict[tuple[str, str], tuple[str, str]] = {}  # (tenant, user) -> (name, email)
        self.activities: list[ActivityRow] = []
        self._events: set[tuple[str, str, str]] = set()  # (tenant, user, event id)
        self._last_tree = 0

    def next_tree(self) -> int:
        self._last_tree += 1
        return self._last_tree

    def tree(self, key: TreeKey) -> TreeRows:
        """Raises NotFound where there is no such tree in that tenant."""
        rows = self.trees.get(key)
        if rows is None:
            raise NotFound("no such tree")
        return rows

    def living(self, key: TreeKey) -> TreeRows:
        """Raises NotFound also where the tree is deleted."""
        rows = self.tree(key)
        if rows.deleted_at is not None:
            raise NotFound("no such tree")
        return rows

    def lock(self, key: TreeKey) -> HeadLock:
        return self.locks.setdefault(key, HeadLock())

    def apply(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Commit each batch that stands at its head. Raises Unstorable, and then none is written."""
        now = self.clock.now()
        ready = []
        for batch in batches:
            rows = self.trees.get(batch.key)
            fits = rows is not None and rows.stands_at(batch)
            ready.append((rows, rows.prepare(batch, now)) if rows is not None and fits else None)
        receipts = []
        for batch, prepared in zip(batches, ready, strict=True):
            if prepared is None:
                receipts.append(_LOST)
                continue
            rows, written = prepared
            rows.write(batch, written, now)
            at = rfc3339(rows.at)
            self._log_ops(batch, at)
            receipts.append(Receipt(committed=True, at=at, rights=rows.head.rights))
        return receipts

    def _log_ops(self, batch: Batch, at: str) -> None:
        for op in batch.ops:
            if op.activity:
                node = getattr(op.effect, "node", "")
                row = ActivityRow(
                    key=batch.key,
                    author=op.author,
                    kind=op.activity,
                    node=node if isinstance(node, str) else "",
                    seq=op.seq,
                    at=at,
                )
                self.activities.append(row)

    def log_events(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
        """Raises Unstorable or Invalid, and then none is logged."""
        now, rows = self.clock.now(), []
        for event in events:
            row = ActivityRow(
                key=key,
                author=author,
                kind=event.kind,
                node=event.node if isinstance(event.node, str) else "",
                event=event.id,
                duration_ms=event.duration_ms if isinstance(event.duration_ms, int) else 0,
                data=encoded(event.data if isinstance(event.data, dict) else {}),
                at=rfc3339(min(moment_of(event.at).timestamp(), now) if isinstance(event.at, str) else now),
            )
            encoded([row.kind, row.node, row.event, row.at])
            rows.append(row)
        for row in rows:
            known = (key.tenant, author.user, row.event)
            if known not in self._events:
                self._events.add(known)
                self.activities.append(row)


class MemoryTurn:
    """The head of one tree, held."""

    def __init__(self, database: MemoryDatabase, key: TreeKey) -> None:
        self._database = database
        self._key = key

    async def missing(self, after_commit: int) -> Missing:
        return self._database.living(self._key).missing(after_commit)

    async def recall(self, user: str, client: str, numbers: Sequence[int]) -> Recalled:
        return self._database.living(self._key).recall(user, client, numbers)

    async def log(self, after: int, through: int) -> list[LoggedOp]:
        return self._database.living(self._key).ops(after, through)

    async def conflict(self, number: int) -> ConflictRecord | None:
        return self._database.living(self._key).conflict(number)

    async def rehearse(self, batch: Batch) -> None:
        self._database.living(self._key).prepare(self._own(batch), self._database.clock.now(), rehearsal=True)

    async def commit(self, batch: Batch) -> Receipt:
        return self._database.apply([self._own(batch)])[0]

    def _own(self, batch: Batch) -> Batch:
        if batch.key != self._key:
            raise Unstorable("a turn commits its own tree only")
        return batch


class MemoryStore(MemoryPast):
    """`sync.ports.Store` over a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database.living, database.clock)
        self._database = database

    async def load(self, key: TreeKey) -> LoadedTree:
        return self._database.living(key).loaded()

    async def rights(self, key: TreeKey) -> Rights:
        return self._database.tree(key).rights

    async def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        keys = [batch.key for batch in batches]
        if len(set(keys)) != len(keys):
            raise Unstorable("a tree stands twice in one commit")
        free = [batch for batch in batches if not self._database.lock(batch.key).held]
        receipts = dict(zip([batch.key for batch in free], self._database.apply(free), strict=True))
        return [receipts.get(key, _LOST) for key in keys]

    @asynccontextmanager
    async def exclusive(self, key: TreeKey) -> AsyncIterator[Turn]:
        self._database.living(key)
        lock = self._database.lock(key)
        await lock.acquire(self._database.clock)
        try:
            self._database.living(key)
            yield MemoryTurn(self._database, key)
        finally:
            lock.release()

    async def missing(self, key: TreeKey, after_commit: int) -> Missing:
        return self._database.living(key).missing(after_commit)

    async def log(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        return self._database.living(key).ops(after, through)

    async def mark_at(self, key: TreeKey, seq: int) -> str | None:
        return self._database.living(key).mark_at(seq)

    async def recall(self, key: TreeKey, user: str, client: str, numbers: Sequence[int]) -> Recalled:
        return self._database.living(key).recall(user, client, numbers)

    async def conflict(self, key: TreeKey, number: int) -> ConflictRecord | None:
        return self._database.living(key).conflict(number)

    async def heads(self, keys: Sequence[TreeKey]) -> dict[TreeKey, Head]:
        trees = self._database.trees
        return {key: trees[key].head for key in keys if key in trees}

    async def renew_epoch(self, key: TreeKey, epoch: str, new_epoch: str) -> Head:
        rows = self._database.living(key)
        if rows.head.epoch == epoch:
            rows.head = msgspec.structs.replace(rows.head, epoch=new_epoch)
            rows.versions = [
                msgspec.structs.replace(one, epoch=new_epoch)
                if one.epoch == epoch and one.seq <= rows.head.seq
                else one
                for one in rows.versions
            ]
        return rows.head

    async def log_activity(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
        self._database.living(key)
        self._database.log_events(key, author, events)
