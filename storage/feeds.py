"""The PostgreSQL implementation of `sync.feeds.FeedReader`: by the index of the tree or the person, newest first.

An index by node, or by kind, would cost every edit, for what few people ask of few nodes: a look at so many rows of the
tree is bounded instead, and finds what there is.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from storage.database import Connection, Database
from storage.json_values import rfc3339
from sync.access import role_in
from sync.activities import OF_TREES
from sync.feed_rows import Names, NodeName, Place, Row
from sync.feeds import Looked, Wanted
from sync.identity import Identity
from sync.ports import Rights

# `<=` beside the comparison of rows: partitions are left out by it alone. What the op says is read of wanted rows, by
# the key of the log; what lies in an import or a deletion is only counted.
_ROWS = """
WITH looked AS MATERIALIZED (
    SELECT a.*, row_number() OVER (ORDER BY a.created_at DESC, a.id DESC) AS place,
        CASE WHEN a.activity_data->>'seq' ~ '^[0-9]{{1,15}}$' AND a.activity_data ? 'mode'
            THEN (a.activity_data->>'seq')::bigint END AS seq
    FROM (
        SELECT id, created_at, user_id, tree_id, node_id, activity_type, activity_data, session_id, duration_ms
        FROM user_activities
        WHERE tenant_id = $1 AND {of} = $2 AND created_at <= $3 AND (created_at, id) < ($3, $4) AND created_at >= $5
        ORDER BY created_at DESC, id DESC LIMIT $6
    ) AS a
), wanted AS (
    SELECT * FROM looked
    WHERE ($7::text IS NULL OR node_id = $7) AND ($8::text IS NULL OR user_id = $8)
        AND ($9::text[] IS NULL OR activity_type = ANY ($9)) AND ($10 OR seq IS NOT NULL OR activity_type = ANY ($11))
)
SELECT w.*, true AS wanted, o.client_id, o.via,
    CASE o.op->>'op'
        WHEN 'insert' THEN json_build_object('parent', o.op->'parent')
        WHEN 'move' THEN json_build_object('parent', o.op->'parent', 'before', o.inverse->'parent')
        WHEN 'import' THEN json_build_object('nodes', json_array_length(o.op->'nodes'))
        WHEN 'restore' THEN json_build_object('nodes', json_array_length(o.op->'nodes'))
        WHEN 'delete' THEN json_build_object('nodes', (SELECT count(*) FROM json_object_keys(o.inverse->'nodes')))
        WHEN 'configure' THEN json_build_object('name', o.op#>'{{set,name}}')
        WHEN 'update' THEN json_build_object('connection', c.id, 'from', c.from_node, 'to', c.to_node)
        WHEN 'connect' THEN json_build_object('connection', c.id, 'from', c.from_node, 'to', c.to_node)
        WHEN 'disconnect' THEN json_build_object('connection', c.id, 'from', c.from_node, 'to', c.to_node)
    END AS told
FROM wanted AS w
LEFT JOIN tree_ops AS o ON o.tenant_id = $1 AND o.tree_id = w.tree_id AND o.seq = w.seq
LEFT JOIN tree_connections AS c
    ON c.tenant_id = $1 AND c.tree_id = w.tree_id AND c.id = o.op->>'connection' AND w.node_id IS NULL
UNION ALL
SELECT l.*, false, NULL, NULL, NULL FROM looked AS l
WHERE l.place = $6 AND NOT EXISTS (SELECT FROM wanted AS w WHERE w.place = $6)
ORDER BY place
"""
OF_TREE = _ROWS.format(of="tree_id")
OF_USER = _ROWS.format(of="user_id")
USERS = "SELECT user_id, name FROM users WHERE tenant_id = $1 AND user_id = ANY ($2)"
TREES = """
SELECT t.id, t.name, t.visibility, t.user_id, m.role
FROM impact_trees AS t
LEFT JOIN tree_members AS m ON m.tenant_id = t.tenant_id AND m.tree_id = t.id AND m.user_id = $2
WHERE t.tenant_id = $1 AND t.id = ANY ($3) AND t.deleted_at IS NULL
"""
NODES = """
SELECT n.tree_id, n.id, n.title, n.node_type
FROM unnest($2::bigint[], $3::text[]) AS asked (tree, node)
JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = asked.tree AND n.id = asked.node
"""
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1

_map: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class PostgresFeeds:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, wanted: Wanted, *, before: Place | None, limit: int) -> Looked:
        statement, subject, user = (
            (OF_USER, wanted.user, None) if wanted.tree is None else (OF_TREE, wanted.tree, wanted.user or None)
        )
        asked = (
            wanted.tenant,
            subject,
            _END_OF_TIME if before is None else datetime.fromisoformat(before.at),
            _LARGEST if before is None else before.id,
            wanted.since or _BEGINNING,
            limit,
            wanted.node or None,
            user,
            list(wanted.stored_kinds) or None,
            wanted.tree is None,
            sorted(OF_TREES),
        )
        async with self._database.transaction(wanted.tenant, readonly=True) as connection:
            found = await connection.fetch(statement, *asked)
        last = found[-1] if found and found[-1]["place"] == limit else None
        return Looked(
            [_row(row) for row in found if row["wanted"]],
            None if last is None else Place(rfc3339(last["created_at"]), last["id"]),
        )

    async def names(
        self, reader: Identity, *, trees: Collection[int], nodes: Collection[tuple[int, str]], users: Collection[str]
    ) -> Names:
        async with self._database.transaction(reader.tenant, readonly=True) as connection:
            named = await connection.fetch(USERS, reader.tenant, list(users))
            visible = await _visible(connection, reader, trees)
            asked = [(tree, node) for tree, node in nodes if tree in visible]
            found = await connection.fetch(NODES, reader.tenant, *([one[at] for one in asked] for at in (0, 1)))
        return Names(
            users={row["user_id"]: row["name"] for row in named},
            trees=visible,
            nodes={(row["tree_id"], row["id"]): NodeName(row["title"], row["node_type"]) for row in found},
        )


async def _visible(connection: Connection, reader: Identity, trees: Collection[int]) -> dict[int, str]:
    """The names of those that the reader may see."""
    found: dict[int, str] = {}
    for row in await connection.fetch(TREES, reader.tenant, reader.user, list(trees)):
        members = {reader.user: row["role"]} if row["role"] is not None else {}
        rights = Rights(version=0, owner=row["user_id"], visibility=row["visibility"], members=members)
        if role_in(rights, reader) is not None:
            found[row["id"]] = row["name"]
    return found


def _row(row: asyncpg.Record) -> Row:
    data = _map.decode(row["activity_data"])
    seq = row["seq"] or 0
    told = _map.decode(row["told"]) if row["told"] is not None else {}
    kind = row["activity_type"]
    return Row(
        id=row["id"],
        at=rfc3339(row["created_at"]),
        kind=kind,
        user=row["user_id"],
        tree=row["tree_id"],
        node=row["node_id"] or "",
        session=row["session_id"] or "",
        duration_ms=row["duration_ms"] or 0,
        seq=seq,
        fields=data.get("fields") or [] if seq else [],
        client=row["client_id"] or "",
        via=row["via"] or "",
        reported=not seq and kind not in OF_TREES,
        told=data if kind in OF_TREES else {name: value for name, value in told.items() if value is not None},
    )
