"""The PostgreSQL implementation of `sync.analytics.Analytics`: each question by an index that begins with the user."""

from __future__ import annotations

from storage.database import Database
from storage.json_values import rfc3339
from sync.activities import OF_TREES
from sync.analytics import Day, UserAnalytics, UserProgress
from sync.owners import OtherTrees

STAMP = """
SELECT
    (SELECT a.created_at || '/' || a.id FROM user_activities AS a WHERE a.tenant_id = $1 AND a.user_id = $2
        ORDER BY a.created_at DESC, a.id DESC LIMIT 1) AS newest,
    (SELECT count(*) || '/' || COALESCE(max(t.updated_at)::text, '')
        FROM impact_trees AS t WHERE t.tenant_id = $1 AND t.user_id = $2 AND t.deleted_at IS NULL) AS trees,
    (SELECT n.templates_version FROM tenants AS n WHERE n.tenant_id = $1) AS templates, u.updated_at::text AS reported
FROM users AS u WHERE u.tenant_id = $1 AND u.user_id = $2
"""
# what an import made is in its op, and a tree's first nodes are one
DAYS = """
SELECT (a.created_at AT TIME ZONE 'UTC')::date AS day,
    count(a.seq) AS edits, count(*) FILTER (WHERE a.seq IS NULL AND a.activity_type <> ALL ($4)) AS events,
    COALESCE(sum(CASE WHEN a.seq IS NULL THEN 0 WHEN a.activity_type = 'node_created' THEN 1
        WHEN a.activity_type = 'nodes_imported' THEN (
            SELECT json_array_length(o.op->'nodes') FROM tree_ops AS o
            WHERE o.tenant_id = $1 AND o.tree_id = a.tree_id AND o.seq = a.seq)
        ELSE 0 END), 0) AS nodes_created,
    COALESCE(GREATEST(sum(a.duration_ms) FILTER (WHERE a.activity_type = 'tree_viewed'),
        sum(a.duration_ms) FILTER (WHERE a.activity_type <> 'tree_viewed')), 0) AS time_spent_ms
FROM (
    SELECT *, CASE WHEN activity_data->>'seq' ~ '^[0-9]{1,15}$' AND activity_data ? 'mode'
        THEN (activity_data->>'seq')::bigint END AS seq
    FROM user_activities
) AS a
WHERE a.tenant_id = $1 AND a.user_id = $2
    AND a.created_at >= (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => $3 - 1)) AT TIME ZONE 'UTC'
GROUP BY 1 ORDER BY 1
"""
TREES = """
SELECT count(*) AS trees, COALESCE(avg((completion_status->>'completion_rate')::float), 0) AS completion_rate,
    COALESCE(avg(node_count), 0) AS nodes, max(updated_at) AS last_activity
FROM impact_trees WHERE tenant_id = $1 AND user_id = $2 AND deleted_at IS NULL
"""
OTHERS = """
SELECT count(*) AS trees, count(completion_status->'completion_rate') AS known,
    COALESCE(sum((completion_status->>'completion_rate')::float), 0) AS completion
FROM impact_trees WHERE tenant_id = $1 AND user_id = $2 AND deleted_at IS NULL AND id <> $3
"""
# of trees whose projection is behind, the rows are counted
TYPES = """
SELECT kind, sum(nodes)::bigint AS nodes
FROM impact_trees AS t
JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
CROSS JOIN LATERAL (
    SELECT e.key AS kind, e.value::bigint AS nodes FROM jsonb_each_text(t.ai_metadata->'node_types') AS e
    WHERE t.projected_epoch = h.epoch AND t.projected_seq = h.seq
    UNION ALL
    SELECT n.node_type, count(*) FROM tree_nodes AS n
    WHERE (t.projected_epoch, t.projected_seq) IS DISTINCT FROM (h.epoch, h.seq)
        AND n.tenant_id = $1 AND n.tree_id = t.id AND n.deleted_seq IS NULL
    GROUP BY n.node_type
) AS counted
WHERE t.tenant_id = $1 AND t.user_id = $2 AND t.deleted_at IS NULL GROUP BY kind ORDER BY kind
"""


class PostgresAnalytics:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stamp(self, tenant: str, user: str) -> str | None:
        async with self._database.transaction(tenant, readonly=True) as connection:
            row = await connection.fetchrow(STAMP, tenant, user)
        return None if row is None else "|".join(map(str, row))

    async def others(self, tenant: str, user: str, *, but: int) -> OtherTrees:
        async with self._database.transaction(tenant, readonly=True) as connection:
            row = await connection.fetchrow(OTHERS, tenant, user, but)
        assert row is not None, "an aggregate has one row"
        return OtherTrees(row["trees"], row["known"], row["completion"])

    async def progress(self, tenant: str, user: str, *, days: int) -> UserProgress:
        async with self._database.transaction(tenant, readonly=True) as connection:
            rows = await connection.fetch(DAYS, tenant, user, days, sorted(OF_TREES))
            trees = await connection.fetchrow(TREES, tenant, user)
        assert trees is not None, "an aggregate has one row"
        series = [
            Day(
                date=row["day"].isoformat(),
                nodes_created=row["nodes_created"],
                edits=row["edits"],
                events=row["events"],
                time_spent_ms=row["time_spent_ms"],
            )
            for row in rows
        ]
        return summed(user, days, series, trees["trees"], trees["completion_rate"])

    async def analytics(self, tenant: str, user: str) -> UserAnalytics:
        async with self._database.transaction(tenant, readonly=True) as connection:
            row = await connection.fetchrow(TREES, tenant, user)
            types = await connection.fetch(TYPES, tenant, user)
        assert row is not None, "an aggregate has one row"
        return UserAnalytics(
            user=user,
            total_trees=row["trees"],
            average_nodes_per_tree=round(float(row["nodes"]), 2),
            last_activity=rfc3339(row["last_activity"]) if row["last_activity"] is not None else None,
            node_type_distribution={one["kind"]: one["nodes"] for one in types},
        )


def summed(user: str, days: int, series: list[Day], trees: int, completion_rate: float) -> UserProgress:
    """The days, and what they come to."""
    return UserProgress(
        user=user,
        days=days,
        nodes_created=sum(day.nodes_created for day in series),
        edits=sum(day.edits for day in series),
        time_spent_ms=sum(day.time_spent_ms for day in series),
        trees=trees,
        completion_rate=round(completion_rate, 4),
        series=series,
    )
