"""The PostgreSQL implementation of `sync.ports.Directory`: trees that are made, listed, shared and thrown away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from storage.activity import log_of_tree
from storage.commits import COMMIT, columns, in_order
from storage.conflicts import read_own, read_page
from storage.database import Connection, Database
from storage.listing import read_summary, read_trees
from storage.op_log import read_head
from storage.trash import read_overdue, read_trash
from storage.tree_rows import read_rights
from sync.activities import made_by, of_member
from sync.conflict_records import ConflictRecord, OwnConflict
from sync.errors import NotFound, Unavailable
from sync.identity import Author, Identity, TreeKey
from sync.listing import EVERY_TREE, TreeFilter
from sync.ports import Batch, Rights, TreeSummary, Visibility
from sync.protocol import Role
from sync.trash import Overdue, Trashed

ADMIT_TENANT = "INSERT INTO tenants (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING"
# a token that says nothing of name or email takes neither away
ADMIT_USER = """
INSERT INTO users AS u (tenant_id, user_id, name, email, role, seen_at) VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (tenant_id, user_id) DO UPDATE SET
    name = COALESCE(NULLIF(excluded.name, ''), u.name), email = COALESCE(NULLIF(excluded.email, ''), u.email),
    role = excluded.role, seen_at = now(), updated_at = CASE
        WHEN (u.name, u.email, u.role) IS DISTINCT FROM (COALESCE(NULLIF(excluded.name, ''), u.name),
            COALESCE(NULLIF(excluded.email, ''), u.email), excluded.role) THEN now() ELSE u.updated_at END
"""
STUB_USER = "INSERT INTO users (tenant_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
CREATE = """
INSERT INTO impact_trees (tenant_id, user_id, name, visibility) VALUES ($1, $2, $3, $4) RETURNING id
"""
CREATE_HEAD = "INSERT INTO tree_heads (tenant_id, tree_id, epoch) VALUES ($1, $2, $3)"
RAISE_RIGHTS = "UPDATE tree_heads SET rights = rights + 1 WHERE tenant_id = $1 AND tree_id = $2"
SET_VISIBILITY = "UPDATE impact_trees SET visibility = $3 WHERE tenant_id = $1 AND id = $2"
SET_FROZEN = """
UPDATE impact_trees SET frozen_at = CASE WHEN $3 THEN COALESCE(frozen_at, now()) END WHERE tenant_id = $1 AND id = $2
"""
TRASH = "UPDATE impact_trees SET deleted_at = now() WHERE tenant_id = $1 AND id = $2"
SET_MEMBER = """
INSERT INTO tree_members (tenant_id, tree_id, user_id, role) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, tree_id, user_id) DO UPDATE SET role = excluded.role
"""
DROP_MEMBER = "DELETE FROM tree_members WHERE tenant_id = $1 AND tree_id = $2 AND user_id = $3"


class PostgresDirectory:
    """`sync.ports.Directory` over a Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, identity: Identity) -> None:
        async with self._database.transaction(identity.tenant) as connection:
            await _admit(connection, identity)

    async def create(self, identity: Identity, first: Batch, visibility: Visibility, author: Author) -> TreeKey:
        async with self._database.transaction(identity.tenant) as connection:
            await connection.execute(ADMIT_TENANT, identity.tenant)
            return await make_tree(connection, identity, first, visibility, author)

    async def trees(
        self, identity: Identity, *, limit: int, before: str | None = None, only: TreeFilter = EVERY_TREE
    ) -> list[TreeSummary]:
        async with self._database.transaction(identity.tenant, readonly=True) as connection:
            return await read_trees(connection, identity, limit=limit, before=before, only=only)

    async def summary(self, identity: Identity, tree: int) -> TreeSummary:
        async with self._database.transaction(identity.tenant, readonly=True) as connection:
            summary = await read_summary(connection, identity, tree)
        if summary is None:
            raise NotFound("no such tree")
        return summary

    async def set_visibility(self, key: TreeKey, visibility: Visibility, by: Author | None = None) -> Rights:
        async with self._changing(key) as connection:
            await connection.execute(SET_VISIBILITY, key.tenant, key.tree, visibility)
            if by is not None:
                await log_of_tree(connection, key, by, "visibility_changed", visibility=visibility)
            return await read_rights(connection, key)

    async def set_member(self, key: TreeKey, user: str, role: Role | None, by: Author | None = None) -> Rights:
        async with self._changing(key) as connection:
            known = user in (await read_rights(connection, key)).members
            if role is None:
                await connection.execute(DROP_MEMBER, key.tenant, key.tree, user)
            else:
                await connection.execute(STUB_USER, key.tenant, user)
                await connection.execute(SET_MEMBER, key.tenant, key.tree, user, role)
            if by is not None and (known or role is not None):
                await log_of_tree(connection, key, by, of_member(known, role), member=user, role=role)
            return await read_rights(connection, key)

    async def set_frozen(self, key: TreeKey, frozen: bool) -> Rights:
        async with self._changing(key) as connection:
            await connection.execute(SET_FROZEN, key.tenant, key.tree, frozen)
            return await read_rights(connection, key)

    async def trash_tree(self, key: TreeKey, by: Author | None = None) -> Rights:
        async with self._changing(key) as connection:
            await connection.execute(TRASH, key.tenant, key.tree)
            if by is not None:
                await log_of_tree(connection, key, by, "tree_deleted")
            return await read_rights(connection, key)

    async def conflicts(
        self, key: TreeKey, *, user: str | None, limit: int, before: int | None = None
    ) -> list[ConflictRecord]:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            await read_head(connection, key)
            return await read_page(connection, key, user, limit, before)

    async def own_conflicts(self, identity: Identity, *, limit: int, before: str | None = None) -> list[OwnConflict]:
        async with self._database.transaction(identity.tenant, readonly=True) as connection:
            return await read_own(connection, identity, limit, before)

    async def trash(self, key: TreeKey, *, limit: int, before: tuple[int, str] | None = None) -> list[Trashed]:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            await read_head(connection, key)
            return await read_trash(connection, key, limit, before)

    async def overdue_trash(self, moment: datetime, *, limit: int, but: Collection[TreeKey] = ()) -> list[Overdue]:
        found: list[Overdue] = []
        for tenant in await self._database.tenants():
            left = limit - sum(len(one.nodes) for one in found)
            if left > 0:
                async with self._database.transaction(tenant, readonly=True) as connection:
                    found += await read_overdue(connection, tenant, moment, left, but)
        return found

    @asynccontextmanager
    async def _changing(self, key: TreeKey) -> AsyncIterator[Connection]:
        """A transaction that raises the version of the rights of a living tree, and holds its head."""
        async with self._database.transaction(key.tenant) as connection:
            await connection.execute(RAISE_RIGHTS, key.tenant, key.tree)
            await read_head(connection, key)
            yield connection


async def make_tree(
    connection: Connection, identity: Identity, first: Batch, visibility: Visibility, author: Author
) -> TreeKey:
    """A new tree of a tenant that is there, with its first commit. Raises Unavailable."""
    await connection.execute(STUB_USER, identity.tenant, identity.user)
    name = first.details.name if first.details is not None else ""
    number = await connection.fetchval(CREATE, identity.tenant, identity.user, name, visibility)
    key = TreeKey(identity.tenant, number)
    await connection.execute(CREATE_HEAD, key.tenant, key.tree, first.epoch)
    counts = {"node_count": len(first.nodes), "connection_count": len(first.connections)}
    await log_of_tree(connection, key, author, "tree_created", how=made_by(author), **counts)
    batch = msgspec.structs.replace(first, key=key, commit=0, seq=0)
    answer = await connection.fetchrow(COMMIT, *columns(in_order([batch])))
    if answer is None or answer["times"][0] is None:
        raise Unavailable("the first commit of a new tree did not land")
    return key


async def _admit(connection: Connection, identity: Identity) -> None:
    await connection.execute(ADMIT_TENANT, identity.tenant)
    await connection.execute(ADMIT_USER, identity.tenant, identity.user, identity.name, identity.email, identity.role)
