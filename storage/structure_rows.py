"""Reading, of many trees at once, what their projections are made of, and which of them are behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from storage.database import Connection
from storage.json_values import decoded_map, rfc3339
from storage.projecting import Metrics
from sync.nodes import Connection as TreeConnection
from sync.nodes import Details, Node
from sync.structure import Moment
from sync.structuring import Subject

# updated_hour is what the index has: a tree that changed since `$3` did so in that hour or later
BEHIND = """
SELECT t.id, t.node_count
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
WHERE t.tenant_id = $1 AND t.deleted_at IS NULL
    AND ($3::timestamptz IS NULL OR t.updated_hour >= date_trunc('hour', $3::timestamptz, 'UTC'))
    AND ($4::bigint[] IS NULL OR t.id = ANY ($4))
    AND (t.projected_epoch, t.projected_seq, t.projected_with) IS DISTINCT FROM (h.epoch, h.seq, $2::text)
ORDER BY t.updated_hour DESC, t.id
"""
OWNERS_BEHIND = """
SELECT t.id, t.node_count
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
WHERE t.tenant_id = $1 AND t.user_id = $3 AND t.deleted_at IS NULL
    AND (t.projected_epoch, t.projected_seq, t.projected_with) IS DISTINCT FROM (h.epoch, h.seq, $2::text)
ORDER BY t.node_count, t.id
"""
TREES = """
SELECT t.id, t.user_id, t.name, t.description, t.discovery_phase, t.is_template, t.created_at, t.updated_at, h.epoch,
    h.seq, CASE WHEN t.projected_epoch = h.epoch THEN t.projected_seq END AS counted, t.user_metrics,
    t.ai_metadata->'evolution' AS evolution
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
WHERE t.tenant_id = $1 AND t.id = ANY ($2) AND t.deleted_at IS NULL ORDER BY t.id
"""
NODES = """
SELECT tree_id, id, parent_id, order_key, node_type, title, description, template_data, metadata
FROM tree_nodes WHERE tenant_id = $1 AND tree_id = ANY ($2) AND deleted_seq IS NULL
"""
CONNECTIONS = """
SELECT tree_id, id, from_node, to_node, label
FROM tree_connections WHERE tenant_id = $1 AND tree_id = ANY ($2) AND deleted_seq IS NULL
"""
# the log is never trimmed and only grows at its end, so that what is counted once is counted for good
COUNTED = """
SELECT w.tree AS tree_id, o.user_id, count(*) AS edits, sum(CASE o.op->>'op' WHEN 'insert' THEN 1
    WHEN 'import' THEN json_array_length(o.op->'nodes') ELSE 0 END) AS nodes_created
FROM unnest($2::bigint[], $3::bigint[]) AS w (tree, after)
JOIN tree_ops AS o ON o.tenant_id = $1 AND o.tree_id = w.tree AND o.seq > w.after
GROUP BY w.tree, o.user_id
"""
SPENT = """
SELECT tree_id, user_id, GREATEST(sum(duration_ms) FILTER (WHERE activity_type = 'tree_viewed'),
    sum(duration_ms) FILTER (WHERE activity_type <> 'tree_viewed'))::bigint AS spent
FROM user_activities WHERE tenant_id = $1 AND tree_id = ANY ($2) AND duration_ms > 0 GROUP BY tree_id, user_id
"""

_moments = msgspec.json.Decoder(list[Moment])
_metrics = msgspec.json.Decoder(dict[str, Metrics])


class Behind(msgspec.Struct, frozen=True):
    tree: int
    nodes: int


class TreeRecords(NamedTuple):
    """The rows of one tree as they were read. `counted` and `spent` are those of its people."""

    tree: asyncpg.Record
    nodes: Sequence[asyncpg.Record]
    connections: Sequence[asyncpg.Record]
    counted: Sequence[asyncpg.Record]
    spent: Sequence[asyncpg.Record]


class Read(msgspec.Struct):
    """A tree as it was read, and what its projections had so far."""

    subject: Subject
    evolution: list[Moment]
    metrics: dict[str, Metrics]

    def known(self) -> tuple[list[Moment], dict[str, Metrics]]:
        return self.evolution, self.metrics


async def read_behind(
    connection: Connection, tenant: str, made_with: str, since: datetime | None, trees: Sequence[int] | None
) -> list[Behind]:
    """Of those that changed since, or of these trees, the ones whose projections show something else than they are."""
    rows = await connection.fetch(BEHIND, tenant, made_with, since, None if trees is None else list(trees))
    return [Behind(row["id"], row["node_count"]) for row in rows]


async def read_owners_behind(connection: Connection, tenant: str, made_with: str, owner: str) -> list[Behind]:
    """Of somebody's trees those, the small ones first."""
    rows = await connection.fetch(OWNERS_BEHIND, tenant, made_with, owner)
    return [Behind(row["id"], row["node_count"]) for row in rows]


async def read_records(connection: Connection, tenant: str, trees: Sequence[int]) -> list[TreeRecords]:
    """The caller's transaction makes it one moment. A tree that is gone is left out."""
    rows = await connection.fetch(TREES, tenant, trees)
    nodes = _by_tree(await connection.fetch(NODES, tenant, trees))
    connections = _by_tree(await connection.fetch(CONNECTIONS, tenant, trees))
    found, since = [row["id"] for row in rows], [row["counted"] or 0 for row in rows]
    counted = _by_tree(await connection.fetch(COUNTED, tenant, found, since))
    spent = _by_tree(await connection.fetch(SPENT, tenant, found))
    return [
        TreeRecords(row, *(kind.get(row["id"], []) for kind in (nodes, connections, counted, spent))) for row in rows
    ]


def _by_tree(rows: Sequence[asyncpg.Record]) -> dict[int, list[asyncpg.Record]]:
    found: dict[int, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["tree_id"], []).append(row)
    return found


def read_of(records: TreeRecords) -> Read:
    """Rows as values: 2 µs a node, for a thread."""
    row = records.tree
    details = Details(
        name=row["name"],
        description=row["description"],
        discovery_phase=row["discovery_phase"],
        is_template=row["is_template"],
    )
    subject = Subject(
        tree=row["id"],
        owner=row["user_id"],
        epoch=row["epoch"],
        seq=row["seq"],
        details=details,
        created_at=rfc3339(row["created_at"]),
        updated_at=rfc3339(row["updated_at"]),
        nodes=[node_of(node) for node in records.nodes],
        connections=[_connection(one) for one in records.connections],
    )
    return Read(subject, _moments.decode(row["evolution"] or "[]"), _metrics_of(records))


def _metrics_of(records: TreeRecords) -> dict[str, Metrics]:
    row = records.tree
    metrics = _metrics.decode(row["user_metrics"]) if row["counted"] is not None else {}
    for one in records.counted:
        counted = metrics.setdefault(one["user_id"], Metrics())
        counted.edits += one["edits"]
        counted.nodes_created += one["nodes_created"]
    for one in records.spent:
        metrics.setdefault(one["user_id"], Metrics()).time_spent_ms = one["spent"]
    return metrics


def node_of(row: asyncpg.Record) -> Node:
    """A row of tree_nodes without its seq and place on the canvas."""
    return Node(
        id=row["id"],
        parent=row["parent_id"],
        order=row["order_key"],
        type=row["node_type"],
        title=row["title"],
        description=row["description"],
        template_data=_map(row["template_data"]),
        metadata=_map(row["metadata"]),
    )


def _connection(row: asyncpg.Record) -> TreeConnection:
    return TreeConnection(id=row["id"], source=row["from_node"], target=row["to_node"], label=row["label"])


def _map(text: str) -> dict[str, Any]:
    return {} if text == "{}" else decoded_map(text)
