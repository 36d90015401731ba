"""The PostgreSQL implementation of `sync.structures.Structures`.

A refresh reads some trees at one moment, makes their projections in a thread, and stores them in transactions of their
own, a few trees each: commits wait for the rows of impact_trees that one holds, so a client that stalls is cut off. A
row that a commit holds is left for the next time. tree_heads is only read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import msgspec

from storage.database import Connection, Database
from storage.json_values import encoded, rfc3339
from storage.projecting import Projected, made_with, projected
from storage.structure_rows import Behind, TreeRecords, read_behind, read_of, read_owners_behind, read_records
from storage.templates import PostgresTemplates
from sync.errors import NotFound
from sync.identity import Identity, TreeKey
from sync.structure import Structure
from sync.structures import LEASE_SECONDS, TOGETHER_NODES, Claimed, Page, Processed, TermUse, first_together
from sync.templates import TemplateSet

# as a turn does (SEMANTICS 5): commits wait for the rows that are held
HASTE = "SET LOCAL idle_in_transaction_session_timeout = '2s'"
STORE = """
WITH made AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[]) AS m (id, epoch, seq, structure, nodes, connections, completion, metrics, ai)
), locked AS MATERIALIZED (
    SELECT t.id FROM impact_trees AS t
    WHERE t.tenant_id = $1 AND t.id = ANY ($2) AND t.deleted_at IS NULL
    ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE impact_trees AS t SET tree_structure = m.structure::jsonb, nodes_data = m.nodes::jsonb,
    connections_data = m.connections::jsonb, completion_status = m.completion::jsonb, user_metrics = m.metrics::jsonb,
    ai_metadata = t.ai_metadata || m.ai::jsonb, projected_epoch = m.epoch, projected_seq = m.seq, projected_with = $11
FROM made AS m JOIN locked AS l ON l.id = m.id
WHERE t.tenant_id = $1 AND t.id = m.id AND (t.projected_epoch IS DISTINCT FROM m.epoch OR t.projected_seq <= m.seq)
RETURNING t.id
"""
FORGET_TERMS = "DELETE FROM tree_terms WHERE tenant_id = $1 AND tree_id = ANY ($2)"
STORE_TERMS = """
INSERT INTO tree_terms (tenant_id, tree_id, term, node_count, nodes)
SELECT $1, tree, term, node_count, string_to_array(nodes, U&'\\001F')
FROM unnest($2::bigint[], $3::text[], $4::integer[], $5::text[]) AS m (tree, term, node_count, nodes)
"""
DOCUMENTS = """
SELECT t.id, t.user_id, t.projected_epoch, t.projected_seq, t.name, t.description, t.discovery_phase, t.is_template,
    t.created_at, t.updated_at, t.tree_structure, t.nodes_data, t.connections_data, t.completion_status, t.ai_metadata
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
WHERE t.tenant_id = $1 AND t.id = ANY ($2) AND t.deleted_at IS NULL
    AND t.projected_epoch = h.epoch AND t.projected_seq = h.seq AND t.projected_with = $3
ORDER BY t.id
"""
NEXT = """
SELECT id, node_count FROM impact_trees WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3
"""
# Whoever claims the same moment skips these rows; who claims later finds them claimed
_CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT id, node_count, updated_at FROM impact_trees
    WHERE tenant_id = $1 AND deleted_at IS NULL AND {} AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY updated_hour, updated_at, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
), bounded AS (
    SELECT id, sum(node_count) OVER (ORDER BY updated_at, id) - node_count AS before FROM picked
)
UPDATE impact_trees AS t SET claimed_by = $3, claimed_until = now() + $4
FROM bounded AS b WHERE t.tenant_id = $1 AND t.id = b.id AND b.before < $5
RETURNING t.id, t.node_count, t.claimed_until
"""
CLAIM_NEW = _CLAIM.format("last_ai_processed_at IS NULL")
CLAIM_OLD = _CLAIM.format("last_ai_processed_at < $6")
COMPLETE = """
WITH locked AS MATERIALIZED (
    SELECT t.id FROM impact_trees AS t WHERE t.tenant_id = $1 AND t.id = ANY ($2) AND t.claimed_by = $4
    ORDER BY t.id FOR NO KEY UPDATE
)
UPDATE impact_trees AS t SET last_ai_processed_at = now(), processing_version = t.processing_version + 1,
    ai_metadata = t.ai_metadata || jsonb_build_object('latest_insights', r.insights::jsonb), claimed_by = NULL,
    claimed_until = NULL
FROM unnest($2::bigint[], $3::text[]) AS r (id, insights) JOIN locked AS l ON l.id = r.id
WHERE t.tenant_id = $1 AND t.id = r.id AND t.claimed_by = $4 RETURNING t.id
"""
WITH_TERM = """
SELECT x.tree_id, t.name, x.node_count, x.nodes
FROM tree_terms AS x JOIN impact_trees AS t ON t.tenant_id = x.tenant_id AND t.id = x.tree_id
WHERE x.tenant_id = $1 AND x.term = $2 AND x.tree_id > $3 AND t.deleted_at IS NULL
    AND ($5 OR t.user_id = $6 OR t.visibility <> 'private' OR EXISTS (
        SELECT 1 FROM tree_members AS m WHERE m.tenant_id = $1 AND m.tree_id = x.tree_id AND m.user_id = $6))
ORDER BY x.tree_id LIMIT $4
"""

TOGETHER_TREES = 100  # read in one transaction
STORED_TREES = 10  # stored in one: their rows are held for three round trips
PROJECTED_NODES = 5_000  # beyond that fewer; a single larger tree goes alone
_SEPARATOR = "\x1f"  # between ids in a column of the statement: no id holds a control character


class PostgresStructures:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._templates = PostgresTemplates(database)
        self.asked = self.hits = 0

    async def structure(self, key: TreeKey) -> bytes:
        made = await self._level(key.tenant, [key.tree])
        documents = await self._documents(key.tenant, [key.tree], made)
        if key.tree not in documents:
            raise NotFound("no such tree")
        self.asked += 1
        self.hits += not made
        return documents[key.tree]

    async def refresh(self, tenant: str, *, since: datetime | None) -> int:
        templates = await self._templates.node_templates(tenant)
        done = 0
        for together in _bundled(await self._behind(tenant, templates, since, None)):
            done += len(await self._project(tenant, templates, together))
        return done

    async def level(self, tenant: str, owner: str) -> None:
        templates = await self._templates.node_templates(tenant)
        async with self._database.transaction(tenant, readonly=True) as connection:
            behind = await read_owners_behind(connection, tenant, made_with(templates), owner)
        for together in _bundled(behind)[:1]:
            if sum(one.nodes for one in together) <= PROJECTED_NODES:
                await self._project(tenant, templates, together)

    async def claim(self, tenant: str, claim: str, *, limit: int, before: datetime | None) -> Claimed:
        lease = timedelta(seconds=LEASE_SECONDS)
        async with self._holding(tenant) as connection:
            rows = await connection.fetch(CLAIM_NEW, tenant, limit, claim, lease, TOGETHER_NODES)
            left = TOGETHER_NODES - sum(row["node_count"] for row in rows)
            if len(rows) < limit and left > 0 and before is not None:
                rows += await connection.fetch(CLAIM_OLD, tenant, limit - len(rows), claim, lease, left, before)
        trees = [row["id"] for row in rows]
        documents = await self._documents(tenant, trees, await self._level(tenant, trees))
        until = min((row["claimed_until"] for row in rows), default=None)
        return Claimed(
            claim=claim,
            until=rfc3339(until) if until is not None else "",
            structures=[msgspec.Raw(document) for document in documents.values()],
        )

    async def complete(self, tenant: str, claim: str, results: Sequence[Processed]) -> list[int]:
        done: list[int] = []
        for one in results:  # a transaction each: who holds a row while it waits for another can deadlock with commits
            async with self._holding(tenant) as connection:
                rows = await connection.fetch(COMPLETE, tenant, [one.tree], [encoded(one.insights)], claim)
            done += [row["id"] for row in rows]
        return sorted(done)

    async def page(self, tenant: str, *, after: int, limit: int) -> Page:
        async with self._database.transaction(tenant, readonly=True) as connection:
            rows = await connection.fetch(NEXT, tenant, after, limit)
        trees = first_together([(row["id"], row["node_count"]) for row in rows])
        documents = await self._documents(tenant, trees, await self._level(tenant, trees))
        return Page(list(documents.values()), trees[-1] if len(trees) == limit or len(trees) < len(rows) else None)

    async def with_term(self, identity: Identity, term: str, *, after: int, limit: int) -> list[TermUse]:
        every = identity.role == "admin"
        async with self._database.transaction(identity.tenant, readonly=True) as connection:
            rows = await connection.fetch(WITH_TERM, identity.tenant, term, after, limit, every, identity.user)
        return [
            TermUse(tree=row["tree_id"], name=row["name"], node_count=row["node_count"], nodes=row["nodes"])
            for row in rows
        ]

    @asynccontextmanager
    async def _holding(self, tenant: str) -> AsyncIterator[Connection]:
        """A transaction that locks rows of impact_trees."""
        async with self._database.transaction(tenant) as connection:
            await connection.execute(HASTE)
            yield connection

    # ---- bringing level

    async def _level(self, tenant: str, trees: Sequence[int]) -> dict[int, Structure]:
        """Bring what is kept of these trees level; answers what had to be made."""
        made: dict[int, Structure] = {}
        if trees:
            templates = await self._templates.node_templates(tenant)
            for together in _bundled(await self._behind(tenant, templates, None, trees)):
                made |= await self._project(tenant, templates, together)
        return made

    async def _documents(self, tenant: str, trees: Sequence[int], made: dict[int, Structure]) -> dict[int, bytes]:
        """The documents of these trees as they are now; a tree that is gone is left out."""
        if not trees:
            return {}
        templates = await self._templates.node_templates(tenant)
        async with self._database.transaction(tenant, readonly=True) as connection:
            rows = await connection.fetch(DOCUMENTS, tenant, list(trees), made_with(templates))
        there = made.keys() | {row["id"] for row in rows}
        for tree in trees:
            if tree not in there:  # it is gone, or was level when that was asked and has been edited since
                made |= await self._project(tenant, templates, [Behind(tree, 0)])
        return await asyncio.to_thread(_documents, trees, rows, made)

    async def _behind(
        self, tenant: str, templates: TemplateSet, since: datetime | None, trees: Sequence[int] | None
    ) -> list[Behind]:
        async with self._database.transaction(tenant, readonly=True) as connection:
            return await read_behind(connection, tenant, made_with(templates), since, trees)

    async def _project(self, tenant: str, templates: TemplateSet, behind: Sequence[Behind]) -> dict[int, Structure]:
        """Read, make and store the projections of some trees; answers what was made."""
        trees = [one.tree for one in behind]
        async with self._database.transaction(tenant, isolation="repeatable_read", readonly=True) as connection:
            records = await read_records(connection, tenant, trees)
        made = await asyncio.to_thread(_projected, records, templates)
        for first in range(0, len(made), STORED_TREES):
            async with self._holding(tenant) as connection:
                await _store(connection, tenant, templates, made[first : first + STORED_TREES])
        return {one.structure.tree_id: one.structure for one in made}


def _projected(records: Sequence[TreeRecords], templates: TemplateSet) -> list[Projected]:
    """One tree after the other, so that the values of no two are held at once."""
    return [projected(read.subject, templates, *read.known()) for read in map(read_of, records)]


async def _store(connection: Connection, tenant: str, templates: TemplateSet, made: Sequence[Projected]) -> None:
    rows = await connection.fetch(
        STORE,
        tenant,
        [one.structure.tree_id for one in made],
        [one.structure.epoch for one in made],
        [one.structure.seq for one in made],
        [one.tree_structure for one in made],
        [one.nodes_data for one in made],
        [one.connections_data for one in made],
        [one.completion_status for one in made],
        [one.user_metrics for one in made],
        [one.ai_metadata for one in made],
        made_with(templates),
    )
    stored = {row["id"] for row in rows}
    terms = [(one.structure.tree_id, *term) for one in made if one.structure.tree_id in stored for term in one.terms]
    await connection.execute(FORGET_TERMS, tenant, sorted(stored))
    columns = [[term[place] for term in terms] for place in range(3)]
    await connection.execute(STORE_TERMS, tenant, *columns, [_SEPARATOR.join(term[3]) for term in terms])


def _bundled(behind: Sequence[Behind]) -> list[list[Behind]]:
    """Some at a time, so that neither a transaction nor a thread is long at it."""
    bundles: list[list[Behind]] = []
    nodes = 0
    for one in behind:
        if not bundles or len(bundles[-1]) >= TOGETHER_TREES or nodes + one.nodes > PROJECTED_NODES:
            bundles.append([])
            nodes = 0
        bundles[-1].append(one)
        nodes += one.nodes
    return bundles


def _documents(trees: Sequence[int], rows: Sequence[asyncpg.Record], made: dict[int, Structure]) -> dict[int, bytes]:
    """What changed again meanwhile, or was held by a commit, is given as it was made."""
    kept = {row["id"]: _document(row) for row in rows}
    there = [tree for tree in trees if tree in kept or tree in made]
    return {tree: kept.get(tree) or msgspec.json.encode(made[tree]) for tree in there}


def _document(row: asyncpg.Record) -> bytes:
    """A document out of the columns, which are not read into values for that."""
    completion = msgspec.json.decode(row["completion_status"], type=_Completion)
    head = {
        "tree_id": row["id"],
        "user_id": row["user_id"],
        "epoch": row["projected_epoch"],
        "seq": row["projected_seq"],
        "structure_version": 1,
        "metadata": {
            "name": row["name"],
            "description": row["description"],
            "discovery_phase": row["discovery_phase"],
            "is_template": row["is_template"],
            "created_at": rfc3339(row["created_at"]),
            "last_modified": rfc3339(row["updated_at"]),
            "total_nodes": completion.total_nodes,
            "completion_rate": completion.completion_rate,
        },
        "hierarchy": msgspec.Raw(row["tree_structure"].encode()),
        "nodes": msgspec.Raw(row["nodes_data"].encode()),
        "connections": msgspec.Raw(row["connections_data"].encode()),
        "domains": completion.domains,
        "ai_metadata": msgspec.Raw(row["ai_metadata"].encode()),
    }
    return msgspec.json.encode(head)


class _Completion(msgspec.Struct):
    completion_rate: float
    total_nodes: int
    domains: msgspec.Raw
