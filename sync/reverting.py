"""Taking back some ops of a tree's log: the ops that make the tree as if they had never been made (see `unmaking`).

What others did meanwhile stays: a value they have set since, what they typed into a text, what they made below a node,
and so the node itself. All that is told as collisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import UNSET

from sync import ops
from sync.marks import CREATED
from sync.planning import Planning
from sync.tree import Held, HeldConnection, Tree
from sync.unmade_text import Field
from sync.unmade_trash import about
from sync.unmaking import Life, UnmadeConnection, Unmaking
from sync.values import ABSENT, read


class Behind(Exception):
    """What was touched has changed again since the log was read."""


def revert(plan: Planning, unmaking: Unmaking) -> Iterator[None]:
    """Plan the ops; it gives way after every few of them. Raises Behind, and Refused where a limit stands in the way;
    nothing is half planned."""
    _check_level(plan.tree, unmaking)
    yield
    yield from _Reverting(plan, unmaking).all()


def _check_level(tree: Tree, unmaking: Unmaking) -> None:
    through = unmaking.through
    touched = [(node, one.life) for node, one in unmaking.nodes.items() if node in tree.nodes]
    below = _children_first(tree, (node for node, life in touched if life is not None))
    if any(_newest(tree.nodes[node]) > through for node in (*below, *(node for node, _ in touched))):
        raise Behind
    for connection_id in unmaking.connections:
        connection = tree.connections.get(connection_id)
        if connection is not None and _newest(connection) > through:
            raise Behind
    if unmaking.details and max(mark.seq for mark in tree.details.marks.values()) > through:
        raise Behind


def _children_first(tree: Tree, nodes: Iterable[str]) -> list[str]:
    """These nodes and all below them, each once and behind all that lies below it: linear, however deep they lie."""
    seen: set[str] = set()
    found: list[str] = []
    for node in nodes:
        walked: list[str] = []
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                walked.append(current)
                waiting.extend(child for _, child in tree.siblings(current))
        found.extend(reversed(walked))
    return found


def _newest(held: Held | HeldConnection) -> int:
    seq = held.node.seq if isinstance(held, Held) else max(mark.seq for mark in held.marks.values())
    return max(seq, held.deleted or 0)


class _Reverting:
    def __init__(self, plan: Planning, unmaking: Unmaking) -> None:
        self._plan = plan
        self._tree: Tree = plan.tree
        self._unmaking = unmaking
        self._touched = [  # what was made and goes again needs nothing else
            (node, one)
            for node, one in unmaking.nodes.items()
            if one.life is None or one.life.lives or not one.life.made
        ]

    def all(self) -> Iterator[None]:
        yield from self._bring_back()
        yield from self._place()
        for node, one in self._touched:
            held = self._tree.nodes.get(node)
            if held is not None and one.fields:
                self._write(one.fields, held.node, node=node)
                yield
        yield from self._throw_away()
        for connection_id, connection in self._unmaking.connections.items():
            self._connect(connection_id, connection)
            yield
        self._tell_turns()
        for row in self._unmaking.missed:
            node, joined = about(row.effect)
            why = "it lay in the trash then, and does"
            self._plan.meets(node=node, connection=joined, path="node", seq=row.seq, kept=True, why=why)
        if self._unmaking.details:
            self._write(self._unmaking.details, self._tree.details.details)

    # ---- what would be there, and is not

    def _bring_back(self) -> Iterator[None]:
        tree = self._tree
        wanted = [node for node, one in self._unmaking.nodes.items() if one.life is not None and one.life.lives]
        for node in wanted:
            if node not in tree.nodes:
                self._plan.meets(node=node, path="node", kept=True, why="it is gone for good")
        back = dict.fromkeys(node for node in wanted if node in tree.nodes)
        for node in reversed(_children_first(tree, back)):
            held = tree.nodes[node]
            if node not in back or held.deleted is None:
                continue
            if held.node.parent is not None and tree.node(held.node.parent) is None:
                self._plan.meets(node=node, path="node", kept=True, why="what it stood under is gone")
            else:
                self._plan.ask(ops.Restore, node=node)
            yield

    # ---- where nodes stand

    def _place(self) -> Iterator[None]:
        families: dict[str | None, list[tuple[str, str]]] = {}
        for node, one in self._touched:
            if one.placement is None or self._tree.node(node) is None:
                continue
            self._tell(one.placement, "placement", node=node)
            parent, order = one.placement.value
            if self._may_stand(node, parent):
                families.setdefault(parent, []).append((order, node))
        for parent in sorted(families, key=self._depth):  # so that all above a place stands where it shall stand
            for node, before in self._in_order(parent, families[parent]):
                self._move(node, parent, before)
                yield
        for node, one in self._touched:
            now = self._tree.nodes.get(node)
            if one.position is not None and now is not None and now.node.position != one.position.value:
                self._plan.ask(ops.Move, node=node, position=one.position.value)
                yield

    def _depth(self, node: str | None) -> int:
        """How deep a node will lie. Where others have made it a circle, any answer does: a move will be refused."""
        above: dict[str, None] = {}
        while node is not None and node not in above and node in self._tree.nodes:
            above[node] = None
            one = self._unmaking.nodes.get(node)
            if one is not None and one.placement is not None and self._tree.node(node) is not None:
                node = one.placement.value[0]
            else:
                node = self._tree.nodes[node].node.parent
        return len(above)

    def _may_stand(self, node: str, parent: str | None) -> bool:
        if parent is None or self._tree.node(parent) is not None:
            return True
        self._plan.meets(node=node, path="placement", kept=True, why="where it stood is gone")
        return False

    def _in_order(self, parent: str | None, coming: list[tuple[str, str]]) -> Iterator[tuple[str, str | None]]:
        """(node, the sibling it comes to stand behind), for the nodes that are to be placed, in order."""
        placed = {node for _, node in coming}
        staying = [(order, node) for order, node in self._tree.siblings(parent) if node not in placed]
        before: str | None = None
        for _, node in sorted([*(one for one in staying if self._tree.node(one[1]) is not None), *coming]):
            if node in placed:
                yield node, before
            before = node

    def _move(self, node: str, parent: str | None, before: str | None) -> None:
        now = self._tree.nodes[node].node
        if now.parent == parent:
            self._plan.ask(ops.Move, node=node, after=before)
        elif self._tree.lies_below(parent, node):
            self._plan.meets(node=node, path="placement", kept=True, why="what it stood under stands below it now")
        else:
            self._plan.ask(ops.Move, node=node, parent=parent, after=before, position=now.position)

    # ---- what things say

    def _write(self, fields: dict[str, Field], thing: Any, **what: str) -> None:
        changed: dict[str, Any] = {}
        gone: list[str] = []
        for path, field in fields.items():
            self._tell(field, path, **what)
            if field.value is ABSENT:
                gone.append(path)
            elif path in ("title", "name") and not field.value:
                self._plan.meets(path=path, kept=True, why="nothing would be left of it", **what)
            elif read(thing, path) != field.value or type(read(thing, path)) is not type(field.value):
                changed[path] = field.value
        if changed or gone:
            kind: type[ops.Op] = ops.Update if what else ops.Configure
            self._plan.ask(kind, set=changed or UNSET, unset=gone or UNSET, **what)

    def _tell(self, field: Field, path: str, **what: str) -> None:
        if field.by:
            self._plan.meets(path=path, by=field.by, seq=field.seq, kept=True, why="it was changed since", **what)

    # ---- what is there, and would not be

    def _throw_away(self) -> Iterator[None]:
        tree, nodes = self._tree, self._unmaking.nodes
        lives = {node: one.life for node, one in nodes.items() if one.life is not None and tree.node(node) is not None}
        unwanted = {node: life for node, life in lives.items() if not life.lives}
        kept = self._kept(unwanted)
        going = unwanted.keys() - kept
        for node in unwanted:
            if node in going and tree.nodes[node].node.parent not in going:
                self._plan.ask(ops.Delete, node=node)
                yield

    def _kept(self, unwanted: dict[str, Life]) -> set[str]:
        """What others need: they have changed it or joined it to something, or something of theirs is below it."""
        tree = self._tree
        needed: dict[str, tuple[str, int]] = {}  # by whom, since which seq
        for node in _children_first(tree, unwanted):
            held, life = tree.nodes[node], unwanted.get(node)
            if life is None:
                needed[node] = (held.marks[CREATED].user, held.marks[CREATED].seq)
            elif life.by:
                needed[node] = (life.by, life.seq)
            elif (joined := self._joined_by_others(node)) is not None:
                needed[node] = joined
            if node in needed and held.node.parent is not None and held.deleted is None:
                needed.setdefault(held.node.parent, needed[node])
        kept = {node: needed[node] for node in unwanted if node in needed}
        for node, (by, seq) in kept.items():
            self._plan.meets(node=node, path="node", by=by, seq=seq, kept=True, why="others have built on it")
        return set(kept)

    def _joined_by_others(self, node: str) -> tuple[str, int] | None:
        """Who made a connection that begins or ends there and stays, and when."""
        for connection_id in sorted(self._tree.touching(node)):
            held, one = self._tree.connections[connection_id], self._unmaking.connections.get(connection_id)
            if held.deleted is not None or (one is not None and _goes(one, held)):
                continue
            if one is not None and one.life is not None and one.life.by:
                return one.life.by, one.life.seq
            return held.marks[CREATED].user, held.marks[CREATED].seq
        return None

    def _tell_turns(self) -> None:
        """Nodes that others have deleted or brought back since; of those that went or came together the highest."""
        turned = {
            node: one.life for node, one in self._unmaking.nodes.items() if one.life is not None and one.life.turned
        }
        for node, life in turned.items():
            held = self._tree.nodes.get(node)
            if held is None or (held.deleted is None) != life.lives or held.node.parent in turned:
                continue
            why = "it was brought back since" if life.lives else "it was deleted since"
            self._plan.meets(node=node, path="node", by=life.by, seq=life.seq, kept=True, why=why)

    # ---- connections

    def _connect(self, connection_id: str, one: UnmadeConnection) -> None:
        held = self._tree.connections.get(connection_id)
        life, lives = one.life, held is not None and held.deleted is None
        if life is not None and life.lives and not (lives and _joins_alike(one, held)):
            self._connect_again(connection_id, one, held)
        elif life is not None and not life.lives and lives and not life.by:
            self._plan.ask(ops.Disconnect, connection=connection_id)
        elif life is not None and not life.lives and lives:
            what = {"connection": connection_id, "path": "node", "by": life.by, "seq": life.seq}
            self._plan.meets(kept=True, why="it was changed since", **what)
            if life.made:  # then it stays as it is
                return
        held = self._tree.connections.get(connection_id)
        if one.label is not None and held is not None and held.deleted is None:
            self._tell(one.label, "label", connection=connection_id)
            if held.connection.label != one.label.value:
                self._plan.ask(ops.Update, connection=connection_id, set={"label": one.label.value})

    def _connect_again(self, connection_id: str, one: UnmadeConnection, held: HeldConnection | None) -> None:
        wanted = one.connection
        assert wanted is not None, "what was there had ends"
        if any(self._tree.node(end) is None for end in (wanted.source, wanted.target)):
            self._plan.meets(connection=connection_id, path="node", kept=True, why="one of its ends is gone")
            return
        if held is not None:
            self._plan.ask(ops.Disconnect, connection=connection_id)
        fields = {"source": wanted.source, "target": wanted.target, "label": wanted.label}
        self._plan.ask(ops.Connect, connection=connection_id, **fields)


def _goes(one: UnmadeConnection, held: HeldConnection) -> bool:
    """Whether a connection that is there goes, or joins other things."""
    if one.life is None:
        return False
    return not _joins_alike(one, held) if one.life.lives else not one.life.by


def _joins_alike(one: UnmadeConnection, held: HeldConnection | None) -> bool:
    """Whether a connection joins what it would join."""
    wanted, now = one.connection, held.connection if held is not None else None
    return wanted is not None and now is not None and (wanted.source, wanted.target) == (now.source, now.target)
