"""Kept snapshots of trees, and where in the log a time or a person is."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from storage.database import Connection
from storage.json_values import rfc3339
from sync.identity import TreeKey
from sync.versions import MOST_COUNTED, MOST_NAMED, Edited, TreeVersion, too_many

# a lock of its own, not the head's: a head that is held counts as lost to whoever wants to commit
NUMBERING = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2::bigint::text, 0))"
KEEP = """
INSERT INTO tree_versions (tenant_id, tree_id, version_number, epoch, seq, tree_snapshot, name, change_description,
    user_id, kind, node_count, authors)
SELECT $1, $2, COALESCE(max(version_number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11
FROM tree_versions WHERE tenant_id = $1 AND tree_id = $2
HAVING NOT COALESCE(bool_or(epoch = $3 AND (seq = $4 OR ($9 = 'automatic' AND kind = 'automatic' AND seq > $4))), false)
    AND ($12 = '' OR EXISTS (
        SELECT FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND seq = $4 AND mark = $12))
RETURNING version_number, created_at
"""
NAMED = "SELECT count(*) FROM tree_versions WHERE tenant_id = $1 AND tree_id = $2 AND kind = 'named'"
LINE = """
SELECT version_number, epoch, seq, name, change_description, user_id, kind, node_count, created_at, thinned_at, authors
FROM tree_versions WHERE tenant_id = $1 AND tree_id = $2
"""
ONE = f"{LINE} AND version_number = $3"
AT = f"{LINE} AND epoch = $3 AND seq = $4"
PAGE = f"{LINE} AND thinned_at IS NULL AND version_number < $4 ORDER BY version_number DESC LIMIT $3"
BEFORE = """
SELECT version_number, epoch, seq, name, change_description, user_id, kind, node_count, created_at, thinned_at,
    authors, tree_snapshot
FROM tree_versions WHERE tenant_id = $1 AND tree_id = $2 AND epoch = $3 AND seq <= $4 AND thinned_at IS NULL
    AND tree_snapshot IS NOT NULL
ORDER BY seq DESC LIMIT 1
"""
RENAME = """
UPDATE tree_versions
SET name = $4, change_description = $5, user_id = $6, kind = 'named', thinned_at = NULL,
    tree_snapshot = COALESCE(tree_snapshot, $7::json)
WHERE tenant_id = $1 AND tree_id = $2 AND version_number = $3 AND (tree_snapshot IS NOT NULL OR $7::json IS NOT NULL)
RETURNING version_number, epoch, seq, name, change_description, user_id, kind, node_count, created_at, thinned_at,
    authors
"""
UNNAME = """
UPDATE tree_versions SET name = '', change_description = '', user_id = '', kind = 'automatic'
WHERE tenant_id = $1 AND tree_id = $2 AND version_number = $3 AND kind = 'named'
"""
EDITED = """
SELECT user_id, op->>'op' AS kind, count(*) AS count
FROM (
    SELECT user_id, client_id, op FROM tree_ops
    WHERE tenant_id = $1 AND tree_id = $2 AND seq <= $4 AND seq > (
        SELECT COALESCE(max(seq), 0) FROM tree_versions
        WHERE tenant_id = $1 AND tree_id = $2 AND epoch = $3 AND seq < $4 AND thinned_at IS NULL)
    ORDER BY seq DESC LIMIT $5
) AS newer
WHERE client_id NOT LIKE 'respace:%'
GROUP BY user_id, op->>'op' ORDER BY count(*) DESC, user_id, op->>'op'
"""
# Times never go back along the log (SEMANTICS 31): halving finds a moment in it by the primary key alone
SEQ_AT = """
WITH RECURSIVE halving (low, high) AS (
    SELECT 0::bigint, (SELECT seq FROM tree_heads WHERE tenant_id = $1 AND tree_id = $2)
    UNION ALL
    SELECT CASE WHEN o.at <= $3 THEN o.seq ELSE h.low END, CASE WHEN o.at <= $3 THEN h.high ELSE o.seq - 1 END
    FROM halving AS h
    JOIN tree_ops AS o ON o.tenant_id = $1 AND o.tree_id = $2 AND o.seq = (h.low + h.high + 1) / 2
    WHERE h.low < h.high
)
SELECT low FROM halving WHERE low = high
"""
SPAN_OF_USER = """
SELECT min(seq), max(seq), count(*) FROM tree_ops
WHERE tenant_id = $1 AND tree_id = $2 AND user_id = $3 AND ($4 = '' OR client_id = $4)
"""
# who it was is known by the counters, of which a tree has as many as clients
SPAN_OF_CLIENT = """
SELECT min(o.seq), max(o.seq), count(*) FROM tree_clients AS c
JOIN tree_ops AS o USING (tenant_id, tree_id, user_id, client_id)
WHERE c.tenant_id = $1 AND c.tree_id = $2 AND c.client_id = $3
"""
_ALL = 2**31 - 1  # above every version's number


async def keep_version(connection: Connection, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
    await connection.execute(NUMBERING, key.tenant, key.tree)
    if version.kind == "named":
        await _check_room(connection, key)
    row: asyncpg.Record | None = await connection.fetchrow(
        KEEP,
        *key,
        version.epoch,
        version.seq,
        version.state.decode(),
        version.name,
        version.description,
        version.user,
        version.kind,
        version.nodes,
        version.authors,
        version.mark,
    )
    if row is None:
        return None
    return msgspec.structs.replace(version, number=row["version_number"], at=rfc3339(row["created_at"]))


async def _check_room(connection: Connection, key: TreeKey) -> None:
    if await connection.fetchval(NAMED, *key) >= MOST_NAMED:
        raise too_many()


async def version_before(connection: Connection, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
    row = await connection.fetchrow(BEFORE, *key, epoch, seq)
    return None if row is None else msgspec.structs.replace(_line(row), state=row["tree_snapshot"].encode())


async def version(connection: Connection, key: TreeKey, number: int) -> TreeVersion | None:
    row = await connection.fetchrow(ONE, *key, number) if number <= _ALL else None
    return None if row is None else _line(row)


async def version_at(connection: Connection, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
    row = await connection.fetchrow(AT, *key, epoch, seq)
    return None if row is None else _line(row)


async def versions(connection: Connection, key: TreeKey, limit: int, before: int | None) -> list[TreeVersion]:
    rows = await connection.fetch(PAGE, *key, limit, min(before or _ALL, _ALL))
    return [_line(row) for row in rows]


async def rename_version(connection: Connection, key: TreeKey, version: TreeVersion, first: bool) -> TreeVersion | None:
    await connection.execute(NUMBERING, key.tenant, key.tree)
    was = await connection.fetchrow(ONE, *key, version.number)
    if was is None or (first and was["kind"] == "named"):
        return None
    if was["kind"] != "named":
        await _check_room(connection, key)
    state = version.state.decode() or None
    row = await connection.fetchrow(
        RENAME, *key, version.number, version.name, version.description, version.user, state
    )
    return None if row is None else _line(row)


async def unname_version(connection: Connection, key: TreeKey, number: int) -> TreeVersion | None:
    await connection.execute(UNNAME, *key, number)
    return await version(connection, key, number)


async def edited(connection: Connection, key: TreeKey, epoch: str, seq: int) -> list[Edited]:
    rows = await connection.fetch(EDITED, *key, epoch, seq, MOST_COUNTED)
    return [Edited(row["user_id"], row["kind"], row["count"]) for row in rows]


async def seq_at(connection: Connection, key: TreeKey, moment: datetime) -> int:
    return int(await connection.fetchval(SEQ_AT, *key, moment) or 0)


async def ops_span(connection: Connection, key: TreeKey, user: str, client: str) -> tuple[int, int, int]:
    if user:
        row = await connection.fetchrow(SPAN_OF_USER, *key, user, client)
    else:
        row = await connection.fetchrow(SPAN_OF_CLIENT, *key, client)
    return (row[0], row[1], row[2]) if row is not None and row[2] else (0, 0, 0)


def _line(row: asyncpg.Record) -> TreeVersion:
    return TreeVersion(
        number=row["version_number"],
        seq=row["seq"],
        epoch=row["epoch"],
        kind=row["kind"],
        nodes=row["node_count"],
        at=rfc3339(row["created_at"]),
        user=row["user_id"],
        description=row["change_description"],
        name=row["name"],
        thinned=row["thinned_at"] is not None,
        authors=row["authors"],
    )
