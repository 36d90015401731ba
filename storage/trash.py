"""Reading the trash in PostgreSQL: see `sync.trash`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import groupby

import asyncpg

from storage.database import Connection
from storage.json_values import rfc3339
from sync.identity import TreeKey
from sync.trash import Overdue, Trashed

# The index of the trash gives the page in its order. What one deletion took hangs together below its top for as long as
# it lies there: nothing moves into the trash or within it, and what is taken out goes with all below it.
# Subqueries stand where joins would do: with no statistics yet a planner joins 10,000 rows by comparing each with each.
PAGE = """
SELECT top.*, o.user_id, o.at, (
    SELECT count(*) FROM tree_nodes AS n
    WHERE n.tenant_id = $1 AND n.tree_id = $2 AND n.deleted_seq = top.deleted_seq
) AS nodes
FROM (
    SELECT n.id, n.title, n.node_type, n.deleted_seq
    FROM tree_nodes AS n
    WHERE n.tenant_id = $1 AND n.tree_id = $2 AND n.deleted_seq IS NOT NULL
        AND n.deleted_seq IS DISTINCT FROM (
            SELECT p.deleted_seq FROM tree_nodes AS p WHERE p.tenant_id = $1 AND p.tree_id = $2 AND p.id = n.parent_id)
        AND ($3::bigint IS NULL OR (n.deleted_seq, n.id) < ($3, $4::text))
    ORDER BY n.deleted_seq DESC, n.id DESC LIMIT $5
) AS top
JOIN tree_ops AS o ON o.tenant_id = $1 AND o.tree_id = $2 AND o.seq = top.deleted_seq
ORDER BY top.deleted_seq DESC, top.id DESC
"""

# the highest of what was deleted before the moment; nothing below it was deleted later: it could not be named any more
OVERDUE = """
SELECT n.tree_id, n.id FROM tree_nodes AS n
WHERE n.tenant_id = $1 AND n.deleted_seq IS NOT NULL AND n.tree_id <> ALL ($3::bigint[])
    AND (
        SELECT o.at FROM tree_ops AS o WHERE o.tenant_id = $1 AND o.tree_id = n.tree_id AND o.seq = n.deleted_seq
    ) < $2
    AND COALESCE((
        SELECT o.at FROM tree_ops AS o WHERE o.tenant_id = $1 AND o.tree_id = n.tree_id AND o.seq = (
            SELECT p.deleted_seq FROM tree_nodes AS p
            WHERE p.tenant_id = $1 AND p.tree_id = n.tree_id AND p.id = n.parent_id)
    ), 'infinity') >= $2
    AND (
        SELECT t.deleted_at IS NULL AND t.frozen_at IS NULL FROM impact_trees AS t
        WHERE t.tenant_id = $1 AND t.id = n.tree_id)
ORDER BY n.tree_id, n.deleted_seq, n.id LIMIT $4
"""


async def read_trash(connection: Connection, key: TreeKey, limit: int, before: tuple[int, str] | None) -> list[Trashed]:
    seq, node = before or (None, None)
    rows = await connection.fetch(PAGE, key.tenant, key.tree, seq, node, limit)
    return [_line(row) for row in rows]


async def read_overdue(
    connection: Connection, tenant: str, moment: datetime, limit: int, but: Collection[TreeKey]
) -> list[Overdue]:
    """Of one tenant."""
    trees = [key.tree for key in but if key.tenant == tenant]
    rows = await connection.fetch(OVERDUE, tenant, moment, trees, limit)
    return [
        Overdue(key=TreeKey(tenant, tree), nodes=[row["id"] for row in tops])
        for tree, tops in groupby(rows, key=lambda row: row["tree_id"])
    ]


def _line(row: asyncpg.Record) -> Trashed:
    return Trashed(
        node=row["id"],
        title=row["title"],
        type=row["node_type"],
        nodes=row["nodes"],
        seq=row["deleted_seq"],
        by=row["user_id"],
        at=rfc3339(row["at"]),
    )
