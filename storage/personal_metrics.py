"""`sync.personal_metrics.MetricsReader` over PostgreSQL: by the index of the person, in the partitions of the span."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from storage.database import Database
from sync.activities import OF_TREES
from sync.personal_metrics import Counted, Counts

# What an import made is in its op; what an older release kept of an event may say anything. Of each bucket one row, and
# one of all of them (bucket null), since a tree or a visit of two days is one tree and one visit. Time spent is that of
# tree_viewed, or of all else where that is more: the cards that were looked at lie within the visit to their tree
COUNTS = """
WITH done AS MATERIALIZED (
    SELECT width_bucket(a.created_at, $3::timestamptz[]) - 1 AS bucket, a.created_at, a.tree_id, a.session_id,
        a.duration_ms, a.activity_type, a.seq IS NOT NULL AS is_op,
        a.seq IS NULL AND a.activity_type <> ALL ($6) AS is_event,
        CASE WHEN a.seq IS NULL THEN 0 WHEN a.activity_type = 'node_created' THEN 1
            WHEN a.activity_type = 'nodes_imported' THEN (
                SELECT json_array_length(o.op->'nodes') FROM tree_ops AS o
                WHERE o.tenant_id = $1 AND o.tree_id = a.tree_id AND o.seq = a.seq)
            ELSE 0 END AS nodes_created
    FROM (
        SELECT *, CASE WHEN activity_data->>'seq' ~ '^[0-9]{1,15}$' AND activity_data ? 'mode'
            THEN (activity_data->>'seq')::bigint END AS seq
        FROM user_activities
    ) AS a
    WHERE a.tenant_id = $1 AND a.user_id = $2 AND a.created_at >= $4 AND a.created_at < $5
), counted AS (
    SELECT bucket, COALESCE(sum(nodes_created), 0) AS nodes_created, count(*) FILTER (WHERE is_op) AS edits,
        count(*) FILTER (WHERE activity_type = 'template_filled') AS templates_filled,
        count(DISTINCT tree_id) AS trees, count(DISTINCT session_id) AS sessions,
        count(*) FILTER (WHERE is_event) AS events,
        COALESCE(GREATEST(sum(duration_ms) FILTER (WHERE activity_type = 'tree_viewed'),
            sum(duration_ms) FILTER (WHERE activity_type <> 'tree_viewed')), 0) AS time_spent_ms
    FROM done GROUP BY GROUPING SETS ((bucket), ())
), visits AS (
    SELECT bucket, COALESCE(extract(epoch FROM sum(lasted)) * 1000, 0)::bigint AS active_ms FROM (
        SELECT bucket, max(created_at) - min(created_at) AS lasted FROM done
        WHERE session_id IS NOT NULL GROUP BY bucket, session_id
    ) AS each GROUP BY GROUPING SETS ((bucket), ())
)
SELECT c.*, COALESCE(v.active_ms, 0) AS active_ms
FROM counted AS c LEFT JOIN visits AS v ON v.bucket IS NOT DISTINCT FROM c.bucket
"""
KINDS = """
SELECT activity_type, count(*) AS rows FROM user_activities
WHERE tenant_id = $1 AND user_id = $2 AND created_at >= $3 AND created_at < $4 GROUP BY 1 ORDER BY 1
"""


class PostgresMetrics:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def metrics(self, tenant: str, user: str, edges: Sequence[datetime]) -> Counted:
        asked = (tenant, user, list(edges), edges[0], edges[-1], sorted(OF_TREES))
        async with self._database.transaction(tenant, isolation="repeatable_read", readonly=True) as connection:
            rows = await connection.fetch(COUNTS, *asked)
            kinds = await connection.fetch(KINDS, tenant, user, edges[0], edges[-1])
        counts = {row["bucket"]: _counts(row) for row in rows}
        totals = counts.pop(None)
        return Counted(
            totals=msgspec.structs.replace(totals, time_spent_ms=sum(one.time_spent_ms for one in counts.values())),
            kinds={row["activity_type"]: row["rows"] for row in kinds},
            series=counts,
        )


def _counts(row: asyncpg.Record) -> Counts:
    return Counts(**{name: int(row[name]) for name in Counts.__struct_fields__})
