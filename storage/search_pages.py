"""A page of what was found: read again from the rows of the trees, with the way to each node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from storage.database import Connection
from storage.structure_rows import node_of
from sync.nodes import Details, Node
from sync.scores import judge
from sync.search import (
    PATH_NODES,
    Crumb,
    Hit,
    Hits,
    Rank,
    SearchFilter,
    cursor,
    documents,
    node_terms,
    postings_of,
    shown_of_node,
    shown_of_tree,
    tree_terms,
)
from sync.search_words import Word
from sync.templates import TemplateSet

OF_KIND = """
SELECT s.tree_id, s.node_id FROM unnest($2::bigint[], $3::text[]) AS k (tree, node)
JOIN search_nodes AS s ON s.tenant_id = $1 AND s.tree_id = k.tree AND s.node_id = k.node
WHERE ($4::text IS NULL OR s.node_type = $4) AND ($5::text IS NULL OR s.status = $5)
"""
TREES = "SELECT id, name, description FROM impact_trees WHERE tenant_id = $1 AND id = ANY ($2) AND deleted_at IS NULL"
NODES = """
SELECT n.tree_id, n.id, n.parent_id, n.order_key, n.node_type, n.title, n.description, n.template_data, n.metadata
FROM unnest($2::bigint[], $3::text[]) AS k (tree, node)
JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = k.tree AND n.id = k.node WHERE n.deleted_seq IS NULL
"""
# from each node up to its root
PATHS = """
WITH RECURSIVE up AS (
    SELECT k.tree, k.node, n.parent_id AS above, 1 AS steps FROM unnest($2::bigint[], $3::text[]) AS k (tree, node)
    JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = k.tree AND n.id = k.node
    UNION ALL
    SELECT up.tree, up.node, n.parent_id, up.steps + 1 FROM up
    JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = up.tree AND n.id = up.above WHERE up.steps < $4
)
SELECT up.tree, up.node, n.id AS above, n.title FROM up
JOIN tree_nodes AS n ON n.tenant_id = $1 AND n.tree_id = up.tree AND n.id = up.above ORDER BY up.steps DESC
"""
MOST_FILTERED = 2_000  # hits that are looked at for their type or status; 3 µs each

Place = tuple[int, str]  # tree, node


class Candidates(NamedTuple):
    """What was found: ranked, as far as a page needs, and whether all was looked at."""

    asked: Sequence[Word]
    ranks: Sequence[Rank]
    complete: bool
    templates: TemplateSet


async def read_page(
    connection: Connection,
    tenant: str,
    candidates: Candidates,
    only: SearchFilter,
    limit: int,
    behind: int,
) -> Hits:
    """Of one rank more than the page can have, so that it knows whether another follows."""
    ranks, complete = candidates.ranks, candidates.complete
    if only.is_of_nodes:
        complete = complete and len(ranks) <= MOST_FILTERED
        ranks = await _of_kind(connection, tenant, ranks[:MOST_FILTERED], only)
    page = ranks[:limit]
    hits = await _hits(connection, tenant, candidates, page, only)
    following = cursor(page[-1]) if len(ranks) > limit else None
    return Hits(hits=hits, next=following, complete=complete, behind=behind)


async def _of_kind(connection: Connection, tenant: str, ranks: Sequence[Rank], only: SearchFilter) -> list[Rank]:
    trees, nodes = [-rank.tree for rank in ranks], [rank.node for rank in ranks]
    rows = await connection.fetch(OF_KIND, tenant, trees, nodes, only.type, only.status)
    wanted = {(row["tree_id"], row["node_id"]) for row in rows if row["node_id"]}
    return [rank for rank in ranks if (-rank.tree, rank.node) in wanted]


async def _hits(
    connection: Connection, tenant: str, candidates: Candidates, page: Sequence[Rank], only: SearchFilter
) -> list[Hit]:
    trees, nodes = [-rank.tree for rank in page], [rank.node for rank in page]
    details = {
        row["id"]: Details(name=row["name"], description=row["description"])
        for row in await connection.fetch(TREES, tenant, list(set(trees)))
    }
    found = {(row["tree_id"], row["id"]): node_of(row) for row in await connection.fetch(NODES, tenant, trees, nodes)}
    paths: dict[Place, list[Crumb]] = {}
    for row in await connection.fetch(PATHS, tenant, trees, nodes, PATH_NODES):
        paths.setdefault((row["tree"], row["node"]), []).append(Crumb(row["above"], row["title"]))

    def read() -> list[Hit]:
        hits = []
        for rank in page:
            place = (-rank.tree, rank.node)
            if place[0] in details:
                hit = hit_of(candidates, place, details[place[0]], found.get(place), paths.get(place, []))
                if hit is not None and only.type in (None, hit.type) and only.status in (None, hit.status):
                    hits.append(hit)
        return hits

    return await asyncio.to_thread(read)  # 10 ms for a node whose texts are as long as they may be


def hit_of(
    candidates: Candidates, place: Place, details: Details, node: Node | None, path: Sequence[Crumb]
) -> Hit | None:
    """A hit as the rows have it now; None: it has gone, or has not all the words any more."""
    tree, node_id = place
    if node is None and node_id:
        return None
    terms = {"": tree_terms(details)} | ({node_id: node_terms(node)} if node is not None else {})
    score = dict(documents(postings_of(candidates.asked, terms))).get(node_id)
    if score is None:
        return None
    shown = shown_of_tree(candidates.asked, details) if node is None else shown_of_node(candidates.asked, node)
    return Hit(
        tree=tree,
        tree_name=details.name,
        node=node.id if node is not None else None,
        type=node.type if node is not None else None,
        status=judge(node, candidates.templates).status if node is not None else None,
        title=node.title if node is not None else details.name,
        path=list(path),
        field=shown[0],
        snippet=shown[1],
        score=score,
    )
