"""`sync.search.Search` in memory, over a MemoryDatabase: every question reads every document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storage.memory import MemoryDatabase
from storage.search_pages import Candidates, hit_of
from sync.access import role_in
from sync.identity import Identity
from sync.nodes import Details, Node
from sync.search import (
    PATH_NODES,
    Crumb,
    Hit,
    Hits,
    Postings,
    Rank,
    SearchFilter,
    cursor,
    documents,
    node_terms,
    postings_of,
    tree_terms,
)
from sync.search_words import Word
from sync.templates import Templates


class MemorySearch:
    """Several instances may share one, as they share the database."""

    def __init__(self, database: MemoryDatabase, templates: Templates) -> None:
        self._database = database
        self._templates = templates

    async def search(
        self, identity: Identity, asked: Sequence[Word], *, only: SearchFilter, limit: int, after: Rank | None
    ) -> Hits:
        templates = await self._templates.node_templates(identity.tenant)
        found: list[tuple[Rank, Hit]] = []
        for tree, details, nodes in self._seen(identity) if asked else ():
            if only.tree in (None, tree):
                for node_id, points in documents(_postings(asked, details, nodes)):
                    rank = Rank(-points, -tree, node_id)
                    candidates = Candidates(asked, [], True, templates)
                    hit = hit_of(candidates, (tree, node_id), details, nodes.get(node_id), _path(nodes, node_id))
                    assert hit is not None, "it was just found"
                    found.append((rank, hit))
        found = [
            (rank, hit)
            for rank, hit in sorted(found, key=lambda one: one[0])
            if (after is None or rank > after) and _is_wanted(hit, only)
        ]
        following = cursor(found[limit - 1][0]) if len(found) > limit else None
        return Hits(hits=[hit for _, hit in found[:limit]], next=following, complete=True, behind=0)

    async def trees_with(self, identity: Identity, asked: Sequence[Word], *, limit: int) -> list[int]:
        found = []
        for tree, details, nodes in self._seen(identity):
            postings = _postings(asked, details, nodes)
            if all(postings):
                found.append((-sum(max(one.values()) for one in postings), -tree))
        return [-tree for _, tree in sorted(found)[:limit]]

    async def refresh(self, tenant: str, *, everything: bool) -> int:
        return 0

    def _seen(self, identity: Identity) -> Iterator[tuple[int, Details, dict[str, Node]]]:
        for key, rows in self._database.trees.items():
            if key.tenant == identity.tenant and rows.deleted_at is None and role_in(rows.rights, identity):
                loaded = rows.loaded()
                yield key.tree, loaded.details, {row.node.id: row.node for row in loaded.nodes if row.deleted is None}


def _postings(asked: Sequence[Word], details: Details, nodes: dict[str, Node]) -> Postings:
    terms = {node_id: node_terms(node) for node_id, node in nodes.items()}
    return postings_of(asked, {"": tree_terms(details)} | terms)


def _path(nodes: dict[str, Node], node_id: str) -> list[Crumb]:
    path: list[Crumb] = []
    node = nodes.get(node_id)
    while node is not None and node.parent is not None and len(path) < PATH_NODES:
        node = nodes[node.parent]
        path.append(Crumb(node.id, node.title))
    return path[::-1]


def _is_wanted(hit: Hit, only: SearchFilter) -> bool:
    if only.is_of_nodes and hit.node is None:
        return False
    return only.type in (None, hit.type) and only.status in (None, hit.status)
