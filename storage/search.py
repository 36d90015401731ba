"""The PostgreSQL implementation of `sync.search.Search`.

Words stand in rows of search_terms, one per tree and term: a btree serves them behind a policy, which a GIN index of
vectors can not (its operators are not leakproof). A question is answered from one of two ends, whichever is short:

- Somebody who may see few trees is asked for among these: each word is a range of the primary key of each tree.
- For everybody else the word fewest trees have leads, those first in which it counts most (search_terms_of_term), a
  bounded number of them; the other words are looked up in each. A beginning leads as the first terms that begin so.

What is found is read again from the rows of the tree before it is given, at the same moment: nothing is shown that is
in the trash, gone or changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

from storage.database import Connection, Database
from storage.search_index import announce, bring_level, bundled, made_with
from storage.search_pages import MOST_FILTERED, Candidates, read_page
from storage.search_ranks import bounds, ranked
from storage.templates import PostgresTemplates
from sync.errors import Unavailable
from sync.identity import Identity
from sync.search import Hits, Rank, SearchFilter
from sync.search_words import Word
from sync.templates import TemplateSet

_SEEN = """($3::boolean OR t.user_id = $2 OR t.visibility <> 'private' OR EXISTS (
        SELECT 1 FROM tree_members AS m WHERE m.tenant_id = $1 AND m.tree_id = t.id AND m.user_id = $2))"""
# The trees somebody may see, as far as they are few: each branch stops at its end or at $3
FEW = """
SELECT id FROM (
    (SELECT id FROM impact_trees WHERE tenant_id = $1 AND deleted_at IS NULL AND user_id = $2 LIMIT $3)
    UNION (SELECT id FROM impact_trees WHERE tenant_id = $1 AND deleted_at IS NULL AND visibility <> 'private' LIMIT $3)
    UNION (SELECT t.id FROM tree_members AS m JOIN impact_trees AS t ON t.tenant_id = $1 AND t.id = m.tree_id
        WHERE m.tenant_id = $1 AND m.user_id = $2 AND t.deleted_at IS NULL LIMIT $3)
) AS seen LIMIT $3
"""
FEW_OF_ALL = "SELECT id FROM impact_trees WHERE tenant_id = $1 AND deleted_at IS NULL LIMIT $2"
ONE = f"SELECT t.id FROM impact_trees AS t WHERE t.tenant_id = $1 AND t.id = $4 AND t.deleted_at IS NULL AND {_SEEN}"  # noqa: S608
# Each word, as far as it goes: how many rows of trees mean it
COUNTS = """
SELECT (SELECT count(*) FROM (SELECT FROM search_terms AS x
    WHERE x.tenant_id = $1 AND x.term >= w.low AND x.term < w.high LIMIT $4) AS counted) AS found
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (low, high, place) ORDER BY w.place
"""
# From one term to the next behind it, not through the rows of each (a loose index scan, PostgreSQL wiki)
TERMS_FROM = """
WITH RECURSIVE step AS (
    (SELECT x.term, 1 AS number FROM search_terms AS x
    WHERE x.tenant_id = $1 AND x.term >= $2 AND x.term < $3 ORDER BY x.term LIMIT 1)
    UNION ALL
    SELECT (SELECT x.term FROM search_terms AS x
        WHERE x.tenant_id = $1 AND x.term > step.term AND x.term < $3 ORDER BY x.term LIMIT 1), step.number + 1
    FROM step WHERE step.term IS NOT NULL AND step.number < $4
)
SELECT term FROM step WHERE term IS NOT NULL
"""
# What each word counts for at best in a tree; all of them must be there
_POINTS_IN = """
CROSS JOIN LATERAL (
    SELECT sum(o.points) AS points, count(o.points) AS found
    FROM unnest({low}::text[], {high}::text[]) AS w (low, high)
    CROSS JOIN LATERAL (
        SELECT max(2 * x.weight + (x.term = w.low)::integer) AS points FROM search_terms AS x
        WHERE x.tenant_id = $1 AND x.tree_id = {tree} AND x.term >= w.low AND x.term < w.high) AS o
) AS other
"""
AMONG = f"""
SELECT t.id AS tree, other.points FROM unnest($2::bigint[]) AS t (id)
{_POINTS_IN.format(low="$3", high="$4", tree="t.id")}
WHERE other.found = $5 ORDER BY other.points DESC, t.id DESC LIMIT $6
"""  # noqa: S608
LED = f"""
WITH led AS MATERIALIZED (
    SELECT p.tree_id, max(p.points) AS points
    FROM unnest($4::text[]) AS m (term) CROSS JOIN LATERAL (
        SELECT x.tree_id, 2 * x.weight + (x.term = $5)::integer AS points FROM search_terms AS x
        WHERE x.tenant_id = $1 AND x.term = m.term ORDER BY x.weight DESC, x.tree_id DESC LIMIT $6) AS p
    GROUP BY p.tree_id
), seen AS MATERIALIZED (
    SELECT led.tree_id, led.points FROM led CROSS JOIN LATERAL (
        SELECT FROM impact_trees AS t
        WHERE t.tenant_id = $1 AND t.id = led.tree_id AND t.deleted_at IS NULL AND {_SEEN} LIMIT 1) AS t
)
SELECT seen.tree_id AS tree, seen.points + COALESCE(other.points, 0) AS points FROM seen
{_POINTS_IN.format(low="$7", high="$8", tree="seen.tree_id")}
WHERE other.found = $9 ORDER BY 2 DESC, 1 DESC LIMIT $10
"""  # noqa: S608
# never, where that was by other rules or templates
SINCE = "SELECT searched_at FROM tenants WHERE tenant_id = $1 AND searched_with = $2"
# updated_hour is what the index has. A tree that is known costs its new ops, and that they are found among its nodes;
# another all its nodes
_BEHIND = """
SELECT t.id, LEAST(t.node_count, CASE WHEN s.epoch = h.epoch AND s.made_with = $4 AND s.seq >= 0
    THEN h.seq - s.seq + t.node_count / 200 ELSE t.node_count END) AS work
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
LEFT JOIN search_trees AS s ON s.tenant_id = t.tenant_id AND s.tree_id = t.id
WHERE t.tenant_id = $1 AND t.deleted_at IS NULL AND {which}
    AND (s.epoch, s.seq, s.made_with) IS DISTINCT FROM (h.epoch, h.seq, $4)
"""
_RECENT = "t.updated_hour >= date_trunc('hour', $5::timestamptz, 'UTC') AND t.updated_at >= $5"
_NEWEST = "ORDER BY t.updated_hour DESC, t.updated_at DESC"
BEHIND_RECENT = f"{_BEHIND.format(which=f'{_SEEN} AND {_RECENT}')} {_NEWEST} LIMIT $6"
BEHIND_ALL = f"{_BEHIND.format(which=_SEEN)} {_NEWEST} LIMIT $5"
BEHIND_ONE = _BEHIND.format(which=f"{_SEEN} AND t.id = $5")
# imported with the times they had elsewhere, or not looked at to the end
BEHIND_UNKNOWN = f"{_BEHIND.format(which=f'{_SEEN} AND s.seq < 0')} LIMIT $5"
# A commit is stamped with the time it began, and seen when it ends: no statement runs longer than 30 s
LEVEL = """
UPDATE tenants SET searched_at = GREATEST(searched_at, $2::timestamptz - interval '1 minute'), searched_with = $3
WHERE tenant_id = $1
"""

FEW_TREES = 1_000  # that somebody may see; 5 µs for each and word
LED_ROWS = 700  # of the leading word that are looked at; 5 µs each, and 10 for each other word: B12 is 50 ms
BEGINNINGS = 100  # terms of a beginning that leads; 20 µs each
CANDIDATES = 100  # trees whose documents are compared, as far as `search_ranks` goes
# what a question brings level itself, so that it finds what was just edited: 0.1 s; the job does the rest
BEHIND_TREES, BEHIND_WORK = 20, 300
_BEHIND_LOOKED_AT = 200
_NO_BOUND = 2**31 - 1


class _Found(NamedTuple):
    """Trees that have all the words, the best first."""

    trees: list[int]
    complete: bool


class PostgresSearch:
    """See the module."""

    def __init__(self, database: Database, log: Callable[..., None] = lambda *_, **__: None) -> None:
        self._database = database
        self._log = log
        self._templates = PostgresTemplates(database)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def search(
        self, identity: Identity, asked: Sequence[Word], *, only: SearchFilter, limit: int, after: Rank | None
    ) -> Hits:
        if not asked:
            return Hits(hits=[], next=None, complete=True, behind=0)
        templates = await self._templates.node_templates(identity.tenant)
        behind = await self._catch_up(identity, templates, only.tree)
        async with self._database.transaction(
            identity.tenant, isolation="repeatable_read", readonly=True
        ) as connection:
            found = await _trees(connection, identity, asked, only.tree, CANDIDATES)
            looked_at = MOST_FILTERED if only.is_of_nodes else limit
            ranks, whole = await ranked(connection, identity.tenant, asked, found.trees, after, looked_at + 1)
            candidates = Candidates(asked, ranks, found.complete and whole, templates)
            return await read_page(connection, identity.tenant, candidates, only, limit, behind)

    async def trees_with(self, identity: Identity, asked: Sequence[Word], *, limit: int) -> list[int]:
        templates = await self._templates.node_templates(identity.tenant)
        await self._catch_up(identity, templates, None)
        async with self._database.transaction(identity.tenant, readonly=True) as connection:
            return (await _trees(connection, identity, asked, None, limit)).trees

    async def refresh(self, tenant: str, *, everything: bool) -> int:
        templates = await self._templates.node_templates(tenant)
        stamp = made_with(templates)
        async with self._database.transaction(tenant, readonly=True) as connection:
            began = await connection.fetchval("SELECT now()")
            since = None if everything else await connection.fetchval(SINCE, tenant, stamp)
            behind = await _read_behind(connection, (tenant, "", True, stamp), since, _NO_BOUND)
        refused: list[int] = []
        waits = False
        for trees in bundled(behind):
            try:
                waits |= await bring_level(self._database, tenant, templates, trees) != set(trees)
            except Unavailable:
                raise
            except Exception:  # whatever stands in one of them, the others are found
                refused += await self._one_by_one(tenant, templates, trees)
        async with self._database.transaction(tenant) as connection:
            if refused:
                await announce(connection, tenant, refused)
            if not waits:  # what others are busy with may have been edited since they looked
                await connection.execute(LEVEL, tenant, began, stamp)
        return len(behind) - len(refused)

    async def _one_by_one(self, tenant: str, templates: TemplateSet, trees: Sequence[int]) -> list[int]:
        """Answers the trees that cannot be looked at."""
        refused = []
        for tree in trees:
            try:
                await bring_level(self._database, tenant, templates, [tree])
            except Unavailable:
                raise
            except Exception as error:
                refused.append(tree)
                self._log("search.refused", tenant=tenant, tree=tree, error=type(error).__name__)
        return refused

    async def _catch_up(self, identity: Identity, templates: TemplateSet, tree: int | None) -> int:
        """Bring level what was edited last of what somebody may see; answers how many trees are still behind."""
        if not await self._behind(identity, templates, tree):
            return 0
        # of all who ask at once here one does it, and the others hold no connection while they wait
        async with self._turns.setdefault(identity.tenant, asyncio.Lock()):
            behind = await self._behind(identity, templates, tree)
            done = 0
            for trees in bundled(_first(behind)):
                # somebody else is busy with one of them, or what stands in one cannot be taken: they stay behind
                with suppress(Exception):
                    done += len(await bring_level(self._database, identity.tenant, templates, trees))
            return len(behind) - done

    async def _behind(self, identity: Identity, templates: TemplateSet, tree: int | None) -> list[tuple[int, int]]:
        stamp = made_with(templates)
        who = (identity.tenant, identity.user, identity.role == "admin", stamp)
        async with self._database.transaction(identity.tenant, readonly=True) as connection:
            if tree is not None:
                rows = await connection.fetch(BEHIND_ONE, *who, tree)
                return [(row["id"], row["work"]) for row in rows]
            since = await connection.fetchval(SINCE, identity.tenant, stamp)
            return await _read_behind(connection, who, since, _BEHIND_LOOKED_AT)


async def _read_behind(
    connection: Connection, who: tuple[str, str, bool, str], since: datetime | None, limit: int
) -> list[tuple[int, int]]:
    """(tree, work) of what somebody may see and is not level, edited since then or, None, ever; the newest first."""
    if since is None:  # the job has not been here yet, or by other rules
        rows = await connection.fetch(BEHIND_ALL, *who, limit)
    else:
        rows = await connection.fetch(BEHIND_RECENT, *who, since, limit)
        rows += await connection.fetch(BEHIND_UNKNOWN, *who, limit)
    return list({row["id"]: row["work"] for row in rows}.items())


def _first(behind: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """As many as a question takes on."""
    taken: list[tuple[int, int]] = []
    for tree, work in behind[:BEHIND_TREES]:
        if sum(other for _, other in taken) + work <= BEHIND_WORK:
            taken.append((tree, work))
    return taken


async def _trees(
    connection: Connection, identity: Identity, asked: Sequence[Word], tree: int | None, limit: int
) -> _Found:
    few = await _few(connection, identity, tree)
    if few is not None:
        lows, highs = bounds(asked)
        rows = await connection.fetch(AMONG, identity.tenant, few, lows, highs, len(asked), limit + 1)
        return _Found([row["tree"] for row in rows[:limit]], len(rows) <= limit)
    return await _led(connection, identity, asked, limit)


async def _few(connection: Connection, identity: Identity, tree: int | None) -> list[int] | None:
    """The trees somebody may see, where they are few; None: they are many."""
    is_admin = identity.role == "admin"
    if tree is not None:
        rows = await connection.fetch(ONE, identity.tenant, identity.user, is_admin, tree)
    elif is_admin:
        rows = await connection.fetch(FEW_OF_ALL, identity.tenant, FEW_TREES + 1)
    else:
        rows = await connection.fetch(FEW, identity.tenant, identity.user, FEW_TREES + 1)
    return [row["id"] for row in rows] if len(rows) <= FEW_TREES else None


async def _led(connection: Connection, identity: Identity, asked: Sequence[Word], limit: int) -> _Found:
    tenant = identity.tenant
    counts = [row["found"] for row in await connection.fetch(COUNTS, tenant, *bounds(asked), LED_ROWS + 1)]
    place = min(range(len(asked)), key=counts.__getitem__)
    leader, others = asked[place], [word for word in asked if word != asked[place]]
    terms, complete = [leader.text], counts[place] <= LED_ROWS
    if leader.is_beginning:
        rows = await connection.fetch(TERMS_FROM, tenant, *leader.bounds, LED_ROWS if complete else BEGINNINGS)
        terms = [row["term"] for row in rows]
    each = LED_ROWS if complete else max(LED_ROWS // max(len(terms), 1), 1)
    who = (tenant, identity.user, identity.role == "admin")
    rows = await connection.fetch(LED, *who, terms, leader.text, each, *bounds(others), len(others), limit + 1)
    return _Found([row["tree"] for row in rows[:limit]], complete and len(rows) <= limit)
