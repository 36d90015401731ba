"""Bringing a tree, or one subtree, back to what it was at a point: as ordinary ops against the tree as it is now.

Parents come before their children, so no move ever meets a cycle: where a node is put, everything above it stands where
it shall stand. What is in the trash is taken out of it, and what has come since goes to the trash. What was purged is
made anew for who may purge; for everyone else it stays gone. Nothing is changed that is already as it shall be: what
has a seq of before the point is as it was then (SEMANTICS 30), and is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, structs

from sync import ops
from sync.judge_values import same
from sync.marks import CREATED, ORDER, PARENT, Mark, Marks, mark_of
from sync.nodes import Connection, Details, Node, State
from sync.planning import Planning, rising
from sync.tree import HeldConnection, Tree
from sync.values import ABSENT, Refused

_NODE_FIELDS = ("type", "title", "description", "is_collapsed")
_NODE_MAPS = ("template_data", "metadata")
_TREE_FIELDS = ("name", "description", "discovery_phase", "is_template")


class Aim(msgspec.Struct):
    """What shall be again: a whole tree (`top` None), or the subtree below and including `top`.

    `seq` is that of the point. `children` are in no order. `elsewhere` are nodes that lived outside the subtree then:
    they are not deleted where they stand in it now. `parent` is where to put a top that is in the trash; UNSET: where
    it stood.
    """

    seq: int
    nodes: dict[str, Node]
    children: dict[str | None, list[Node]]
    connections: dict[str, Connection]
    details: Details | None
    top: str | None = None
    elsewhere: frozenset[str] = frozenset()
    connected_elsewhere: frozenset[str] = frozenset()
    parent: Any = UNSET

    def families(self) -> Iterator[tuple[str | None, list[Node]]]:
        """(parent, its children), parents before their children; the top itself is in none."""
        waiting: list[str | None] = [self.top]
        for parent in waiting:  # grows while it is walked
            wanted = self.children.get(parent)
            if wanted:
                yield parent, wanted
                waiting.extend(node.id for node in wanted)


def aim_at(state: State, seq: int, top: str | None = None, parent: Any = UNSET) -> Aim:
    """What a state asks for. Raises Refused (`node_missing`) where the top was not in it."""
    nodes = {node.id: node for node in state.nodes}
    children: dict[str | None, list[Node]] = {}
    for node in state.nodes:
        children.setdefault(node.parent, []).append(node)
    details = Details(
        name=state.name,
        description=state.description,
        discovery_phase=state.discovery_phase,
        is_template=state.is_template,
        canvas_state=state.canvas_state,
    )
    connections = {one.id: one for one in state.connections}
    aim = Aim(seq, nodes, children, connections, details)
    return aim if top is None else _below(aim, top, parent)


def _below(aim: Aim, top: str, parent: Any) -> Aim:
    if top not in aim.nodes:
        raise Refused("node_missing", f"there was no node {top} at that point")
    aim.top, aim.parent, aim.details = top, parent, None
    below = [top]
    for node in below:  # grows while it is walked
        below.extend(child.id for child in aim.children.get(node, ()))
    everything, everywhere = aim.nodes, aim.connections
    aim.nodes = {node: everything[node] for node in below}
    aim.connections = {one.id: one for one in everywhere.values() if one.source in aim.nodes or one.target in aim.nodes}
    aim.elsewhere = frozenset(everything) - frozenset(aim.nodes)
    aim.connected_elsewhere = frozenset(everywhere) - frozenset(aim.connections)
    return aim


def restore(plan: Planning, aim: Aim, *, anew: bool = True) -> Iterator[None]:
    """Plan the ops that bring the tree to the aim; it gives way after every few of them. `anew`: what was purged is
    made anew. Raises Refused where there is no way, and nothing is half planned."""
    return _Restoring(plan, aim, anew).all()


class _Restoring:
    def __init__(self, plan: Planning, aim: Aim, anew: bool) -> None:
        self._plan = plan
        self._tree: Tree = plan.tree
        self._aim = aim
        self._anew = anew
        self._changed = {node for node in aim.nodes if self._has_changed(node)}

    def _has_changed(self, node: str) -> bool:
        held = self._tree.nodes.get(node)
        return held is None or held.deleted is not None or held.node.seq > self._aim.seq

    def all(self) -> Iterator[None]:
        self._place_top()
        yield from self._throw_away(self._strangers(untouched=True))  # first: a tree may hold so many nodes and no more
        for parent, wanted in self._aim.families():
            if any(node.id in self._changed for node in wanted):
                yield from self._gather(parent, wanted)
        for node_id, node in self._aim.nodes.items():
            if node_id in self._changed and self._tree.node(node_id) is not None:
                self._write(node)
                yield
        yield from self._throw_away(self._strangers(untouched=False))
        yield from self._connect()
        if self._aim.details is not None:
            self._configure(self._aim.details)

    # ---- where nodes stand

    def _place_top(self) -> None:
        """A subtree's top stays where it is, unless it is in the trash, or was purged."""
        top = self._aim.top
        if top is None or self._tree.node(top) is not None:
            return
        node, held = self._aim.nodes[top], self._tree.nodes.get(top)
        parent = node.parent if self._aim.parent is UNSET else self._aim.parent
        if parent is not None and self._tree.node(parent) is None:
            raise Refused("parent_missing", f"{parent}, where {top} stood, is gone; name another `parent`")
        if held is None and not self._anew:
            raise Refused("node_missing", f"{top} was purged; an owner may bring it back")
        if held is None:
            self._insert(node, parent, UNSET)
        elif held.node.parent == parent:
            self._take_out(top)
        else:
            self._move(node, parent, UNSET)

    def _gather(self, parent: str | None, family: list[Node]) -> Iterator[None]:
        """Put a family together, in its order; who stands right already stays."""
        if parent is not None and self._tree.node(parent) is None:
            for node in family:
                self._stays_away(node.id, "what it stood under was purged since")
            return
        wanted = sorted(family, key=lambda node: (node.order, node.id))
        staying = [node.id for node in wanted if self._is_under(node.id, parent)]
        keys = [(self._tree.nodes[child].node.order, child) for child in staying]
        still = {staying[place] for place in rising(keys)}
        for child in staying:  # before any is moved: a place counts among the live
            if self._tree.node(child) is None:
                self._take_out(child)
                yield
        before: str | None = None
        for node in wanted:
            if self._put(node, parent, before, stays=node.id in still):
                before = node.id
            yield

    def _put(self, node: Node, parent: str | None, before: str | None, *, stays: bool) -> bool:
        """Put a node behind a sibling; False: it cannot stand there."""
        held = self._tree.nodes.get(node.id)
        if held is None and not self._anew:
            self._stays_away(node.id, "")
            return False
        if held is None:
            self._insert(node, parent, before)
        elif held.node.parent != parent and self._tree.lies_below(parent, node.id):
            self._stays_away(node.id, "what it stood under stands below it now")
            return False
        elif held.node.parent != parent:
            self._move(node, parent, before)
        elif not stays:
            self._reorder(node, before)
        return True

    def _stays_away(self, node: str, why: str) -> None:
        if node not in self._tree.nodes:
            self._plan.meets(node=node, path="node", kept=True, why="it was purged since")
        else:
            self._plan.meets(node=node, path="placement", kept=True, why=why)

    def _is_under(self, child: str, parent: str | None) -> bool:
        held = self._tree.nodes.get(child)
        return held is not None and held.node.parent == parent

    def _insert(self, node: Node, parent: str | None, after: Any) -> None:
        fields = {field: getattr(node, field) for field in (*_NODE_FIELDS, *_NODE_MAPS, "position")}
        self._plan.ask(ops.Insert, node=node.id, parent=parent, after=after, **fields)

    def _take_out(self, node: str) -> None:
        held = self._tree.nodes[node]
        self._plan.meets(node=node, path="node", seq=held.deleted or 0, why="it was deleted since")
        self._plan.ask(ops.Restore, node=node)

    def _move(self, node: Node, parent: str | None, after: Any) -> None:
        held = self._tree.nodes[node.id]
        if held.deleted is not None:
            self._plan.meets(node=node.id, path="node", seq=held.deleted, why="it was deleted since")
        self._meets_marks(held.marks, {"placement": (PARENT, ORDER)}, node=node.id)
        self._plan.ask(ops.Move, node=node.id, parent=parent, after=after, position=node.position)

    def _reorder(self, node: Node, after: str | None) -> None:
        self._meets_marks(self._tree.nodes[node.id].marks, {"placement": (ORDER,)}, node=node.id)
        self._plan.ask(ops.Move, node=node.id, after=after)

    # ---- what nodes say

    def _write(self, aimed: Node) -> None:
        held = self._tree.nodes[aimed.id]
        now = held.node
        changed = {
            field: getattr(aimed, field) for field in _NODE_FIELDS if getattr(aimed, field) != getattr(now, field)
        }
        gone: list[str] = []
        for field in _NODE_MAPS:
            more, less = _map_changes(field, getattr(now, field), getattr(aimed, field))
            changed |= more
            gone += less
        if changed or gone:
            self._meets_marks(held.marks, {path: (path,) for path in (*changed, *gone)}, node=aimed.id)
            self._plan.ask(ops.Update, node=aimed.id, set=changed or UNSET, unset=gone or UNSET)
        if aimed.position != now.position:
            self._plan.ask(ops.Move, node=aimed.id, position=aimed.position)

    def _configure(self, aimed: Details) -> None:
        held = self._tree.details
        now = held.details
        changed = {
            field: getattr(aimed, field) for field in _TREE_FIELDS if getattr(aimed, field) != getattr(now, field)
        }
        more, gone = _map_changes("canvas_state", now.canvas_state, aimed.canvas_state)
        changed |= more
        if changed or gone:
            self._meets_marks(held.marks, {path: (path,) for path in (*changed, *gone)})
            self._plan.ask(ops.Configure, set=changed or UNSET, unset=gone or UNSET)

    # ---- what has come since

    def _strangers(self, *, untouched: bool) -> list[str]:
        """The highest live nodes that shall not be there. `untouched`: only those below which nothing is to stay."""
        aim, tree = self._aim, self._tree
        below = (node for node, _ in tree.subtree(aim.top)) if aim.top is not None else iter(tree.nodes)
        foreign = dict.fromkeys(node for node in below if node not in aim.nodes and tree.node(node) is not None)
        staying = [node for node in foreign if node in aim.elsewhere]
        if not untouched:
            for node in staying:
                self._plan.meets(node=node, path="placement", kept=True, why="it was moved here since, and stays")
        staying += [child for node in foreign for child in tree.children(node) if child not in foreign]
        kept = self._lines(staying)
        going = {node for node in foreign if node not in kept}
        return [node for node in foreign if node in going and tree.nodes[node].node.parent not in going]

    def _lines(self, nodes: Iterable[str]) -> set[str]:
        """These nodes, and all that stand above them."""
        found: set[str] = set()
        for node in nodes:
            for above in self._tree.ancestors(node):
                if above in found:
                    break
                found.add(above)
        return found

    def _throw_away(self, nodes: list[str]) -> Iterator[None]:
        for node in nodes:
            for below, _ in self._tree.subtree(node):
                held = self._tree.nodes[below]
                if held.deleted is None:
                    self._meets_newest(held.marks, node=below)
            self._plan.ask(ops.Delete, node=node)
            yield

    # ---- connections

    def _connect(self) -> Iterator[None]:
        aim, tree = self._aim, self._tree
        for one in [held for held in tree.connections.values() if held.deleted is None]:
            made = one.connection
            if made.id in aim.connections or made.id in aim.connected_elsewhere or not self._concerns(made):
                continue
            self._disconnect(made.id)
            yield
        for wanted in aim.connections.values():
            held = tree.connections.get(wanted.id)
            now = held.connection if held is not None and held.deleted is None else None
            if now != wanted:
                self._connect_one(wanted, held, now)
                yield

    def _connect_one(self, wanted: Connection, held: HeldConnection | None, now: Connection | None) -> None:
        """`held` is what the tree has of that id, `now` what lives there."""
        if self._tree.node(wanted.source) is None or self._tree.node(wanted.target) is None:
            self._plan.meets(connection=wanted.id, path="node", kept=True, why="one of its ends is gone")
        elif now is not None and held is not None and structs.replace(now, label=wanted.label) == wanted:
            self._meets_marks(held.marks, {"label": ("label",)}, connection=wanted.id)
            self._plan.ask(ops.Update, connection=wanted.id, set={"label": wanted.label})
        else:
            if now is not None:
                self._disconnect(now.id)
            elif held is not None:  # one of that id may lie in the trash with a node: then the id is not free
                self._plan.ask(ops.Disconnect, connection=wanted.id)
            fields = {"source": wanted.source, "target": wanted.target, "label": wanted.label}
            self._plan.ask(ops.Connect, connection=wanted.id, **fields)

    def _concerns(self, made: Connection) -> bool:
        return self._aim.top is None or made.source in self._aim.nodes or made.target in self._aim.nodes

    def _disconnect(self, connection: str) -> None:
        self._meets_newest(self._tree.connections[connection].marks, connection=connection)
        self._plan.ask(ops.Disconnect, connection=connection)

    # ---- whose changes that takes back

    def _meets_newest(self, marks: Marks, **what: str) -> None:
        """Note the newest change by somebody else of a thing that goes, its making too."""
        changes = [(*one, path) for path, mark in marks.items() for one in _by_others(mark, self._plan.user)]
        seq, by, path = max(changes, default=(0, "", ""))
        if self._aim.seq < seq <= self._plan.seq:
            why = "it was made since" if path == CREATED else "it was changed since"
            self._plan.meets(path="node", by=by, seq=seq, why=why, **what)

    def _meets_marks(self, marks: Marks, paths: dict[str, tuple[str, ...]], **what: str) -> None:
        """Note the newest change by somebody else since the point, per path; one whose mark is the making has none."""
        for path, names in paths.items():
            changes = [one for name in names for one in _by_others(mark_of(marks, name), self._plan.user)]
            seq, by = max(changes, default=(0, ""))
            if self._aim.seq < seq <= self._plan.seq:
                self._plan.meets(path=path, by=by, seq=seq, **what)


def _by_others(mark: Mark, user: str) -> list[tuple[int, str]]:
    both = ((mark.seq, mark.user), (mark.other_seq, mark.other_user))
    return [(seq, by) for seq, by in both if by != user]


def _map_changes(field: str, now: dict[str, Any], aimed: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    changed = {f"{field}.{key}": value for key, value in aimed.items() if not same(now.get(key, ABSENT), value)}
    return changed, [f"{field}.{key}" for key in now if key not in aimed]


def same_content(one: Tree, other: Tree) -> bool:
    """Whether two trees hold the same to a reader: content, placement in order, connections, the tree's own fields.
    Order keys, seqs and marks may differ."""
    return bool(_shown(one) == _shown(other))


def _shown(tree: Tree) -> Any:
    nodes = {
        node: structs.replace(held.node, order="", seq=0) for node, held in tree.nodes.items() if held.deleted is None
    }
    families = {parent: tree.children(parent) for parent in (None, *nodes)}
    connections = {held.connection.id: held.connection for held in tree.connections.values() if held.deleted is None}
    return nodes, families, connections, tree.details.details
