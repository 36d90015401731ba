"""Activity that clients report: what people did that changed no tree. Rows of ops are written by the commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from storage.database import Connection
from storage.json_values import encoded
from sync.errors import Unstorable
from sync.identity import Author, TreeKey
from sync.protocol import ActivityEvent

# an event's own time counts, but never one that has not come yet
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
SELECT $1, $3, LEAST(COALESCE(a.at, now()), now()), $2, a.node, a.kind, a.data, NULLIF($10, ''), a.duration,
    NULLIF($11, ''), NULLIF($12, '')
FROM asked AS a JOIN fresh AS f ON f.event_id = a.id
ORDER BY a.place
"""


async def log_events(connection: Connection, key: TreeKey, author: Author, events: Sequence[ActivityEvent]) -> None:
    """Each event once per user. Raises Unstorable for a time that is none."""
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
        [_time(event.at) if isinstance(event.at, str) else None for event in events],
        author.visit,
        author.address,
        author.user_agent,
    )


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unstorable("not a time as RFC 3339 writes it") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
