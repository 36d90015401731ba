"""What only the PostgreSQL implementation of `sync.hierarchy` has to keep."""

from __future__ import annotations

import asyncio

import asyncpg

from storage.database import Database
from storage.hierarchy import PostgresHierarchies
from tests.integration.storage.filled import new_tree
from tests.postgres_servers import PostgresServer

MANY = 20  # more than the pool has connections
WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'tree_nodes'::regclass AND NOT granted"


async def test_many_hierarchies_leave_connections_for_others(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    key = (await new_tree(postgres_database)).key
    hierarchies = PostgresHierarchies(postgres_database)
    owner = await asyncpg.connect(postgres_server.shared)
    async with asyncio.TaskGroup() as tasks, owner.transaction():
        await owner.execute("LOCK TABLE tree_nodes IN ACCESS EXCLUSIVE MODE")
        asking = [tasks.create_task(hierarchies.hierarchy(key, None, 1)) for _ in range(MANY)]
        while not await owner.fetchval(WAITING):
            pass
        await asyncio.wait_for(postgres_database.ping(), 20)
        assert not any(one.done() for one in asking)
    assert all(one.result().nodes for one in asking)
    await owner.close()
