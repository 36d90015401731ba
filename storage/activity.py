"""Rows of activity that are no ops: what clients report, and what becomes of a tree as a whole. The commit writes the
others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.database import Connection
from storage.json_values import encoded
from sync.identity import Author, TreeKey
from sync.interactions import moment_of
from sync.protocol import ActivityEvent

# An event's own time counts, but never one that has not come yet. What it says stands below `data`, where it cannot be
# taken for what the server writes
LOG = """
WITH asked AS (
    SELECT DISTINCT ON (id) * FROM unnest(
        $4::text[], $5::text[], $6::text[], $7::integer[], $8::jsonb[], $9::timestamptz[]
    ) WITH ORDINALITY AS e (id, kind, node, duration, data, at, place)
), fresh AS (
    INSERT INTO activity_events (tenant_id, user_id, event_id) SELECT $1, $3, id FROM asked
    ON CONFLICT DO NOTHING RETURNING event_id
)
INSERT INTO user_activities (tenant_id, user_id, created_at, tree_id, node_id, activity_type, activity_data, session_id,
    duration_ms, ip_address, user_agent)
SELECT $1, $3, LEAST(COALESCE(a.at, now()), now()), $2, a.node, a.kind,
    jsonb_build_object('event', a.id, 'data', a.data), NULLIF($10, ''), a.duration, NULLIF($11, ''), NULLIF($12, '')
FROM asked AS a JOIN fresh AS f ON f.event_id = a.id
ORDER BY a.place
"""
# the stamp of what is told of a person moves, though the events are of a time before his newest (storage.analytics)
REPORTED = "UPDATE users SET updated_at = clock_timestamp() WHERE tenant_id = $1 AND user_id = $2"
OF_TREE = """
INSERT INTO user_activities (tenant_id, user_id, created_at, tree_id, activity_type, activity_data, session_id,
    ip_address, user_agent)
VALUES ($1, $2, now(), $3, $4, $5, NULLIF($6, ''), NULLIF($7, ''), NULLIF($8, ''))
"""


async def log_of_tree(connection: Connection, key: TreeKey, author: Author, kind: str, **told: Any) -> None:
    """What somebody did to a tree as a whole, in the caller's transaction."""
    await connection.execute(
        OF_TREE, key.tenant, author.user, key.tree, kind, encoded(told), author.visit, author.address, author.user_agent
    )


async def log_events(connection: Connection, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
    """Each event once per user. Raises Invalid for a time that is none."""
    await connection.execute(
        LOG,
        key.tenant,
        key.tree,
        author.user,
        [event.id for event in events],
        [event.kind for event in events],
        [event.node if isinstance(event.node, str) else None for event in events],
        [event.duration_ms if isinstance(event.duration_ms, int) else None for event in events],
        [encoded(event.data) if isinstance(event.data, dict) else "{}" for event in events],
        [moment_of(event.at) if isinstance(event.at, str) else None for event in events],
        author.visit,
        author.address,
        author.user_agent,
    )
    await connection.execute(REPORTED, key.tenant, author.user)
