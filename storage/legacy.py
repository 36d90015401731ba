"""Rows of an old table: read where they are, and remembered with the trees they became."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec

from storage.database import Connection, Database, translated
from storage.directory import ADMIT_TENANT, make_tree
from storage.search_index import announce
from sync.errors import NotFound
from sync.identity import Author, Identity
from sync.ports import Batch, Visibility

# Whoever comes second waits here until the first has committed, and then finds the row: of two runs at once one makes
# the tree
CLAIM = """
INSERT INTO legacy_rows (tenant_id, source, row_id, content) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true
"""
KNOWN = "SELECT tree_id, content FROM legacy_rows WHERE tenant_id = $1 AND source = $2 AND row_id = $3"
FILL = "UPDATE legacy_rows SET tree_id = $4 WHERE tenant_id = $1 AND source = $2 AND row_id = $3"
# when the tree was made and changed by its people; a time that has not come yet counts as now
TIMES = """
UPDATE impact_trees SET created_at = LEAST($3, created_at), updated_at = LEAST($4, updated_at),
    updated_hour = date_trunc('hour', LEAST($4, updated_at), 'UTC')
WHERE tenant_id = $1 AND id = $2
"""
ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
READABLE = "SELECT COALESCE(has_table_privilege(to_regclass($1)::oid, 'SELECT'), false)"
COUNT = "SELECT count(*) FROM {table}"
ROWS = "SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY {order}"
HAS_ID = "SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = 'id' AND NOT attisdropped"

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 600.0  # for a page of rows from a table that may lie on a slow disk
_PAGE = 20  # rows asked for at a time: one may have 20 MB
_SESSION = {
    "application_name": "treesync import-legacy",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "0",  # it waits while rows are taken
}


class Took(msgspec.Struct, frozen=True):
    """What became of a row. `known`: it was taken before, with this content; `changed`: with another one; `gone`: and
    its tree was purged since. `tree` is its tree's number, None where that is gone."""

    fate: Literal["made", "known", "changed", "gone"]
    tree: int | None


class LegacyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is to be taken, named by the table it comes from and its id there."""

    source: str
    row: str
    content: str
    created_at: datetime | None
    updated_at: datetime | None


class PostgresLegacy:
    """Which rows have become which trees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, tenant: str, row: LegacyRow) -> Took | None:
        """What became of a row that was taken before; None: it was not."""
        async with self._database.transaction(tenant, readonly=True) as connection:
            return await _known(connection, tenant, row)

    async def take(
        self, identity: Identity, row: LegacyRow, first: Batch, visibility: Visibility, author: Author
    ) -> Took:
        """Make the row's tree and remember that, in one transaction; a row that was taken before is left alone.

        Raises Unavailable, after which it may have happened: asking again tells. Raises Unstorable.
        """
        tenant = identity.tenant
        async with self._database.transaction(tenant) as connection:
            await connection.execute(ADMIT_TENANT, tenant)
            if not await connection.fetchval(CLAIM, tenant, row.source, row.row, row.content):
                known = await _known(connection, tenant, row)
                assert known is not None, "a row that was claimed is there"
                return known
            key = await make_tree(connection, identity, first, visibility, author)
            await connection.execute(FILL, tenant, row.source, row.row, key.tree)
            await connection.execute(TIMES, tenant, key.tree, row.created_at, row.updated_at)
            await announce(connection, tenant, [key.tree])  # no search looks for what was edited long ago
            return Took("made", key.tree)


async def _known(connection: Connection, tenant: str, row: LegacyRow) -> Took | None:
    found = await connection.fetchrow(KNOWN, tenant, row.source, row.row)
    if found is None:
        return None
    tree = found["tree_id"]
    if tree is None:
        return Took("gone", None)
    return Took("known" if found["content"] == row.content else "changed", tree)


class OldTable:
    """A table with one tree in a row, as it was at one moment. `count`: its rows then."""

    def __init__(self, connection: Any, table: str, order: str, count: int) -> None:
        self.count = count
        self._connection = connection
        self._statement = ROWS.format(table=table, order=order)

    async def rows(self) -> AsyncIterator[str]:
        """Each row as an object of JSON, in the order of its id."""
        with translated():
            cursor = await self._connection.cursor(self._statement, timeout=_READ_SECONDS)
        while True:
            with translated():
                page = await cursor.fetch(_PAGE, timeout=_READ_SECONDS)
            for row in page:
                yield row[0]
            if not page:
                return


@asynccontextmanager
async def old_table(dsn: str, schema: str, table: str) -> AsyncIterator[OldTable]:
    """Raises Unavailable, and NotFound where there is no such table, or none that this login may read."""
    name = f"{_quoted(schema)}.{_quoted(table)}"
    with translated():
        connection: Any = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, server_settings=_SESSION)
    try:
        with translated():
            await connection.execute(ONE_MOMENT)
            if not await connection.fetchval(READABLE, name):
                raise NotFound(f"there is no table {schema}.{table}, or it may not be read")
            order = "t.id" if await connection.fetchval(HAS_ID, name) else "t.ctid"
            count = await connection.fetchval(COUNT.format(table=name), timeout=_READ_SECONDS)
        yield OldTable(connection, name, order, count)
    finally:
        connection.terminate()  # nothing was written


def _quoted(name: str) -> str:
    """An identifier (PostgreSQL manual, 4.1.1)."""
    return '"{}"'.format(name.replace('"', '""'))
