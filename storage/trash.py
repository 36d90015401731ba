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

# The index of the trash gives the page in its order; then each deletion is counted from its top down.
PAGE = """
WITH RECURSIVE top AS (
    SELECT n.id, n.title, n.node_type, n.deleted_seq
    FROM tree_nodes AS n
    LEFT JOIN tree_nodes AS p ON p.tenant_id = n.tenant_id AND p.tree_id = n.tree_id AND p.id = n.parent_id
    WHERE n.tenant_id = $1 AND n.tree_id = $2 AND n.deleted_seq IS NOT NULL
        AND n.deleted_seq IS DISTINCT FROM p.deleted_seq
        AND ($3::bigint IS NULL OR (n.deleted_seq, n.id) < ($3, $4::text))
    ORDER BY n.deleted_seq DESC, n.id DESC LIMIT $5
), taken (top, id, deleted_seq) AS (
    SELECT id, id, deleted_seq FROM top
    UNION ALL
    SELECT t.top, n.id, n.deleted_seq FROM taken AS t
    JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = $2 AND n.deleted_seq = t.deleted_seq AND n.parent_id = t.id
)
SELECT top.*, counted.nodes, o.user_id, o.at
FROM top
JOIN (SELECT taken.top, count(*) AS nodes FROM taken GROUP BY taken.top) AS counted ON counted.top = top.id
JOIN tree_ops AS o ON o.tenant_id = $1 AND o.tree_id = $2 AND o.seq = top.deleted_seq
ORDER BY top.deleted_seq DESC, top.id DESC
"""

# the highest of what was deleted before the moment; nothing below it was deleted later: it could not be named any more
OVERDUE = """
WITH old AS MATERIALIZED (
    SELECT n.tree_id, n.id, n.parent_id
    FROM tree_nodes AS n
    JOIN tree_ops AS o ON o.tenant_id = n.tenant_id AND o.tree_id = n.tree_id AND o.seq = n.deleted_seq
    JOIN impact_trees AS t ON t.tenant_id = n.tenant_id AND t.id = n.tree_id
    WHERE n.tenant_id = $1 AND n.deleted_seq IS NOT NULL AND o.at < $2
        AND t.deleted_at IS NULL AND t.frozen_at IS NULL AND n.tree_id <> ALL ($3::bigint[])
)
SELECT tree_id, id FROM old
WHERE NOT EXISTS (SELECT FROM old AS above WHERE above.tree_id = old.tree_id AND above.id = old.parent_id)
ORDER BY tree_id, id LIMIT $4
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
