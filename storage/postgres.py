"""The PostgreSQL implementation of `sync.ports.Store`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from storage.activity import log_events
from storage.commits import COMMIT, columns, in_order, receipts
from storage.conflicts import read_one
from storage.database import Database
from storage.op_log import head_of, read_head, read_mark, read_missing, read_range, read_recall
from storage.past import PostgresPast
from storage.tree_rows import read_rights, read_tree
from storage.turns import held
from sync.conflict_records import ConflictRecord
from sync.identity import Author, TreeKey
from sync.ports import (
    Batch,
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

HEADS = "SELECT * FROM heads_of($1, $2, $3)"
# versions of what the log holds are of the new epoch too: its history is theirs
RENEW_EPOCH = """
WITH renewed AS (
    UPDATE tree_heads SET epoch = $4 WHERE tenant_id = $1 AND tree_id = $2 AND epoch = $3 RETURNING seq
)
UPDATE tree_versions AS v SET epoch = $4 FROM renewed
WHERE v.tenant_id = $1 AND v.tree_id = $2 AND v.epoch = $3 AND v.seq <= renewed.seq
"""


class PostgresStore(PostgresPast):
    """`sync.ports.Store` over a Database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    async def load(self, key: TreeKey) -> LoadedTree:
        async with self._database.transaction(key.tenant, isolation="repeatable_read", readonly=True) as connection:
            return await read_tree(connection, key)

    async def rights(self, key: TreeKey) -> Rights:
        async with self._database.transaction(key.tenant, isolation="repeatable_read", readonly=True) as connection:
            return await read_rights(connection, key)

    async def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        if not batches:
            return []
        ordered = in_order(batches)
        answer = await self._database.run_in_lane(COMMIT, columns(ordered))
        return receipts(ordered, answer, batches)

    @asynccontextmanager
    async def exclusive(self, key: TreeKey) -> AsyncIterator[Turn]:
        async with held(self._database, key) as turn:
            yield turn

    async def missing(self, key: TreeKey, after_commit: int) -> Missing:
        async with self._database.transaction(key.tenant, isolation="repeatable_read", readonly=True) as connection:
            return await read_missing(connection, key, after_commit)

    async def log(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            return await read_range(connection, key, after, through)

    async def mark_at(self, key: TreeKey, seq: int) -> str | None:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            return await read_mark(connection, key, seq)

    async def recall(self, key: TreeKey, user: str, client: str, numbers: Sequence[int]) -> Recalled:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            return await read_recall(connection, key, user, client, numbers)

    async def conflict(self, key: TreeKey, number: int) -> ConflictRecord | None:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            await read_head(connection, key)
            return await read_one(connection, key, number)

    async def heads(self, keys: Sequence[TreeKey]) -> dict[TreeKey, Head]:
        if not keys:
            return {}
        ordered = sorted(set(keys))
        grouped = [(tenant, len(list(group))) for tenant, group in groupby(ordered, lambda key: key.tenant)]
        tenants = [tenant for tenant, _ in grouped]
        counts = [count for _, count in grouped]
        # of no tenant: the function names each itself
        async with self._database.transaction("", readonly=True) as connection:
            rows = await connection.fetch(HEADS, tenants, counts, [key.tree for key in ordered])
        return {TreeKey(row["tenant_id"], row["tree_id"]): head_of(row) for row in rows}

    async def renew_epoch(self, key: TreeKey, epoch: str, new_epoch: str) -> Head:
        async with self._database.transaction(key.tenant) as connection:
            await connection.execute(RENEW_EPOCH, key.tenant, key.tree, epoch, new_epoch)
            return await read_head(connection, key)

    async def log_activity(self, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
        async with self._database.transaction(key.tenant) as connection:
            await read_head(connection, key)
            if events:
                await log_events(connection, key, author, events)
