"""Kept snapshots of trees."""

from __future__ import annotations

import asyncpg
import msgspec

from storage.database import Connection
from storage.json_values import rfc3339
from sync.identity import TreeKey
from sync.ports import TreeVersion

# a lock of its own, not the head's: a head that is held counts as lost to whoever wants to commit
NUMBERING = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2::bigint::text, 0))"
KEEP = """
INSERT INTO tree_versions
    (tenant_id, tree_id, version_number, epoch, seq, tree_snapshot, name, change_description, user_id)
SELECT $1, $2, COALESCE(max(version_number), 0) + 1, $3, $4, $5, $6, $7, $8
FROM tree_versions WHERE tenant_id = $1 AND tree_id = $2
HAVING NOT COALESCE(bool_or(epoch = $3 AND seq >= $4), false)
RETURNING version_number, created_at
"""
BEFORE = """
SELECT version_number, epoch, seq, tree_snapshot, name, change_description, user_id, created_at
FROM tree_versions WHERE tenant_id = $1 AND tree_id = $2 AND epoch = $3 AND seq <= $4
ORDER BY seq DESC LIMIT 1
"""


async def keep_version(connection: Connection, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
    """Store a version under the next number, unless that moment or a later one is kept already."""
    await connection.execute(NUMBERING, key.tenant, key.tree)
    row: asyncpg.Record | None = await connection.fetchrow(
        KEEP,
        key.tenant,
        key.tree,
        version.epoch,
        version.seq,
        version.state.decode(),
        version.name,
        version.description,
        version.user,
    )
    if row is None:
        return None
    return msgspec.structs.replace(version, number=row["version_number"], at=rfc3339(row["created_at"]))


async def version_before(connection: Connection, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
    row = await connection.fetchrow(BEFORE, key.tenant, key.tree, epoch, seq)
    if row is None:
        return None
    return TreeVersion(
        number=row["version_number"],
        seq=row["seq"],
        epoch=row["epoch"],
        state=row["tree_snapshot"].encode(),
        at=rfc3339(row["created_at"]),
        user=row["user_id"],
        description=row["change_description"],
        name=row["name"],
    )
