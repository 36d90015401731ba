"""P10 under attack: no cell of role × table × verb × tenant is open, each policy is what keeps its own closed, and no
tenant's name outlives its transaction, however that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import asyncpg
import pytest

from storage.database import Database, DatabaseSettings
from sync.errors import TreesyncError
from sync.identity import TreeKey
from tests.integration.storage.filled import fill
from tests.integration.storage.isolation import Cell, open_cells
from tests.integration.storage.test_row_security import OF_TENANTS
from tests.postgres_servers import PostgresServer, opened

LEAK = "ALTER POLICY one_tenant ON {} USING (true) WITH CHECK (true)"
MINE = "SELECT count(*), count(DISTINCT tenant_id), min(tenant_id) FROM tree_nodes"


@asynccontextmanager
async def owners(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def test_p10_no_cell_is_open(postgres_server: PostgresServer, postgres_database: Database) -> None:
    key = await fill(postgres_database)
    async with owners(postgres_server.shared) as connection:
        cells = await open_cells(connection, key, OF_TENANTS)
    # that the lister reads the list of tenants is what it is for
    lists = {cell for cell in cells if (cell.role, cell.table, cell.verb) == ("treesync_lister", "tenants", "select")}
    assert cells - lists == set()


async def test_p10_each_policy_is_what_closes_its_table(postgres_server: PostgresServer) -> None:
    """The matrix would notice: with one policy gone, that table is open and no other."""
    dsn = await postgres_server.fresh()
    async with opened(dsn) as database:
        key = await fill(database)
    async with owners(dsn) as connection:
        for table in OF_TENANTS:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(LEAK.format(table))
            cells = await open_cells(connection, key, OF_TENANTS, namings=["somebody-else"])
            await transaction.rollback()
            assert Cell("treesync_app", table, "select", "somebody-else") in cells, table
            assert Cell("treesync_app", table, "insert", "somebody-else") in cells, table
            assert {cell.table for cell in cells if cell.role == "treesync_app"} == {table}


async def _visit(database: Database, key: TreeKey, chance: Random) -> None:
    """One transaction of a tenant that reads, and may fail or wait for ever on the way."""
    async with database.transaction(key.tenant) as connection:
        assert await connection.fetchval("SELECT current_setting('app.tenant', true)") == key.tenant
        if chance.random() < 0.2:
            await connection.execute("SELECT pg_sleep(30)")
        row = await connection.fetchrow(MINE)
        assert row is not None
        assert (row[1], row[2]) == (1, key.tenant), "rows of another tenant"
        if chance.random() < 0.1:
            await connection.execute("SELECT 1 / 0")


@pytest.mark.parametrize("transaction_pooler", [False, True])
async def test_p10_no_name_outlives_its_transaction_on_a_pooled_connection(
    postgres_server: PostgresServer, transaction_pooler: bool
) -> None:
    """Many tenants on few connections, a third of the transactions cancelled at some await or failing."""
    chance = Random(41)
    dsn = await postgres_server.fresh()
    settings = DatabaseSettings(dsn=dsn, pool_min=1, pool_max=4, transaction_pooler=transaction_pooler)
    database = Database(settings)
    await database.open()
    try:
        keys = [await fill(database) for _ in range(10)]
        ended = {"done": 0, "cancelled": 0, "failed": 0}

        async def one(key: TreeKey) -> None:
            task = asyncio.create_task(_visit(database, key, chance))
            if chance.random() < 0.4:
                for _ in range(chance.randrange(12)):
                    await asyncio.sleep(0)  # to another await each time
                task.cancel()
            try:
                await asyncio.wait_for(task, 0.2)
                ended["done"] += 1
            except (asyncio.CancelledError, TimeoutError):
                ended["cancelled"] += 1
            except TreesyncError:
                ended["failed"] += 1

        for _ in range(15):
            await asyncio.gather(*(one(chance.choice(keys)) for _ in range(20)))
            async with database.connection() as connection:
                assert not await connection.fetchval("SELECT current_setting('app.tenant', true)")
                assert await connection.fetchval("SELECT count(*) FROM tree_nodes") == 0 or transaction_pooler
        assert min(ended.values()) > 0, ended
    finally:
        await database.close()
