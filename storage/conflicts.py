"""Reading conflict records: the open ones of a tree, one by its number, what changed since a commit, a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from storage.database import Connection
from storage.json_values import decoded_map, decoded_maps, rfc3339
from sync.conflict_records import ConflictRecord, OwnConflict
from sync.errors import Invalid
from sync.identity import Identity, TreeKey
from sync.protocol import Closing

_COLUMNS = """c.id, c.kind, c.node_id, c.connection_id, c.user_id, c.client_id, c.n, c.base, c.code, c.ops, c.paths,
    c.parties, c.seqs, c.created_at, c.closed_at, c.closed_choice, c.closed_by, c.closed_seq"""
_OF_TREE = f"SELECT {_COLUMNS} FROM conflicts AS c WHERE c.tenant_id = $1 AND c.tree_id = $2"  # noqa: S608
OPEN = f"{_OF_TREE} AND c.closed_at IS NULL ORDER BY c.id"
ONE = f"{_OF_TREE} AND c.id = $3"
CHANGED = f"{_OF_TREE} AND c.commit > $3 ORDER BY c.id"
PAGE = f"{_OF_TREE} AND c.closed_at IS NULL AND c.id < $3 ORDER BY c.id DESC LIMIT $4"
PAGE_OF_USER = f"""
{_OF_TREE} AND c.closed_at IS NULL AND c.id < $3
    AND c.id IN (SELECT conflict_id FROM conflict_parties WHERE tenant_id = $1 AND tree_id = $2 AND user_id = $5)
ORDER BY c.id DESC LIMIT $4
"""  # noqa: S608  columns only
# $6: whether the user is an admin of the tenant, who may see every tree
OWN = f"""
SELECT c.tree_id, {_COLUMNS} FROM conflict_parties AS p
JOIN conflicts AS c ON c.tenant_id = p.tenant_id AND c.tree_id = p.tree_id AND c.id = p.conflict_id
JOIN impact_trees AS t ON t.tenant_id = p.tenant_id AND t.id = p.tree_id AND t.deleted_at IS NULL
WHERE p.tenant_id = $1 AND p.user_id = $2 AND (p.opened_at, p.tree_id, p.conflict_id) < ($3, $4, $5)
    AND ($6 OR t.user_id = $2 OR t.visibility <> 'private' OR EXISTS (
        SELECT FROM tree_members AS m WHERE m.tenant_id = $1 AND m.tree_id = p.tree_id AND m.user_id = $2))
ORDER BY p.opened_at DESC, p.tree_id DESC, p.conflict_id DESC LIMIT $7
"""  # noqa: S608  columns only

END_OF_TIME = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
LARGEST = 2**63 - 1


async def read_open(connection: Connection, key: TreeKey) -> list[ConflictRecord]:
    return [_record(row) for row in await connection.fetch(OPEN, key.tenant, key.tree)]


async def read_changed(connection: Connection, key: TreeKey, after_commit: int) -> list[ConflictRecord]:
    return [_record(row) for row in await connection.fetch(CHANGED, key.tenant, key.tree, after_commit)]


async def read_one(connection: Connection, key: TreeKey, number: int) -> ConflictRecord | None:
    row = await connection.fetchrow(ONE, key.tenant, key.tree, number)
    return None if row is None else _record(row)


async def read_page(
    connection: Connection, key: TreeKey, user: str | None, limit: int, before: int | None
) -> list[ConflictRecord]:
    asked: tuple[Any, ...] = (key.tenant, key.tree, LARGEST if before is None else before, limit)
    if user is None:
        rows: Sequence[asyncpg.Record] = await connection.fetch(PAGE, *asked)
    else:
        rows = await connection.fetch(PAGE_OF_USER, *asked, user)
    return [_record(row) for row in rows]


async def read_own(connection: Connection, identity: Identity, limit: int, before: str | None) -> list[OwnConflict]:
    """Raises Invalid."""
    last = (END_OF_TIME, LARGEST, LARGEST) if before is None else _cursor(before)
    admin = identity.role == "admin"
    rows = await connection.fetch(OWN, identity.tenant, identity.user, *last, admin, limit)
    return [OwnConflict(tree=row["tree_id"], record=_record(row)) for row in rows]


def _record(row: asyncpg.Record) -> ConflictRecord:
    closed = Closing(choice=row["closed_choice"], by=row["closed_by"], seq=row["closed_seq"])
    return ConflictRecord(
        id=row["id"],
        kind=row["kind"],
        node=row["node_id"],
        connection=row["connection_id"],
        user=row["user_id"],
        client=row["client_id"],
        n=row["n"],
        base=row["base"],
        code=row["code"],
        ops=decoded_maps(row["ops"]),
        paths=decoded_map(row["paths"]),
        parties=row["parties"],
        seqs=row["seqs"],
        at=rfc3339(row["created_at"]),
        closed=None if row["closed_at"] is None else closed,
    )


def _cursor(before: str) -> tuple[datetime, int, int]:
    """Raises Invalid."""
    try:
        at, tree, number = before.split("|")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not (tree + number).isdecimal() or max(int(tree), int(number)) > LARGEST:
            raise ValueError
    except ValueError as error:
        raise Invalid("`before` is `at|tree|id` of the last line of a page") from error
    return moment, int(tree), int(number)
