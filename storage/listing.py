"""Lists of trees, and one line of them, as `sync.ports.Directory` gives them.

Each branch of a list walks an index that ends in updated_hour and stops after a page, whatever else the tenant holds;
the hour changes once per hour, so that an edit leaves the indexes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from storage.conflicts import END_OF_TIME, LARGEST
from storage.database import Connection
from storage.json_values import rfc3339
from sync.access import role_in
from sync.errors import Invalid
from sync.identity import Identity
from sync.listing import LARGE_NODES, TreeFilter
from sync.ports import Rights, TreeSummary

SUMMARY = """
SELECT t.id, t.name, t.description, t.discovery_phase, t.is_template, t.visibility, t.user_id, t.node_count,
    t.created_at, t.updated_at, m.role
FROM impact_trees AS t
LEFT JOIN tree_members AS m ON m.tenant_id = t.tenant_id AND m.tree_id = t.id AND m.user_id = $2
WHERE t.tenant_id = $1 AND t.deleted_at IS NULL AND t.id = $3
"""
# `$3, $4` is the last line of the page before, {} what else is asked
_PAGE = """AND deleted_at IS NULL {}
    AND (updated_hour, updated_at, id) < (date_trunc('hour', $3::timestamptz, 'UTC'), $3, $4)
    ORDER BY updated_hour DESC, updated_at DESC, id DESC LIMIT $5
"""
_OWN = f"SELECT * FROM impact_trees WHERE tenant_id = $1 AND user_id = $2 {_PAGE}"  # noqa: S608
_SHARED = f"SELECT * FROM impact_trees WHERE tenant_id = $1 AND visibility <> 'private' {_PAGE}"  # noqa: S608
_JOINED = f"""
SELECT * FROM impact_trees WHERE tenant_id = $1
    AND id IN (SELECT tree_id FROM tree_members WHERE tenant_id = $1 AND user_id = $2) {_PAGE}
"""  # noqa: S608
_ALL = f"SELECT * FROM impact_trees WHERE tenant_id = $1 {_PAGE}"  # noqa: S608
_LINES = """
SELECT DISTINCT ON (t.updated_at, t.id) t.id, t.name, t.description, t.discovery_phase, t.is_template, t.visibility,
    t.user_id, t.node_count, t.created_at, t.updated_at, m.role
FROM (%s) AS t
LEFT JOIN tree_members AS m ON m.tenant_id = t.tenant_id AND m.tree_id = t.id AND m.user_id = $2
ORDER BY t.updated_at DESC, t.id DESC LIMIT $5
"""
VISIBLE = _LINES % f"({_OWN}) UNION ALL ({_SHARED}) UNION ALL ({_JOINED})"
VISIBLE_TO_ADMIN = _LINES % _ALL

# Each filter only where it is asked for, so that the ones with an index of their own use it
_IS_TEMPLATE = "AND is_template"
_IS_LARGE = "AND is_large"
_FILTERS = {
    "name": "AND position(lower(${0}::text) IN lower(name)) > 0",
    "is_template": "AND is_template = ${0}::boolean",
    "phase": "AND discovery_phase = ${0}::text",
    "least_nodes": "AND node_count >= ${0}::integer",
    "updated_since": "AND updated_at >= ${0}::timestamptz AND updated_hour >= date_trunc('hour', ${0}, 'UTC')",
    "updated_before": "AND updated_at < ${0}::timestamptz AND updated_hour <= date_trunc('hour', ${0}, 'UTC')",
    "type": (
        "AND EXISTS (SELECT FROM search_nodes AS s"
        " WHERE s.tenant_id = $1 AND s.tree_id = impact_trees.id AND s.node_type = ${0}::text)"
    ),
    "status": "AND completion = ${0}::text",
    "numbers": "AND id = ANY (${0}::bigint[])",
}
_FIRST = 6  # the number of the first parameter of a filter


async def read_trees(
    connection: Connection, identity: Identity, *, limit: int, before: str | None, only: TreeFilter
) -> list[TreeSummary]:
    """Raises Invalid."""
    moment, number = (END_OF_TIME, LARGEST) if before is None else _cursor(before)
    statement, wanted = statement_for(identity, only)
    rows = await connection.fetch(statement, identity.tenant, identity.user, moment, number, limit, *wanted)
    return [_summary(row, identity) for row in rows]


async def read_summary(connection: Connection, identity: Identity, tree: int) -> TreeSummary | None:
    """None where there is no such tree, or this user may not know of it."""
    row = await connection.fetchrow(SUMMARY, identity.tenant, identity.user, tree)
    summary = _summary(row, identity) if row is not None else None
    return summary if summary is not None and summary.role is not None else None


def statement_for(identity: Identity, only: TreeFilter) -> tuple[str, Sequence[Any]]:
    """What lists for this user what is asked, and what its filters are given."""
    asked = {name: value for name in _FILTERS if (value := getattr(only, name)) is not None}
    parts = [_IS_TEMPLATE] if only.is_template else []
    if (only.least_nodes or 0) >= LARGE_NODES:
        parts.append(_IS_LARGE)
    parts += [_FILTERS[name].format(place) for place, name in enumerate(asked, _FIRST)]
    statement = VISIBLE_TO_ADMIN if identity.role == "admin" else VISIBLE
    return statement.replace("{}", " ".join(parts)), list(asked.values())


def _summary(row: asyncpg.Record, identity: Identity) -> TreeSummary:
    rights = Rights(
        version=0,
        owner=row["user_id"],
        visibility=row["visibility"],
        members={identity.user: row["role"]} if row["role"] is not None else {},
    )
    return TreeSummary(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        discovery_phase=row["discovery_phase"],
        is_template=row["is_template"],
        visibility=row["visibility"],
        owner=row["user_id"],
        role=role_in(rights, identity),
        node_count=row["node_count"],
        created_at=rfc3339(row["created_at"]),
        updated_at=rfc3339(row["updated_at"]),
    )


def _cursor(before: str) -> tuple[datetime, int]:
    """Raises Invalid."""
    updated_at, _, number = before.rpartition("|")
    try:
        moment = datetime.fromisoformat(updated_at)
        in_time = moment.tzinfo is not None and 1 < moment.year < 9999  # no zone takes it out of what UTC can tell
        if not in_time or not number.isdecimal() or len(number) > 19 or int(number) > LARGEST:
            raise ValueError
    except ValueError as error:
        raise Invalid("`before` is `updated_at|id` of the last line of a page") from error
    return moment, int(number)
