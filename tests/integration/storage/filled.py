"""A tenant with at least one row in every table of a tenant."""

from __future__ import annotations

from itertools import count

from storage.database import Database
from storage.directory import PostgresDirectory
from storage.postgres import PostgresStore
from storage.search import PostgresSearch
from storage.templates import PostgresTemplates
from sync.identity import Identity, TreeKey
from sync.node_templates import STANDARD
from sync.protocol import ActivityEvent
from sync.versions import TreeVersion
from tests.batches import Writer, author, first_batch, node

TERM = "INSERT INTO tree_terms (tenant_id, tree_id, term, node_count, nodes) VALUES ($1, $2, 'growth', 1, '{root}')"
ROW = "INSERT INTO legacy_rows (tenant_id, source, row_id, content, tree_id) VALUES ($1, 'legacy', '1', '', $2)"
_numbers = count(1)


def new_tenant() -> str:
    return f"filled-{next(_numbers)}"


def identity(tenant: str, user: str = "ada") -> Identity:
    return Identity(tenant=tenant, user=user, name=user.title(), expires_at=4e9)


async def new_tree(database: Database, tenant: str | None = None) -> Writer:
    """A tree of ada's, and a writer at its head."""
    by = identity(tenant or new_tenant())
    directory, store = PostgresDirectory(database), PostgresStore(database)
    await directory.admit(by)
    key = await directory.create(by, first_batch(by.tenant), "private", author("ada", "create:1"))
    loaded = await store.load(key)
    writer = Writer(key, loaded.head, author())
    writer.nodes = {row.node.id: row for row in loaded.nodes}
    return writer


async def fill(database: Database) -> TreeKey:
    writer = await new_tree(database)
    writer.insert(node("n1", "root"))
    writer.answer("unchanged")
    writer.set_aside(1, "Mine")
    store = PostgresStore(database)
    [receipt] = await store.commit([writer.cut()])
    assert receipt.committed
    await PostgresDirectory(database).set_member(writer.key, "bo", "editor")
    await store.keep_version(writer.key, TreeVersion(number=0, seq=1, epoch="e1", state=b"{}"))
    await store.log_activity(writer.key, author(), [ActivityEvent(id="ev-1", kind="node_viewed")])
    await PostgresTemplates(database).set_node_templates(writer.key.tenant, "ada", STANDARD)
    await PostgresSearch(database).refresh(writer.key.tenant, everything=True)
    async with database.transaction(writer.key.tenant) as connection:
        for statement in (TERM, ROW):
            await connection.execute(statement, writer.key.tenant, writer.key.tree)
    return writer.key
