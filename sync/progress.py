"""How far a tree is: per node, per branch, in all. Plain sums over the live nodes, kept so that a change costs the
depth of the node and not the size of the tree.

Each node carries the sum over its branch, itself included; a change adds the difference to every node above it. All
numbers are integers (completion in thousandths), so that sums kept over a million changes are to the last bit those
made from scratch. The sums of a branch are packed into one integer, a lane of 32 bits each: adding them is one
addition, and no lane overflows (50,000 nodes × 1,000 thousandths are 26 bits).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple, assert_never

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
from sync.nodes import NODE_TYPES, Node, NodeType
from sync.progress_message import Domain, Maturity, NodeProgress, Summary
from sync.templates import Status, TemplateSet, is_filled, status_of
from sync.tree import Tree

WHOLE = 1_000  # thousandths
# A node somebody calls begun is neither at nothing nor at its end, whatever its form says
_BEGUN_LEAST, _BEGUN_MOST = 100, 900
# A score, of 100: mostly whether it is done, then how much of its form is filled, then whether it is described at all
_SCORE_COMPLETION, _SCORE_FILL, _SCORE_DESCRIBED = 70, 20, 10

# The bands of a domain's maturity: from that completion on, in thousandths (SPECS)
BANDS: tuple[tuple[int, Maturity], ...] = (
    (850, "mature"),
    (600, "established"),
    (400, "developing"),
    (200, "emerging"),
    (0, "initial"),
)

_LANE = 32
_MASK = (1 << _LANE) - 1
_LANES = ("nodes", "completion", "fill", "score", "complete", "in_progress", *NODE_TYPES)
_PLACE = {name: place * _LANE for place, name in enumerate(_LANES)}

_DETACHED = ""  # no node has that id: the parent of a branch that hangs nowhere


class Own(NamedTuple):
    """One node by itself; completion and fill in thousandths. `sums` is what it adds to the branches it stands in."""

    status: Status
    completion: int
    fill: int
    score: int
    sums: int


class _Entry(msgspec.Struct, gc=False):
    """A node of the tally; kept from the garbage collector as the nodes of a tree are (`sync.nodes`)."""

    own: Own
    sums: int  # of its branch
    parent: str | None = _DETACHED


def judge(node: Node, templates: TemplateSet) -> Own:
    """A node by its own template: what is filled, and what somebody said, which wins."""
    template = templates.templates.get(node.type)
    fields = template.fields if template is not None else []
    filled = sum(1 for field in fields if is_filled(field, node.template_data.get(field.name)))
    fill = WHOLE * filled // len(fields) if fields else 0
    return _own(status_of(node.template_data), fill, bool(node.description.strip()), node.type)


@lru_cache(maxsize=4_096)  # equal nodes share one value: a leaf without data costs its entry alone
def _own(said: Status | None, fill: int, described: bool, kind: NodeType) -> Own:
    status, completion = said or _status_by(fill), fill
    if said == "complete":
        completion = WHOLE
    elif said == "not_started":
        completion = 0
    elif said == "in_progress":
        completion = min(max(fill, _BEGUN_LEAST), _BEGUN_MOST)
    score = (_SCORE_COMPLETION * completion + _SCORE_FILL * fill) // WHOLE + _SCORE_DESCRIBED * described
    lanes = {"nodes": 1, "completion": completion, "fill": fill, "score": score, kind: 1, status: 1}
    sums = sum(value << _PLACE[name] for name, value in lanes.items() if name in _PLACE)
    return Own(status, completion, fill, score, sums)


def _status_by(fill: int) -> Status:
    if fill == 0:
        return "not_started"
    return "complete" if fill == WHOLE else "in_progress"


class Tally:
    """The progress of one tree by one set of templates. A trashed branch stays in it, hanging nowhere, until it comes
    back or the tally is made anew: so a delete costs the depth too, however much it takes."""

    __slots__ = ("_entries", "_sums", "templates")

    def __init__(self, templates: TemplateSet) -> None:
        self.templates = templates
        self._entries: dict[str, _Entry] = {}
        self._sums = 0  # of the whole tree

    # ---- from scratch

    def fill(self, tree: Tree, owns: dict[str, Own]) -> None:
        """Take a whole tree; `owns` has some of its nodes judged already."""
        self._entries = {}
        self._sums = 0
        entries = self._entries
        for node_id, held in tree.nodes.items():
            if held.deleted is None:
                own = owns.get(node_id) or judge(held.node, self.templates)
                entries[node_id] = _Entry(own, own.sums, held.node.parent)
        # each branch is added to its parent's once all below it are: children before parents
        for node_id in reversed(_parents_first(entries)):
            entry = entries[node_id]
            if entry.parent is None:
                self._sums += entry.sums
            else:
                entries[entry.parent].sums += entry.sums

    @property
    def bloated(self) -> bool:
        """Whether more hangs nowhere than in the tree: then it is time to make it anew."""
        return len(self._entries) > 2 * _lane(self._sums, "nodes") + 1_000

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
        return _lane(self._sums, "nodes")

    def own(self, node_id: str) -> Own:
        """A live node by itself."""
        return self._entries[node_id].own

    def node(self, node_id: str) -> NodeProgress:
        """A live node and its branch."""
        entry = self._entries[node_id]
        own, nodes = entry.own, _lane(entry.sums, "nodes")
        return NodeProgress(
            status=own.status,
            fill_rate=own.fill / WHOLE,
            completion=own.completion / WHOLE,
            score=own.score,
            branch_completion=_mean(_lane(entry.sums, "completion"), nodes),
            branch_nodes=nodes,
            branch_complete=_lane(entry.sums, "complete"),
        )

    def tells(self, node_id: str) -> bool:
        """Whether anything has begun at a live node or below it."""
        return bool(self._entries[node_id].sums & _TOLD)

    def standing(self, nodes: Iterable[Node], seq: int) -> dict[str, Own]:
        """Of these nodes the judgements that still stand, this tally being at that seq: nothing named them since."""
        entries = self._entries
        return {node.id: entries[node.id].own for node in nodes if node.seq <= seq and node.id in entries}

    @property
    def sums(self) -> int:
        """Of the whole tree: another number whenever the summary is another."""
        return self._sums

    def summary(self) -> Summary:
        return Summary(**_summary(self._sums))  # type: ignore[arg-type]

    def domain(self, node: Node) -> Domain:
        """A branch as one of the domains that the tree is divided into."""
        sums = self._entries[node.id].sums
        completion, nodes = _lane(sums, "completion"), _lane(sums, "nodes")
        maturity = next(name for least, name in BANDS if completion >= least * nodes)
        return Domain(node=node.id, title=node.title, maturity=maturity, **_summary(sums))  # type: ignore[arg-type]


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


def tally_of(tree: Tree, templates: TemplateSet) -> Tally:
    """The progress of a tree, from scratch."""
    tally = Tally(templates)
    tally.fill(tree, {})
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


def _parents_first(entries: Mapping[str, _Entry]) -> list[str]:
    """Without recursion."""
    children: dict[str | None, list[str]] = {}
    for node_id, entry in entries.items():
        children.setdefault(entry.parent, []).append(node_id)
    found = children.get(None, [])
    for node_id in found:  # grows as it goes
        found.extend(children.get(node_id, ()))
    return found


def _lane(sums: int, name: str) -> int:
    return sums >> _PLACE[name] & _MASK


def _mean(total: int, nodes: int) -> float:
    """Of thousandths, as a share with four decimals."""
    return round(total / (nodes * WHOLE), 4) if nodes else 0.0


def _summary(sums: int) -> dict[str, object]:
    nodes, complete, begun = (_lane(sums, name) for name in ("nodes", "complete", "in_progress"))
    return {
        "total_nodes": nodes,
        "completion_rate": _mean(_lane(sums, "completion"), nodes),
        "fill_rate": _mean(_lane(sums, "fill"), nodes),
        "score": round(_lane(sums, "score") / nodes, 1) if nodes else 0.0,
        "complete": complete,
        "in_progress": begun,
        "not_started": nodes - complete - begun,
        "node_types": {kind: _lane(sums, kind) for kind in NODE_TYPES if _lane(sums, kind)},
    }


_TOLD = sum(_MASK << _PLACE[name] for name in ("completion", "fill", "score", "complete", "in_progress"))
