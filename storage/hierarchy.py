"""The PostgreSQL implementation of `sync.hierarchy.Hierarchies`: recursive queries over the rows of a tree.

Up, each step is a row by its key. Down, the rows of the tree are read once, by its key, and each level is joined to
them: an index by parent would answer one level, and cost every edit. Levels are few therefore, and few ask at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from storage.database import Connection, Database
from storage.op_log import read_head
from sync.errors import NotFound
from sync.hierarchy import MOST_DEPTH, MOST_NODES, Ancestor, Hierarchy, HierarchyNode, bounded, path_below
from sync.identity import TreeKey
from sync.structuring import PATH_CHARACTERS, ROOT_PATH

_TOGETHER = 2  # ask at a time, of 20 connections: others' questions take a millisecond, these up to a second

# The node itself is step 0
UP = """
WITH RECURSIVE up AS (
    SELECT id, parent_id, title, node_type, 0 AS steps FROM tree_nodes
    WHERE tenant_id = $1 AND tree_id = $2 AND id = $3 AND deleted_seq IS NULL
    UNION ALL
    SELECT n.id, n.parent_id, n.title, n.node_type, up.steps + 1 FROM up
    JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = $2 AND n.id = up.parent_id
)
SELECT id, title, node_type FROM up ORDER BY steps DESC
"""
# $3: the node it begins at, which stands at depth $5 and below the path $6; null: the roots. $4: how many levels
DOWN = """
WITH RECURSIVE live AS MATERIALIZED (
    SELECT id, parent_id, order_key, title, node_type FROM tree_nodes
    WHERE tenant_id = $1 AND tree_id = $2 AND deleted_seq IS NULL
), down AS (
    SELECT id, parent_id, order_key, title, node_type, $5::integer AS depth, $6::text COLLATE "C" AS path FROM live
    WHERE CASE WHEN $3::text IS NULL THEN parent_id IS NULL ELSE id = $3 END
    UNION ALL
    SELECT n.id, n.parent_id, n.order_key, n.title, n.node_type, down.depth + 1,
        CASE WHEN length(down.path) + length(down.id) < $7 THEN down.path || '.' || down.id
            ELSE $8::text || '.….' || down.id END
    FROM down JOIN live AS n ON n.parent_id = down.id WHERE down.depth < $4 + $5
), counted AS (
    SELECT parent_id, count(*) AS children FROM live GROUP BY parent_id
)
SELECT down.id, down.parent_id, down.title, down.node_type, down.depth, down.path, COALESCE(c.children, 0) AS children
FROM down LEFT JOIN counted AS c ON c.parent_id = down.id
ORDER BY down.depth, down.path, down.order_key LIMIT @
""".replace("@", str(MOST_NODES + 1))


class PostgresHierarchies:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(_TOGETHER)

    async def hierarchy(self, key: TreeKey, node: str | None, depth: int) -> Hierarchy:
        depth = min(depth, MOST_DEPTH)
        async with (
            self._turns,
            self._database.transaction(key.tenant, isolation="repeatable_read", readonly=True) as connection,
        ):
            head = await read_head(connection, key)
            above = await _above(connection, key, node) if node is not None else []
            path = path_below([one.id for one in above])
            rows = await connection.fetch(DOWN, *key, node, depth, len(above), path, PATH_CHARACTERS, ROOT_PATH)
        return bounded(key, head, above, await asyncio.to_thread(_nodes, rows), depth)


def _nodes(rows: Sequence[Any]) -> list[HierarchyNode]:
    return [
        HierarchyNode(
            id=row["id"],
            parent=row["parent_id"],
            title=row["title"],
            type=row["node_type"],
            depth=row["depth"],
            path=row["path"],
            children=row["children"],
        )
        for row in rows
    ]


async def _above(connection: Connection, key: TreeKey, node: str) -> list[Ancestor]:
    """Those above a node, the root first. Raises NotFound."""
    rows = await connection.fetch(UP, *key, node)
    if not rows:
        raise NotFound("no such node")
    return [Ancestor(id=row["id"], title=row["title"], type=row["node_type"]) for row in rows[:-1]]
