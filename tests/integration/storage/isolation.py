# ruff: noqa: S608 - the names in these statements are the catalogue's
"""What one tenant can reach of another's rows, cell by cell: role × table × verb × how the tenant is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from sync.identity import TreeKey

ROLES = ("treesync_app", "treesync_lister")
GIVEN = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
VERBS = ("select", "insert", "update", "delete")
# none set, the empty one, another one, and what a careless hand may make of a name
NAMINGS: tuple[str | None, ...] = (None, "", "somebody-else", "'", "%", "null", " {tenant}", "{tenant} ", "{tenant}\n")


class Cell(NamedTuple):
    """One way to a row of another tenant."""

    role: str
    table: str
    verb: str
    naming: str | None


async def open_cells(
    connection: asyncpg.Connection, key: TreeKey, tables: Sequence[str], namings: Sequence[str | None] = NAMINGS
) -> set[Cell]:
    """The cells through which somebody who is not of the tenant of `key` reads, makes, changes or removes a row of it.
    Everything is done by an owner's connection that takes the role on, and is rolled back."""
    found = set()
    for table in tables:
        sample = await connection.fetchval(
            f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE tenant_id = $1 LIMIT 1", key.tenant
        )
        assert sample is not None, f"{table} holds no row to reach for"
        for role in ROLES:
            for naming in namings:
                for verb in VERBS:
                    cell = Cell(role, table, verb, naming)
                    if await _reaches(connection, cell, key.tenant, sample):
                        found.add(cell)
    return found


async def insertion(connection: asyncpg.Connection, table: str) -> str:
    """The statement that makes a row again of what to_jsonb said of one; generated columns are not given."""
    columns = await connection.fetchval(GIVEN, table)
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)"


async def _reaches(connection: asyncpg.Connection, cell: Cell, tenant: str, sample: str) -> bool:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL ROLE {cell.role}")
        if cell.naming is not None:
            await connection.execute("SELECT set_config('app.tenant', $1, true)", cell.naming.format(tenant=tenant))
        return await _touched(connection, cell, tenant, sample)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError):
        return False
    except asyncpg.UniqueViolationError:
        return True  # the policy let the row through, and only its own twin stopped it
    finally:
        await transaction.rollback()


async def _touched(connection: asyncpg.Connection, cell: Cell, tenant: str, sample: str) -> bool:
    """Whether the statement came to a row of that tenant."""
    where = f"{cell.table} WHERE tenant_id = $1"
    match cell.verb:
        case "select":
            return bool(await connection.fetch(f"SELECT 1 FROM {where} LIMIT 1", tenant))
        case "insert":
            await connection.execute(await insertion(connection, cell.table), sample)
            return True
        case "update":
            change = f"UPDATE {cell.table} SET tenant_id = tenant_id WHERE tenant_id = $1 RETURNING 1"
            return bool(await connection.fetch(change, tenant))
        case _:
            return bool(await connection.fetch(f"DELETE FROM {where} RETURNING 1", tenant))
