"""Who stands below whom: what nodes say, what their parents or the tree's structure say, and last what the connections
say; with orphans and circles mended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sync.legacy.connections import Edge
from sync.legacy.nodes import NO_PARENT, Draft, Nodes, id_text
from sync.legacy.notes import Notes, shown
from sync.legacy.reading import decoded

Parents = dict[str, str | None]  # by new id, in the order of the nodes


def settled(nodes: Nodes, structure: Any, edges: list[Edge], notes: Notes) -> Parents:
    """The parent of each node: a forest, whatever was said."""
    orphans: dict[str, Draft] = {}
    parents = {draft.id: _said(draft, nodes, orphans) for draft in nodes.drafts}
    if not orphans and not any(parents.values()):
        _listed(parents, {**_related(structure, notes), **nodes.listed}, nodes.ids, notes)
    _cut(parents, nodes.drafts, notes)
    _connected(parents, edges, orphans if any(parents.values()) else parents)
    for draft in orphans.values():
        _tell_orphan(draft, parents[draft.id], notes)
    return parents


def _said(draft: Draft, nodes: Nodes, orphans: dict[str, Draft]) -> str | None:
    if draft.inside:
        return draft.inside
    found = nodes.ids.get(draft.parent)
    if found is None and draft.parent.lower() not in NO_PARENT:
        orphans[draft.id] = draft
    return found


def _tell_orphan(draft: Draft, parent: str | None, notes: Notes) -> None:
    lost = f"its parent {shown(draft.parent)} is not there; "
    if parent is None:
        notes.add("orphan-root", draft.place, f"{lost}it is a root now")
    else:
        notes.add("orphan-connected", draft.place, f"{lost}it stands below {parent}, from where a connection leads")


def _related(structure: Any, notes: Notes) -> dict[str, str]:
    """Parent by child, by old id, of a `tree_structure` (spec 000: node_relationships with parent and children)."""
    structure = decoded(structure, "tree_structure", notes)
    for name in ("hierarchy", "node_relationships"):
        if isinstance(structure, dict) and isinstance(structure.get(name), dict):
            structure = structure[name]
    found: dict[str, str] = {}
    for node, relation in structure.items() if isinstance(structure, dict) else ():
        if isinstance(relation, dict):
            if parent := id_text(relation.get("parent")):
                found[node] = parent
            children = relation.get("children")
            for child in children if isinstance(children, list) else ():
                found.setdefault(id_text(child), node)
    return found


def _listed(parents: Parents, listed: Mapping[str, str], ids: Mapping[str, str], notes: Notes) -> None:
    told = {ids[child]: ids[above] for child, above in listed.items() if child in ids and above in ids}
    if told:
        notes.add("child-listed", "nodes", f"{len(told)} nodes stand below the one that lists them")
    parents.update(told)


def _connected(parents: Parents, edges: list[Edge], lost: Collection[str]) -> None:
    """Where nothing but the connections says it (spec 002's `createTreeSchema` knows no parents): the first that leads
    to a node comes from its parent, unless that would close a circle. `lost`: the nodes this is done for."""
    tops = {node: parent for node, parent in parents.items() if parent is not None}
    for edge in edges:
        if edge.target in lost and parents[edge.target] is None and _top(edge.source, tops) != edge.target:
            parents[edge.target] = tops[edge.target] = edge.source


def _top(node: str, tops: dict[str, str]) -> str:
    """The root above a node, with the way to it halved for the next who asks (union-find)."""
    while (above := tops.get(node, node)) != node:
        tops[node] = tops.get(above, above)
        node = above
    return node


def _cut(parents: Parents, drafts: list[Draft], notes: Notes) -> None:
    """Make a root of the first node of each circle. Each node is walked over once."""
    place = {draft.id: draft.place for draft in drafts}
    order = {draft.id: number for number, draft in enumerate(drafts)}
    done: set[str] = set()
    for start in parents:
        path: dict[str, None] = {}
        node: str | None = start
        while node is not None and node not in done and node not in path:
            path[node] = None
            node = parents[node]
        if node is not None and node in path:
            ways = list(path)
            first = min(ways[ways.index(node) :], key=order.__getitem__)
            notes.add("cycle-cut", place[first], f"it stood below itself, by way of {shown(parents[first])}")
            parents[first] = None
        done.update(path)
