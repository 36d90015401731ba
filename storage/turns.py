"""A tree's head, held for one commit: `Store.exclusive` (SEMANTICS 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg
from asyncpg.transaction import Transaction

from storage.commits import COMMIT, columns, in_order, receipts
from storage.conflicts import read_one
from storage.database import Connection, Database, translated
from storage.op_log import head_of, read_missing, read_range, read_recall
from sync.conflict_records import ConflictRecord
from sync.errors import NotFound, Unstorable
from sync.identity import TreeKey
from sync.ports import Batch, Head, LoggedOp, Missing, Recalled, Receipt

HOLD = "SELECT * FROM hold_head($1, $2)"
# a rehearsal has no end of its transaction, at which the rest would be checked
CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"


class PostgresTurn:
    """The head of one tree, locked until the transaction ends. Each question is a round trip in which nobody else can
    commit: what the lock itself has answered is not asked again."""

    def __init__(self, connection: Connection, key: TreeKey, head: Head) -> None:
        self._connection = connection
        self._key = key
        self._head: Head | None = head

    async def missing(self, after_commit: int) -> Missing:
        with translated():
            return await read_missing(self._connection, self._key, after_commit, self._head)

    async def recall(self, user: str, client: str, numbers: Sequence[int]) -> Recalled:
        with translated():
            return await read_recall(self._connection, self._key, user, client, numbers)

    async def log(self, after: int, through: int) -> list[LoggedOp]:
        with translated():
            return await read_range(self._connection, self._key, after, through)

    async def conflict(self, number: int) -> ConflictRecord | None:
        with translated():
            return await read_one(self._connection, self._key, number)

    async def rehearse(self, batch: Batch) -> None:
        with translated():
            savepoint = self._connection.transaction()
            await savepoint.start()
            try:
                await self._write(batch)
                await self._connection.execute(CHECK_NOW)
            finally:
                await savepoint.rollback()

    async def commit(self, batch: Batch) -> Receipt:
        self._head = None
        with translated():
            return await self._write(batch)

    async def _write(self, batch: Batch) -> Receipt:
        if batch.key != self._key:
            raise Unstorable("a turn commits its own tree only")
        ordered = in_order([batch])
        answer = await self._connection.fetchrow(COMMIT, *columns(ordered))
        assert answer is not None
        return receipts(ordered, answer, [batch])[0]


@asynccontextmanager
async def held(database: Database, key: TreeKey) -> AsyncIterator[PostgresTurn]:
    """Raises NotFound where there is no such tree, Unavailable where its head was not free in time.

    Errors of the block pass as they are; what the transaction's own end raises is translated.
    """
    async with database.connection() as connection:
        transaction = connection.transaction()
        with translated():
            await transaction.start()
        try:
            with translated():
                head = await _hold(database, connection, key)
            yield PostgresTurn(connection, key, head)
        except BaseException:
            await _roll_back(connection, transaction)
            raise
        with translated():
            await transaction.commit()


async def _hold(database: Database, connection: Connection, key: TreeKey) -> Head:
    if database.pooled:
        await database.enter(connection, key.tenant)
    row = await connection.fetchrow(HOLD, key.tenant, key.tree)
    if row is None:
        raise NotFound("no such tree")
    return head_of(row)


async def _roll_back(connection: Connection, transaction: Transaction) -> None:
    """Where even that fails the connection goes, and the database rolls back by itself; the first error counts."""
    try:
        await transaction.rollback()
    except Exception:
        with suppress(asyncpg.InterfaceError):  # cut already, and the pool's again
            connection.terminate()
