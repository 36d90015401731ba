"""How far a tree is: per node, per branch, in all. Plain sums over the live nodes, kept so that a change costs the
depth of the node and not the size of the tree: each node carries the sum over its branch, itself included, and a change
adds the difference to every node above it (`sync.scores`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

import msgspec

from sync.effects import (
    Configure,
    Connect,
    Delete,
    Disconnect,
    Effect,
    Import,
    Insert,
    Move,
    Purge,
    Restore,
    Text,
    Update,
)
from sync.nodes import Node
from sync.progress_message import Domain, NodeProgress, Summary
from sync.scores import Own, domain, has_begun, judge, node_progress, nodes_in, summary
from sync.templates import TemplateSet
from sync.tree import Tree

SHARE_NODES = 1_000  # of a whole tree in one piece: 5 µs each, so that nobody is held up (B4: 20 ms)
_DETACHED = ""  # no node has that id: the parent of a branch that hangs nowhere


class _Entry(msgspec.Struct, gc=False):
    """A node of the tally; kept from the garbage collector as the nodes of a tree are (`sync.nodes`)."""

    own: Own
    sums: int  # of its branch
    parent: str | None = _DETACHED


class Begun(msgspec.Struct, frozen=True, gc=False):
    """A node of which there is something to tell, as it was when it was asked for: others may go on meanwhile."""

    id: str
    own: Own
    sums: int

    def told(self) -> NodeProgress:
        return node_progress(self.own, self.sums)


class Tally:
    """The progress of one tree by one set of templates. A trashed branch stays in it, hanging nowhere, until it comes
    back or the tally is made anew: so a delete costs the depth too, however much it takes."""

    __slots__ = ("_entries", "_sums", "templates")

    def __init__(self, templates: TemplateSet) -> None:
        self.templates = templates
        self._entries: dict[str, _Entry] = {}
        self._sums = 0  # of the whole tree

    # ---- from scratch

    def filling(self, nodes: Sequence[Node], former: Tally | None = None, seq: int = 0) -> Iterator[None]:
        """Take a tree's live nodes, as they are in that list, a share at a time. What another tally of these templates
        judged at a seq, and nothing named since, is not judged again."""
        entries: dict[str, _Entry] = {}
        children: dict[str | None, list[str]] = {}
        for place, node in enumerate(nodes, 1):
            own = former.standing(node, seq) if former is not None else None
            own = own or judge(node, self.templates)
            entries[node.id] = _Entry(own, own.sums, node.parent)
            children.setdefault(node.parent, []).append(node.id)
            if place % SHARE_NODES == 0:
                yield
        order = list(children.get(None, ()))
        for place, node_id in enumerate(order, 1):  # grows as it goes: parents before children
            order.extend(children.get(node_id, ()))
            if place % SHARE_NODES == 0:
                yield
        whole = 0
        for place, node_id in enumerate(reversed(order), 1):  # each branch is whole when it is added to its parent's
            entry = entries[node_id]
            if entry.parent is None:
                whole += entry.sums
            else:
                entries[entry.parent].sums += entry.sums
            if place % SHARE_NODES == 0:
                yield
        self._entries, self._sums = entries, whole

    def standing(self, node: Node, seq: int) -> Own | None:
        """The judgement of a node that still stands, this tally being at that seq; None: something named it since."""
        entry = self._entries.get(node.id) if node.seq <= seq else None
        return entry.own if entry is not None else None

    @property
    def bloated(self) -> bool:
        """Whether more hangs nowhere than in the tree: then it is time to make it anew."""
        return len(self._entries) > 2 * len(self) + 1_000

    # ---- change by change

    def change(self, tree: Tree, changed: Iterable[str]) -> set[str]:
        """Take the nodes that effective ops named, as they stand in the tree now; answers whose progress, or whose
        branch's, is another now."""
        touched: set[str] = set()
        nodes = {node_id: tree.node(node_id) for node_id in changed}
        returning = any(node is not None and self._hangs_nowhere(node_id) for node_id, node in nodes.items())
        for node_id, node in nodes.items():
            entry = self._entries.get(node_id)
            if entry is not None and (node is None or node.parent != entry.parent):
                self._detach(entry, touched)
        loose = [node for node in nodes.values() if node is not None and self._take(node, touched)]
        for node in loose:  # only now has every parent its entry
            self._attach(node, touched)
        if returning:  # what came back with a branch is the same as before, to whoever has not forgotten it
            touched.update(nodes)
        return {node_id for node_id in touched if tree.node(node_id) is not None}

    def _hangs_nowhere(self, node_id: str) -> bool:
        entry = self._entries.get(node_id)
        return entry is not None and entry.parent == _DETACHED

    def _take(self, node: Node, touched: set[str]) -> bool:
        """Judge a live node anew; whether it hangs nowhere yet."""
        entry = self._entries.get(node.id)
        own = judge(node, self.templates)
        if entry is None:
            entry = self._entries[node.id] = _Entry(own, own.sums)
        elif own != entry.own:
            difference = own.sums - entry.own.sums
            entry.own = own
            entry.sums += difference
            self._raise(entry.parent, difference, touched)
            touched.add(node.id)
        return entry.parent == _DETACHED

    def _attach(self, node: Node, touched: set[str]) -> None:
        entry = self._entries[node.id]
        entry.parent = node.parent
        self._raise(node.parent, entry.sums, touched)
        touched.add(node.id)

    def _detach(self, entry: _Entry, touched: set[str]) -> None:
        self._raise(entry.parent, -entry.sums, touched)
        entry.parent = _DETACHED

    def _raise(self, parent: str | None, difference: int, touched: set[str]) -> None:
        """Add a difference to everything above, as far as that hangs together."""
        while parent is not None:
            if parent == _DETACHED:
                return
            entry = self._entries[parent]
            entry.sums += difference
            touched.add(parent)
            parent = entry.parent
        self._sums += difference

    # ---- reading

    def __len__(self) -> int:
        return nodes_in(self._sums)

    def own(self, node_id: str) -> Own:
        """A live node by itself."""
        return self._entries[node_id].own

    def node(self, node_id: str) -> NodeProgress:
        """A live node and its branch."""
        entry = self._entries[node_id]
        return node_progress(entry.own, entry.sums)

    def tells(self, node_id: str) -> bool:
        """Whether anything has begun at a live node or below it."""
        return has_begun(self._entries[node_id].sums)

    def begun(self, tree: Tree) -> list[Begun]:
        """Every live node of which there is anything to tell. 0.2 µs for a node of the tree."""
        entries = self._entries
        live = [(node_id, entries[node_id]) for node_id, held in tree.nodes.items() if held.deleted is None]
        return [Begun(node_id, entry.own, entry.sums) for node_id, entry in live if has_begun(entry.sums)]

    @property
    def sums(self) -> int:
        """Of the whole tree: another number whenever the summary is another."""
        return self._sums

    def summary(self) -> Summary:
        return summary(self._sums)

    def domain(self, node: Node) -> Domain:
        """A branch as one of the domains that the tree is divided into."""
        return domain(node, self._entries[node.id].sums)


def domain_parent(tree: Tree) -> str | None:
    """Whose children are the domains: of the sole root, else of nobody: then each root is one (SPECS)."""
    roots = tree.children(None)
    return roots[0] if len(roots) == 1 else None


def domains(tree: Tree, tally: Tally, most: int) -> list[Domain]:
    """The tree's first domains, in order."""
    found = []
    for node_id in tree.children(domain_parent(tree))[:most]:
        node = tree.node(node_id)
        if node is not None:
            found.append(tally.domain(node))
    return found


def live_nodes(tree: Tree) -> list[Node]:
    """The nodes that count: a list of values that no edit changes in place."""
    return [held.node for held in tree.nodes.values() if held.deleted is None]


def tally_of(tree: Tree, templates: TemplateSet) -> Tally:
    """The progress of a tree, from scratch and in one piece."""
    tally = Tally(templates)
    for _ in tally.filling(live_nodes(tree)):
        pass
    return tally


def named_by(effects: Iterable[Effect]) -> set[str] | None:
    """The nodes that effective ops named; None where that does not tell all: what is purged is gone with all below it,
    and its id may come back."""
    found: set[str] = set()
    for effect in effects:
        match effect:
            case Insert() | Text() | Move() | Delete():
                found.add(effect.node)
            case Update():
                found.update([effect.node] if isinstance(effect.node, str) else [])
            case Restore() | Import():
                found.update(node.id for node in effect.nodes)
            case Purge():
                return None
            case Connect() | Disconnect() | Configure():
                pass
            case _:
                assert_never(effect)
    return found
