"""Reading the op log: ranges of it, what a room lacks, and what a client was answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from storage.conflicts import read_changed
from storage.database import Connection
from storage.json_values import rfc3339
from storage.recall import first_of_log, first_of_result
from sync.effects import Effect
from sync.errors import NotFound
from sync.identity import Author, TreeKey
from sync.ports import (
    LOOKED_AT,
    PAGE_BYTES,
    PAGE_ROWS,
    ClientCounter,
    First,
    Head,
    LoggedOp,
    Missing,
    Recalled,
    StoredResult,
)

HEAD = """
SELECT h.epoch, h.commit, h.seq, h.mark, h.rights, h.conflicts
FROM tree_heads AS h JOIN impact_trees AS t ON t.tenant_id = h.tenant_id AND t.id = h.tree_id
WHERE h.tenant_id = $1 AND h.tree_id = $2 AND t.deleted_at IS NULL
"""
RANGE = """
SELECT seq, commit, user_id, client_id, n, mark, at, op, inverse, mode, via
FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND seq > $3 AND seq <= $4 ORDER BY seq
"""
# sizes as stored: what is compressed or lies elsewhere is not read to be counted
PAGE = """
SELECT seq, commit, user_id, client_id, n, mark, at, op, inverse, mode, via
FROM (
    SELECT *, row_number() OVER (ORDER BY seq) AS place,
        sum(pg_column_size(op) + pg_column_size(inverse)) OVER (ORDER BY seq) AS bytes
    FROM (
        SELECT * FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND seq > $3 AND seq <= $4 ORDER BY seq LIMIT $5
    ) AS next
) AS sized
WHERE place = 1 OR bytes <= $6
ORDER BY seq
"""
# What came after a commit, through a seq, in one round trip: a column per field of the ops, then of the counters, then
# whether records changed. Commits rise with seq: walking back from the newest op ends at the first that is known.
SINCE = """
SELECT ops.*, counters.*, EXISTS (
    SELECT FROM conflicts AS c WHERE c.tenant_id = $1 AND c.tree_id = $2 AND c.commit > $3) AS records
FROM (
    SELECT array_agg(seq) AS seq, array_agg(commit) AS commit, array_agg(user_id) AS user_id,
        array_agg(client_id) AS client_id, array_agg(n) AS n, array_agg(mark) AS mark, array_agg(at) AS at,
        array_agg(op::text) AS op, array_agg(inverse::text) AS inverse, array_agg(mode) AS mode, array_agg(via) AS via
    FROM (
        SELECT * FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND seq <= $4 AND seq > COALESCE((
            SELECT seq FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND commit <= $3 ORDER BY seq DESC LIMIT 1
        ), 0) ORDER BY seq
    ) AS newer
) AS ops, (
    SELECT array_agg(user_id) AS users, array_agg(client_id) AS clients, array_agg(last_n) AS numbers
    FROM (
        SELECT * FROM tree_clients WHERE tenant_id = $1 AND tree_id = $2 AND commit > $3 ORDER BY user_id, client_id
    ) AS moved
) AS counters
"""
# A stretch of the log by its key; what a delete took and a restore brought back stands in `inverse`. An index by node
# would cost every edit, for what few people ask of few nodes
OF_NODE = """
SELECT seq, commit, user_id, client_id, n, mark, at, op, inverse, mode, via, found
FROM (
    SELECT *, row_number() OVER (ORDER BY seq DESC) AS place, count(*) OVER () AS found,
        sum(pg_column_size(op) + pg_column_size(inverse)) OVER (ORDER BY seq DESC) AS bytes
    FROM (
        SELECT * FROM tree_ops
        WHERE tenant_id = $1 AND tree_id = $2 AND seq < $3 AND seq >= $4
            AND (op->>'node' = $5 OR inverse->'nodes'->$5 IS NOT NULL
                OR (op->>'op' = 'import' AND EXISTS (
                    SELECT FROM json_array_elements(op->'nodes') AS one WHERE one->>'id' = $5)))
        ORDER BY seq DESC LIMIT $6
    ) AS concerning
) AS sized
WHERE place = 1 OR bytes <= $7
ORDER BY seq DESC
"""
MARK = "SELECT mark FROM tree_ops WHERE tenant_id = $1 AND tree_id = $2 AND seq = $3"
COUNTER = """
SELECT last_n FROM tree_clients WHERE tenant_id = $1 AND tree_id = $2 AND user_id = $3 AND client_id = $4
"""
FIRST_IN_LOG = """
SELECT n, seq, op FROM tree_ops
WHERE tenant_id = $1 AND tree_id = $2 AND user_id = $3 AND client_id = $4 AND n = ANY ($5::bigint[])
"""
FIRST_RESULTS = """
SELECT n, target, status, code, conflict FROM tree_results
WHERE tenant_id = $1 AND tree_id = $2 AND user_id = $3 AND client_id = $4 AND n = ANY ($5::bigint[])
"""

_LOGGED = ("seq", "commit", "user_id", "client_id", "n", "mark", "at", "op", "inverse", "mode", "via")
_COUNTED = ("users", "clients", "numbers")

_effect: msgspec.json.Decoder[Effect] = msgspec.json.Decoder(Effect)
_inverse: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def head_of(row: asyncpg.Record) -> Head:
    return Head(
        epoch=row["epoch"],
        commit=row["commit"],
        seq=row["seq"],
        mark=row["mark"],
        rights=row["rights"],
        conflicts=row["conflicts"],
    )


async def read_head(connection: Connection, key: TreeKey) -> Head:
    """Raises NotFound where there is no such tree, or it is deleted."""
    row = await connection.fetchrow(HEAD, key.tenant, key.tree)
    if row is None:
        raise NotFound("no such tree")
    return head_of(row)


async def read_range(connection: Connection, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
    rows = await connection.fetch(RANGE, key.tenant, key.tree, after, through)
    return [_logged(row) for row in rows]


async def read_page(connection: Connection, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
    rows = await connection.fetch(PAGE, key.tenant, key.tree, after, through, PAGE_ROWS, PAGE_BYTES)
    return [_logged(row) for row in rows]


async def read_of_node(
    connection: Connection, key: TreeKey, node: str, before: int, limit: int
) -> tuple[list[LoggedOp], int]:
    """As `sync.ports.Store.node_ops`."""
    head = await read_head(connection, key)
    before = min(before, head.seq + 1)
    least = max(before - LOOKED_AT, 1)
    rows = await connection.fetch(OF_NODE, key.tenant, key.tree, before, least, node, limit, PAGE_BYTES)
    is_cut = bool(rows) and (len(rows) == limit or len(rows) < rows[0]["found"])
    following = rows[-1]["seq"] if is_cut else least
    return [_logged(row) for row in rows], following if following > 1 else 0


async def read_missing(connection: Connection, key: TreeKey, after_commit: int, head: Head | None = None) -> Missing:
    """Everything after a commit. The caller's transaction makes it one moment; `head`, where he has read it there.
    Raises NotFound."""
    head = head or await read_head(connection, key)
    if head.commit <= after_commit:
        return Missing(head=head, ops=[], counters=[])
    since = await connection.fetchrow(SINCE, key.tenant, key.tree, after_commit, head.seq)
    assert since is not None
    return Missing(
        head=head,
        ops=[_logged(dict(zip(_LOGGED, op, strict=True))) for op in _rows(since, _LOGGED)],
        counters=[ClientCounter(user=user, client=client, last_n=n) for user, client, n in _rows(since, _COUNTED)],
        conflicts=await read_changed(connection, key, after_commit) if since["records"] else [],
    )


def _rows(columns: asyncpg.Record, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of what came as an array per column."""
    return zip(*(columns[name] or () for name in names), strict=True)


async def read_mark(connection: Connection, key: TreeKey, seq: int) -> str | None:
    if seq == 0:
        return ""
    mark: str | None = await connection.fetchval(MARK, key.tenant, key.tree, seq)
    return mark


async def read_recall(connection: Connection, key: TreeKey, user: str, client: str, numbers: Sequence[int]) -> Recalled:
    """The counter is read first: an answer that a commit adds meanwhile may be told, one it counts is never missed."""
    last_n: int | None = await connection.fetchval(COUNTER, key.tenant, key.tree, user, client)
    firsts: dict[int, First] = {}
    if last_n is not None and numbers:
        asked = (key.tenant, key.tree, user, client, list(numbers))
        for row in await connection.fetch(FIRST_RESULTS, *asked):
            firsts[row["n"]] = first_of_result(_result(row, user, client))
        for row in await connection.fetch(FIRST_IN_LOG, *asked):
            firsts[row["n"]] = first_of_log(row["n"], row["seq"], _effect.decode(row["op"]))
    return Recalled(last_n=last_n or 0, firsts=firsts)


def _result(row: asyncpg.Record, user: str, client: str) -> StoredResult:
    return StoredResult(
        user=user,
        client=client,
        n=row["n"],
        target=row["target"],
        status=row["status"],
        code=row["code"],
        conflict=row["conflict"],
    )


def _logged(row: Mapping[str, Any] | asyncpg.Record) -> LoggedOp:
    return LoggedOp(
        seq=row["seq"],
        n=row["n"],
        author=Author(user=row["user_id"], client=row["client_id"], via=row["via"]),
        effect=_effect.decode(row["op"]),
        inverse=_inverse.decode(row["inverse"]),
        mode=row["mode"],
        commit=row["commit"],
        mark=row["mark"],
        at=rfc3339(row["at"]),
    )
