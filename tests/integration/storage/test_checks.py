"""`storage.checks`: each thing that may be wrong is found, and what can be mended is, once."""

from __future__ import annotations

import asyncpg
import pytest

from storage.checks import CHECKS, REPLAYED, Finding, checking
from storage.database import Database
from storage.directory import PostgresDirectory
from storage.postgres import PostgresStore
from sync.creation import first_batch
from sync.identity import TreeKey
from sync.limits import Limits
from sync.nodes import Details
from sync.ops import ImportedNode
from tests.batches import Writer, author, node
from tests.integration.storage.filled import identity, new_tenant
from tests.postgres_servers import PostgresServer

# what breaks a tree, by the check that finds it; a hand that writes past the keys
DAMAGE = {
    "node-count": "UPDATE impact_trees SET node_count = 7 WHERE tenant_id = $1 AND id = $2",
    "head": "DELETE FROM tree_heads WHERE tenant_id = $1 AND tree_id = $2",
    "log": "DELETE FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND seq = 1",
    "reached": "UPDATE tree_nodes SET parent_id = id WHERE tenant_id = $1 AND tree_id = $2 AND id = 'n1'",
    "below-trash": "UPDATE tree_nodes SET deleted_seq = 1 WHERE tenant_id = $1 AND tree_id = $2 AND id = 'root'",
    "connection-ends": """INSERT INTO tree_connections (tenant_id, tree_id, id, from_node, to_node, marks, created_at,
        created_by, updated_at, updated_by) VALUES ($1, $2, 'c', 'root', 'gone', '{}', now(), '', now(), '')""",
}
BY_HAND = {
    "a title": "UPDATE tree_nodes SET title = 'by hand' WHERE tenant_id = $1 AND tree_id = $2 AND id = 'n1'",
    "a node that no op has made": """INSERT INTO tree_nodes (tenant_id, tree_id, id, parent_id, order_key, node_type,
        title, seq, marks, created_at, created_by, updated_at, updated_by) VALUES ($1, $2, 'new', 'root', 'z', 'metric',
        '', 1, '{}', now(), '', now(), '')""",
    "its own name": "UPDATE impact_trees SET name = 'by hand' WHERE tenant_id = $1 AND id = $2",
}
DAMAGE["replayed"] = BY_HAND["a title"]
MENDED = {check.name for check in CHECKS if check.mend}
GONE = "DELETE FROM impact_trees WHERE tenant_id = $1 AND id = $2"


async def a_tree(database: Database) -> TreeKey:
    """Made and edited as the server does it, so that its log says all that is in its rows."""
    by, store = identity(new_tenant()), PostgresStore(database)
    directory, who = PostgresDirectory(database), author("ada", "create:1")
    await directory.admit(by)
    nodes, nobody = [ImportedNode(id="root", type="objective", title="Grow")], TreeKey(by.tenant, 0)
    batch = first_batch(nobody, "e1", "m1", who, Details(name="Strategy"), nodes, [], Limits())
    key = await directory.create(by, batch, "private", who)
    loaded = await store.load(key)
    writer = Writer(key, loaded.head, author())
    writer.nodes = {row.node.id: row for row in loaded.nodes}
    writer.insert(node("n1", "root"))
    writer.answer("unchanged")
    [receipt] = await store.commit([writer.cut()])
    assert receipt.committed
    return key


async def damage(dsn: str, statement: str, key: TreeKey) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET session_replication_role = replica")  # no foreign keys
    await connection.execute(statement, key.tenant, key.tree)
    await connection.close()


async def findings(dsn: str, tenant: str, *, repair: bool = False) -> list[Finding]:
    async with checking(dsn, repair=repair) as asking:
        return await asking.findings(tenant)


async def test_a_healthy_tenant_has_none(postgres_server: PostgresServer, postgres_database: Database) -> None:
    key = await a_tree(postgres_database)
    async with checking(postgres_server.shared, repair=True) as asking:
        assert key.tenant in await asking.tenants()
        assert await asking.findings(key.tenant) == []


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found_by_its_check(
    name: str, postgres_server: PostgresServer, postgres_database: Database
) -> None:
    key, other = await a_tree(postgres_database), await a_tree(postgres_database)
    await damage(postgres_server.shared, DAMAGE[name], key)
    dry = await findings(postgres_server.shared, key.tenant)
    assert (name, key.tree, False) in [(one.check.name, one.tree, one.mended) for one in dry]
    assert await findings(postgres_server.shared, key.tenant) == dry
    assert await findings(postgres_server.shared, other.tenant, repair=True) == []
    await findings(postgres_server.shared, key.tenant, repair=True)
    left = {one.check.name for one in await findings(postgres_server.shared, key.tenant)}
    assert left & MENDED == set()
    assert (name in left) == (name not in MENDED)


@pytest.mark.parametrize("what", BY_HAND)
async def test_rows_that_the_log_has_not_made_are_found(
    what: str, postgres_server: PostgresServer, postgres_database: Database
) -> None:
    key = await a_tree(postgres_database)
    await damage(postgres_server.shared, BY_HAND[what], key)
    found = await findings(postgres_server.shared, key.tenant, repair=True)
    assert [(one.rows, one.mended) for one in found if one.check is REPLAYED] == [(1, False)]


async def test_what_is_left_of_a_tree_that_is_gone_is_removed(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    key, other = await a_tree(postgres_database), await a_tree(postgres_database)
    connection = await asyncpg.connect(postgres_server.shared)
    await connection.execute(GONE, key.tenant, key.tree)
    await connection.close()
    dry = await findings(postgres_server.shared, key.tenant)
    assert {one.check.name for one in dry} == {
        "orphans-tree_ops",
        "orphans-tree_clients",
        "orphans-tree_results",
        "orphans-user_activities",
    }
    mended = await findings(postgres_server.shared, key.tenant, repair=True)
    assert [(one.check.name, one.rows, one.mended) for one in mended] == [
        (one.check.name, one.rows, True) for one in dry
    ]
    assert await findings(postgres_server.shared, key.tenant) == []
    assert (await PostgresStore(postgres_database).load(other)).head.seq > 0


def test_every_check_is_shown() -> None:
    assert set(DAMAGE) | {check.name for check in CHECKS if check.name.startswith("orphans-")} == {
        check.name for check in CHECKS
    }
