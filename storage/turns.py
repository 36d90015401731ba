"""A tree's head, held for one commit: `Store.exclusive` (SEMANTICS 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg
from asyncpg.transaction import Transaction

from storage.commits import COMMIT, columns, in_order, receipts
from storage.conflicts import read_one
from storage.database import Connection, Database, translated
from storage.op_log import read_head, read_missing, read_range, read_recall
from sync.conflict_records import ConflictRecord
from sync.errors import NotFound, Unstorable
from sync.identity import TreeKey
from sync.ports import Batch, LoggedOp, Missing, Recalled, Receipt

# who holds a head keeps others from committing: nobody waits longer than 1 s for it, nor holds it idle for 2 s
PATIENCE = """
SELECT set_config('lock_timeout', '1s', true), set_config('idle_in_transaction_session_timeout', '2s', true)
"""
HOLD = "SELECT FROM tree_heads WHERE tenant_id = $1 AND tree_id = $2 FOR UPDATE"
# what the end of the transaction would check is checked while the answer can still be given
CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"


class PostgresTurn:
    """The head of one tree, locked until the transaction ends."""

    def __init__(self, connection: Connection, key: TreeKey) -> None:
        self._connection = connection
        self._key = key

    async def missing(self, after_commit: int) -> Missing:
        with translated():
            return await read_missing(self._connection, self._key, after_commit)

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
            finally:
                await savepoint.rollback()

    async def commit(self, batch: Batch) -> Receipt:
        with translated():
            return await self._write(batch)

    async def _write(self, batch: Batch) -> Receipt:
        if batch.key != self._key:
            raise Unstorable("a turn commits its own tree only")
        ordered = in_order([batch])
        answer = await self._connection.fetchrow(COMMIT, *columns(ordered))
        assert answer is not None
        await self._connection.execute(CHECK_NOW)
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
                await _hold(database, connection, key)
            yield PostgresTurn(connection, key)
        except BaseException:
            await _roll_back(connection, transaction)
            raise
        with translated():
            await transaction.commit()


async def _hold(database: Database, connection: Connection, key: TreeKey) -> None:
    await database.enter(connection, key.tenant)
    await connection.execute(PATIENCE)
    if await connection.fetchrow(HOLD, key.tenant, key.tree) is None:
        raise NotFound("no such tree")
    await read_head(connection, key)  # it may have been deleted while we waited


async def _roll_back(connection: Connection, transaction: Transaction) -> None:
    """Where even that fails the connection goes, and the database rolls back by itself; the first error counts."""
    try:
        await transaction.rollback()
    except Exception:
        with suppress(asyncpg.InterfaceError):  # cut already, and the pool's again
            connection.terminate()
