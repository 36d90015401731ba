"""Whether the rows of every tenant are what commits make of them, and mending what can be mended without guessing.

Foreign keys leave no node without its tree (spec 002's `cleanupOrphanedNodes`); the log and what counts with it has
none (see schema.sql), so that a tree whose row was deleted by hand leaves these behind. It works as the owner of the
tables: the runtime role may not delete from the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from storage.database import ENTER, ENTER_AS, LISTER_ROLE, TENANTS, Database, DatabaseSettings, translated
from storage.postgres import PostgresStore
from storage.replays import differing
from sync.identity import TreeKey

_CONNECT_SECONDS = 10.0
_SCAN_SECONDS = 3600.0  # for one question about one tenant: it may walk through all its rows

_ROWS = 10_000  # read at a time

ORPHANS = """
SELECT t.tree_id, count(*) AS rows FROM {table} AS t
WHERE t.tenant_id = $1 AND t.tree_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM impact_trees AS i WHERE i.tenant_id = $1 AND i.id = t.tree_id)
GROUP BY t.tree_id ORDER BY t.tree_id
"""
DROP_ORPHANS = """
DELETE FROM {table} AS t WHERE t.tenant_id = $1 AND t.tree_id = ANY ($2::bigint[])
    AND NOT EXISTS (SELECT FROM impact_trees AS i WHERE i.tenant_id = $1 AND i.id = t.tree_id)
"""
MISCOUNTED = """
SELECT t.id AS tree_id, abs(t.node_count - n.live) AS rows FROM impact_trees AS t
CROSS JOIN LATERAL (
    SELECT count(*) AS live FROM tree_nodes AS n
    WHERE n.tenant_id = $1 AND n.tree_id = t.id AND n.deleted_seq IS NULL
) AS n
WHERE t.tenant_id = $1 AND t.node_count <> n.live ORDER BY t.id
"""
# as a commit takes heads: in order, and nobody commits while the nodes are counted
HOLD_HEADS = """
SELECT FROM tree_heads WHERE tenant_id = $1 AND tree_id = ANY ($2::bigint[]) ORDER BY tree_id FOR UPDATE
"""
COUNT_AGAIN = """
UPDATE impact_trees AS t SET node_count = (
    SELECT count(*) FROM tree_nodes AS n WHERE n.tenant_id = $1 AND n.tree_id = t.id AND n.deleted_seq IS NULL
) WHERE t.tenant_id = $1 AND t.id = ANY ($2::bigint[])
"""
HEADLESS = """
SELECT t.id AS tree_id, 1 AS rows FROM impact_trees AS t WHERE t.tenant_id = $1
    AND NOT EXISTS (SELECT FROM tree_heads AS h WHERE h.tenant_id = $1 AND h.tree_id = t.id) ORDER BY t.id
"""
GAPS = """
SELECT h.tree_id, abs(h.seq - o.logged) + abs(h.seq - o.top) AS rows FROM tree_heads AS h
CROSS JOIN LATERAL (
    SELECT count(*) AS logged, COALESCE(max(o.seq), 0) AS top FROM tree_ops AS o
    WHERE o.tenant_id = $1 AND o.tree_id = h.tree_id
) AS o
WHERE h.tenant_id = $1 AND (o.logged <> h.seq OR o.top <> h.seq) ORDER BY h.tree_id
"""
# walked in Python: trees may use the same ids, and following parents through tree_nodes_order, which begins with them,
# would meet the nodes of all trees at each step
NODES = "SELECT tree_id, id, parent_id FROM tree_nodes WHERE tenant_id = $1 ORDER BY tree_id, id"
BELOW_TRASH = """
SELECT n.tree_id, count(*) AS rows FROM tree_nodes AS n
JOIN tree_nodes AS p ON p.tenant_id = $1 AND p.tree_id = n.tree_id AND p.id = n.parent_id
WHERE n.tenant_id = $1 AND n.deleted_seq IS NULL AND p.deleted_seq IS NOT NULL GROUP BY n.tree_id ORDER BY n.tree_id
"""
DANGLING = """
SELECT c.tree_id, count(*) AS rows FROM tree_connections AS c
WHERE c.tenant_id = $1 AND c.deleted_seq IS NULL AND EXISTS (
    SELECT FROM unnest(ARRAY[c.from_node, c.to_node]) AS e (id)
    LEFT JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = c.tree_id AND n.id = e.id AND n.deleted_seq IS NULL
    WHERE n.id IS NULL)
GROUP BY c.tree_id ORDER BY c.tree_id
"""
HEADS = "SELECT tree_id FROM tree_heads WHERE tenant_id = $1 ORDER BY tree_id"


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold. `find` answers (tree_id, rows), but for REACHED and REPLAYED; `mend` are statements for
    those trees, in one transaction; none: only a person can tell what is right."""

    name: str
    meaning: str
    find: str
    mend: tuple[str, ...] = ()


REACHED = Check("reached", "nodes that no root leads to", NODES)
REPLAYED = Check("replayed", "nodes, connections and fields that are not what the log makes of them", HEADS)
# The tables without a foreign key to their tree
_LOGS = ("tree_ops", "tree_clients", "tree_results", "user_activities")
CHECKS: tuple[Check, ...] = (
    *(
        Check(
            f"orphans-{table}",
            f"rows of {table} whose tree is gone",
            ORPHANS.format(table=table),
            (DROP_ORPHANS.format(table=table),),
        )
        for table in _LOGS
    ),
    Check("node-count", "node_count is not the number of live nodes", MISCOUNTED, (HOLD_HEADS, COUNT_AGAIN)),
    Check("head", "a tree without its head", HEADLESS),
    Check("log", "the log is not 1, 2, 3 up to the head's seq", GAPS),
    REACHED,
    Check("below-trash", "live nodes below one in the trash", BELOW_TRASH),
    Check("connection-ends", "live connections with an end that is not a live node", DANGLING),
    REPLAYED,
)


class Finding(msgspec.Struct, frozen=True):
    """What a check found in a tree; `mended`: it no longer is so."""

    check: Check
    tenant: str
    tree: int
    rows: int
    mended: bool


class Checking:
    """Asks about one tenant after the other."""

    def __init__(self, connection: Any, store: PostgresStore, *, repair: bool) -> None:
        self._connection = connection
        self._store = store
        self._repair = repair

    async def tenants(self) -> list[str]:
        with translated():
            async with self._connection.transaction(readonly=True):
                await self._connection.execute(ENTER_AS, "", LISTER_ROLE)
                return [row["tenant_id"] for row in await self._connection.fetch(TENANTS)]

    async def findings(self, tenant: str) -> list[Finding]:
        found: list[Finding] = []
        for check in CHECKS:
            with translated():
                async with self._connection.transaction():
                    await self._connection.execute(ENTER, tenant)
                    found += await self._asked(check, tenant)
        return found

    async def _asked(self, check: Check, tenant: str) -> list[Finding]:
        if check is REACHED:
            return [Finding(check, tenant, tree, rows, False) for tree, rows in await self._unreached(tenant)]
        if check is REPLAYED:
            return [Finding(check, tenant, tree, rows, False) for tree, rows in await self._unlike_log(tenant)]
        rows = await self._connection.fetch(check.find, tenant, timeout=_SCAN_SECONDS)
        mending = self._repair and bool(check.mend)
        if rows and mending:
            for statement in check.mend:
                trees = [row["tree_id"] for row in rows]
                await self._connection.execute(statement, tenant, trees, timeout=_SCAN_SECONDS)
        return [Finding(check, tenant, row["tree_id"], row["rows"], mending) for row in rows]

    async def _unreached(self, tenant: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        tree, parents = 0, dict[str, str | None]()
        async for row in self._connection.cursor(NODES, tenant, prefetch=_ROWS, timeout=_SCAN_SECONDS):
            if row["tree_id"] != tree:
                found.append((tree, unreached(parents)))
                tree, parents = row["tree_id"], {}
            parents[row["id"]] = row["parent_id"]
        found.append((tree, unreached(parents)))
        return [(tree, rows) for tree, rows in found if rows]

    async def _unlike_log(self, tenant: str) -> list[tuple[int, int]]:
        trees = [row["tree_id"] for row in await self._connection.fetch(HEADS, tenant, timeout=_SCAN_SECONDS)]
        found = [(tree, await differing(self._store, TreeKey(tenant, tree))) for tree in trees]
        return [(tree, rows) for tree, rows in found if rows]


def unreached(parents: Mapping[str, str | None]) -> int:
    """How many nodes of a tree no root leads to, by the parent of each."""
    reached: dict[str, bool] = {}
    for start in parents:
        way: dict[str, None] = {}
        node: str | None = start
        while node is not None and node in parents and node not in reached and node not in way:
            way[node] = None
            node = parents[node]
        leads = node is None or reached.get(node, False)
        reached.update(dict.fromkeys(way, leads))
    return sum(not leads for leads in reached.values())


@asynccontextmanager
async def checking(dsn: str, *, repair: bool) -> AsyncIterator[Checking]:
    """Over connections of its own: as whoever migrates, and to read trees as the server does. Raises Unavailable."""
    with translated():
        connection: Any = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, server_settings={"jit": "off"})
    reading = Database(DatabaseSettings(dsn=dsn, pool_min=1, pool_max=1))
    try:
        await reading.open()
        yield Checking(connection, PostgresStore(reading), repair=repair)
    finally:
        await reading.close()
        await connection.close(timeout=_CONNECT_SECONDS)
