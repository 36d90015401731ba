"""Bringing the words of trees level with what stands in them (`sync.search`): only what differs is written.

What was known of a node stands in search_nodes under the seq the node had then; a node whose seq is another, or that
has no row, or a row without a node, is what has changed. So nothing is missed, whatever happened between. For that all
rows of a tree are looked through; an edit of a word writes two rows of search_terms, each with all nodes that have the
word. So in large trees a question takes on few edits and leaves others to the job. Whoever brings a tree level holds
its row of search_trees, and nobody waits for that: another passes it by, and no commit looks at it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from storage.database import Connection, Database
from storage.structure_rows import node_of
from sync.nodes import Details
from sync.scores import judge
from sync.search import SEARCH_VERSION, node_terms, tree_terms
from sync.templates import TemplateSet

# whoever searches waits no longer than that for another who begins with the same tree
PATIENCE = "SET LOCAL lock_timeout = '1s'"
BEGIN = """
INSERT INTO search_trees (tenant_id, tree_id, epoch, seq, made_with)
SELECT $1, tree, '', -1, '' FROM unnest($2::bigint[]) AS t (tree) ORDER BY tree ON CONFLICT DO NOTHING
"""
HOLD = """
SELECT tree_id, epoch, made_with FROM search_trees
WHERE tenant_id = $1 AND tree_id = ANY ($2) ORDER BY tree_id FOR UPDATE SKIP LOCKED
"""
ANNOUNCE = """
INSERT INTO search_trees (tenant_id, tree_id, epoch, seq, made_with)
SELECT tenant_id, id, '', -1, '' FROM impact_trees WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id
ON CONFLICT (tenant_id, tree_id) DO UPDATE SET seq = -1
"""
HEADS = """
SELECT t.id, t.name, t.description, h.epoch, h.seq
FROM impact_trees AS t JOIN tree_heads AS h ON h.tenant_id = t.tenant_id AND h.tree_id = t.id
WHERE t.tenant_id = $1 AND t.id = ANY ($2) AND t.deleted_at IS NULL
"""
FORGET_NODES = "DELETE FROM search_nodes WHERE tenant_id = $1 AND tree_id = ANY ($2)"
FORGET_TERMS = "DELETE FROM search_terms WHERE tenant_id = $1 AND tree_id = ANY ($2)"
# As far as $4 goes, in octets; of a jsonb the size as it lies there is known, of a text that of itself
CHANGED = """
SELECT * FROM (
SELECT n.tree_id, n.id, n.parent_id, n.order_key, n.node_type, n.title, n.description, n.template_data, n.metadata,
    n.seq, s.terms AS had, sum(size.octets) OVER (ROWS UNBOUNDED PRECEDING)::bigint AS total, size.octets
FROM tree_nodes AS n
CROSS JOIN LATERAL (SELECT octet_length(n.description) + 4 * pg_column_size(n.template_data)
    + 4 * pg_column_size(n.metadata) AS octets) AS size
LEFT JOIN search_nodes AS s ON s.tenant_id = n.tenant_id AND s.tree_id = n.tree_id AND s.node_id = n.id
WHERE n.tenant_id = $1 AND n.tree_id = ANY ($2) AND n.deleted_seq IS NULL AND s.seq IS DISTINCT FROM n.seq
LIMIT $3
) AS changed WHERE total - octets < $4
"""
# the tree's own words stand under the empty id
GONE = """
SELECT s.tree_id, s.node_id, s.terms
FROM search_nodes AS s
LEFT JOIN tree_nodes AS n ON n.tenant_id = s.tenant_id AND n.tree_id = s.tree_id AND n.id = s.node_id
    AND n.deleted_seq IS NULL
WHERE s.tenant_id = $1 AND s.tree_id = ANY ($2) AND n.id IS NULL
"""
TERMS = """
SELECT x.tree_id, x.term, x.nodes FROM unnest($2::bigint[], $3::text[]) AS k (tree, term)
JOIN search_terms AS x ON x.tenant_id = $1 AND x.tree_id = k.tree AND x.term = k.term
"""
DROP_NODES = """
DELETE FROM search_nodes AS s USING unnest($2::bigint[], $3::text[]) AS k (tree, node)
WHERE s.tenant_id = $1 AND s.tree_id = k.tree AND s.node_id = k.node
"""
STORE_NODES = """
INSERT INTO search_nodes AS s (tenant_id, tree_id, node_id, seq, node_type, status, terms)
SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
ON CONFLICT (tenant_id, tree_id, node_id) DO UPDATE SET
    seq = excluded.seq, node_type = excluded.node_type, status = excluded.status, terms = excluded.terms
"""
DROP_TERMS = """
DELETE FROM search_terms AS x USING unnest($2::bigint[], $3::text[]) AS k (tree, term)
WHERE x.tenant_id = $1 AND x.tree_id = k.tree AND x.term = k.term
"""
STORE_TERMS = """
INSERT INTO search_terms AS x (tenant_id, tree_id, term, weight, nodes)
SELECT $1, tree, term, weight, string_to_array(nodes, U&'\\001F')
FROM unnest($2::bigint[], $3::text[], $4::smallint[], $5::text[]) AS m (tree, term, weight, nodes)
ON CONFLICT (tenant_id, tree_id, term) DO UPDATE SET weight = excluded.weight, nodes = excluded.nodes
"""
STAMP = """
UPDATE search_trees AS s SET epoch = m.epoch, seq = m.seq, made_with = $5
FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS m (tree, epoch, seq)
WHERE s.tenant_id = $1 AND s.tree_id = m.tree
"""

TOGETHER_TREES = 50  # brought level in one transaction
TOGETHER_NODES = 2_000  # that have changed, in one transaction: 0.3 s where all their words are new
TOGETHER_OCTETS = 8_000_000  # of their texts: a node may have a megabyte
_SEPARATOR = "\x1f"  # between ids in a column of the statement: no id holds a control character

Term = tuple[int, str]  # tree, term
_TermRow = tuple[int, str, int, str]  # tree, term, weight, nodes


class _NodeRow(NamedTuple):
    tree: int
    node: str
    seq: int
    type: str
    status: str
    terms: str


class _Changes:
    """What is to be written: rows of nodes that changed or are gone, and which nodes a term loses or gets."""

    def __init__(self) -> None:
        self.nodes: list[_NodeRow] = []
        self.gone: list[tuple[int, str]] = []
        self.lost: dict[Term, set[str]] = {}
        self.got: dict[Term, list[str]] = {}

    def replace(self, tree: int, node: str, had: Mapping[str, int], has: Mapping[str, int]) -> None:
        for term, weight in had.items():
            if has.get(term) != weight:
                self.lost.setdefault((tree, term), set()).add(node)
        for term, weight in has.items():
            if had.get(term) != weight:
                self.got.setdefault((tree, term), []).append(f"{weight}{node}")

    @property
    def terms(self) -> list[Term]:
        return [*dict.fromkeys([*self.lost, *self.got])]


def made_with(templates: TemplateSet) -> str:
    """What stamps the words of a tree beside its position: a node's status is by its template."""
    return f"{SEARCH_VERSION}.{templates.version}"


def bundled(behind: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Trees to be brought level together, of (tree, work in nodes)."""
    bundles: list[list[int]] = []
    nodes = 0
    for tree, work in behind:
        if not bundles or len(bundles[-1]) >= TOGETHER_TREES or nodes + work > TOGETHER_NODES:
            bundles.append([])
            nodes = 0
        bundles[-1].append(tree)
        nodes += work
    return bundles


async def bring_level(database: Database, tenant: str, templates: TemplateSet, trees: Sequence[int]) -> set[int]:
    """Answers those of the trees that are level now; with another somebody else is busy. Raises Unavailable."""
    held, again = set(trees), True
    while again:  # a large tree takes several turns; only the last one says that it is level
        async with database.transaction(tenant) as connection:
            ours, again = await _one_turn(connection, tenant, templates, sorted(trees))
            held &= ours
    return held


async def announce(connection: Connection, tenant: str, trees: Sequence[int]) -> None:
    """Have these trees looked at, whenever they were edited."""
    await connection.execute(ANNOUNCE, tenant, list(trees))


async def _one_turn(
    connection: Connection, tenant: str, templates: TemplateSet, trees: Sequence[int]
) -> tuple[set[int], bool]:
    """The trees nobody else is busy with, and whether there is more to do in them."""
    await connection.execute(PATIENCE)
    await connection.execute(BEGIN, tenant, trees)
    held = {row["tree_id"]: row for row in await connection.fetch(HOLD, tenant, trees)}
    # read before the rows: what is edited meanwhile makes the tree newer than its stamp, and is looked at again
    heads = await connection.fetch(HEADS, tenant, list(held))
    await _begin_anew(connection, tenant, made_with(templates), held, heads)
    ids = [row["id"] for row in heads]
    changed = await connection.fetch(CHANGED, tenant, ids, TOGETHER_NODES, TOGETHER_OCTETS)
    gone = await connection.fetch(GONE, tenant, ids)
    changes = await asyncio.to_thread(_compare, heads, changed, gone, templates)
    await _store(connection, tenant, changes)
    if len(changed) == TOGETHER_NODES or (changed and changed[-1]["total"] >= TOGETHER_OCTETS):
        return set(held), True
    stamps = [[row[name] for row in heads] for name in ("epoch", "seq")]
    await connection.execute(STAMP, tenant, ids, *stamps, made_with(templates))
    return set(held), False


async def _begin_anew(
    connection: Connection,
    tenant: str,
    stamp: str,
    held: Mapping[int, asyncpg.Record],
    heads: Sequence[asyncpg.Record],
) -> None:
    """Drop what was taken by other rules, or of another history; and say by which it is taken from now on, so that what
    one turn takes the next one keeps."""
    anew = [row for row in heads if (held[row["id"]]["epoch"], held[row["id"]]["made_with"]) != (row["epoch"], stamp)]
    if not anew:
        return
    known = [row["id"] for row in anew if held[row["id"]]["epoch"]]
    if known:
        await connection.execute(FORGET_NODES, tenant, known)
        await connection.execute(FORGET_TERMS, tenant, known)
    ids, epochs = [row["id"] for row in anew], [row["epoch"] for row in anew]
    await connection.execute(STAMP, tenant, ids, epochs, [-1] * len(ids), stamp)


def _compare(
    heads: Sequence[asyncpg.Record],
    changed: Sequence[asyncpg.Record],
    gone: Sequence[asyncpg.Record],
    templates: TemplateSet,
) -> _Changes:
    changes = _Changes()
    own = {row["tree_id"]: row["terms"] for row in gone if row["node_id"] == ""}
    for row in heads:
        has = tree_terms(Details(name=row["name"], description=row["description"]))
        written = _written(has)
        if own.get(row["id"]) != written:
            changes.replace(row["id"], "", _read(own.get(row["id"], "")), has)
            changes.nodes.append(_NodeRow(row["id"], "", row["seq"], "", "", written))
    for row in changed:
        node = node_of(row)
        has = node_terms(node)
        changes.replace(row["tree_id"], node.id, _read(row["had"] or ""), has)
        status = judge(node, templates).status
        changes.nodes.append(_NodeRow(row["tree_id"], node.id, row["seq"], node.type, status, _written(has)))
    for row in gone:
        if row["node_id"]:
            changes.replace(row["tree_id"], row["node_id"], _read(row["terms"]), {})
            changes.gone.append((row["tree_id"], row["node_id"]))
    return changes


async def _store(connection: Connection, tenant: str, changes: _Changes) -> None:
    if changes.gone:
        await connection.execute(DROP_NODES, tenant, *_columns(changes.gone, 2))
    if changes.nodes:
        await connection.execute(STORE_NODES, tenant, *_columns(changes.nodes, 6))
    if not changes.terms:
        return
    rows = await connection.fetch(TERMS, tenant, *_columns(changes.terms, 2))
    known = {(row["tree_id"], row["term"]): row["nodes"] for row in rows}
    dropped, stored = await asyncio.to_thread(_rows_of_terms, known, changes)  # a usual word stands in 50,000 nodes
    if dropped:
        await connection.execute(DROP_TERMS, tenant, *_columns(dropped, 2))
    if stored:
        await connection.execute(STORE_TERMS, tenant, *_columns(stored, 4))


def _rows_of_terms(known: Mapping[Term, Sequence[str]], changes: _Changes) -> tuple[list[Term], list[_TermRow]]:
    """The terms that no node has any more, and the rows of the others."""
    kept = {term: _merged(term, known.get(term, []), changes) for term in changes.terms}
    dropped = [term for term, nodes in kept.items() if not nodes]
    return dropped, [(*term, int(max(nodes)[0]), _SEPARATOR.join(nodes)) for term, nodes in kept.items() if nodes]


def _merged(term: Term, known: Sequence[str], changes: _Changes) -> list[str]:
    """The nodes that have a term now, each behind the digit that says what the term counts for there."""
    got = changes.got.get(term, [])
    replaced = changes.lost.get(term, set()) | {one[1:] for one in got}
    return [one for one in known if one[1:] not in replaced] + got


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(width)]


def _written(terms: Mapping[str, int]) -> str:
    """`7churn 4customers`: no word holds a space."""
    return " ".join(f"{weight}{term}" for term, weight in terms.items())


def _read(written: str) -> dict[str, int]:
    return {one[1:]: int(one[0]) for one in written.split(" ") if one}
