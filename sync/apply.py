"""Applying an effective op to a tree: the one code that rooms, the log's readers, undo and every replica share.

Nothing is judged here. An op whose node, parent or endpoint the tree does not hold is passed over (SEMANTICS 20), so
that a replica that never saw the trash stays right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, structs

from sync import effects
from sync.effects import Effect
from sync.marks import CREATED, ORDER, PARENT, Mark, Marks, mark_of
from sync.nodes import Connection, Details, Node
from sync.text import applied, inverted
from sync.tree import Before, Held, HeldConnection, HeldDetails, Tree
from sync.values import ABSENT, read, written

RESPACE = "respace:"  # the client of moves that only lengthen the room between keys (SEMANTICS 21)


class Stamp(msgspec.Struct, frozen=True):
    """The seq an op gets and who made it: what it leaves on every field it touches."""

    seq: int
    user: str
    client: str

    def marked(self, marks: Marks, *paths: str) -> Marks:
        """The marks after a change of these paths."""
        after = marks.copy()
        for path in paths:
            after[path] = mark_of(marks, path).next(self.seq, self.user, self.client)
        return after

    def merged(self) -> Stamp:
        """The stamp of a change that holds others' too: no client's, so that it counts as another's for all, its author
        among them, until their base has reached it (SEMANTICS 13)."""
        return Stamp(self.seq, self.user, "")

    def created(self) -> Marks:
        return {CREATED: Mark(self.seq, self.user, self.client)}


def apply(tree: Tree, effect: Effect, stamp: Stamp) -> Before:
    """Apply one op; answers what `Tree.undo` needs to take it back."""
    before = Before()
    _APPLIERS[type(effect)](tree, effect, stamp, before)
    return before


def _put(tree: Tree, before: Before, held: Held) -> None:
    node_id = held.node.id
    before.nodes.append((node_id, tree.put_node(node_id, held)))


def _put_connection(tree: Tree, before: Before, held: HeldConnection) -> None:
    connection_id = held.connection.id
    before.connections.append((connection_id, tree.put_connection(connection_id, held)))


def _insert(tree: Tree, effect: effects.Insert, stamp: Stamp, before: Before) -> None:
    node = Node(
        id=effect.node,
        parent=effect.parent,
        order=effect.order,
        type=effect.type,
        title=effect.title,
        description=effect.description,
        position=effect.position,
        is_collapsed=effect.is_collapsed,
        template_data=effect.template_data,
        metadata=effect.metadata,
        seq=stamp.seq,
    )
    _add(tree, node, stamp.created(), before)


def _add(tree: Tree, node: Node, marks: Marks, before: Before) -> None:
    deleted = None
    if node.parent is not None:
        parent = tree.nodes.get(node.parent)
        if parent is None:
            return
        deleted = parent.deleted
    _put(tree, before, Held(node, marks, deleted))


def _update(tree: Tree, effect: effects.Update, stamp: Stamp, before: Before) -> None:
    changed, unset = effect.set or {}, effect.unset or ()
    if isinstance(effect.connection, str):
        held_connection = tree.connections.get(effect.connection)
        if held_connection is not None:
            connection = structs.replace(held_connection.connection, label=changed["label"])
            marks = stamp.marked(held_connection.marks, "label")
            _put_connection(tree, before, HeldConnection(connection, marks, held_connection.deleted))
        return
    held = tree.nodes.get(effect.node) if isinstance(effect.node, str) else None
    if held is not None:
        by = stamp.merged() if effect.merged is True else stamp
        node = structs.replace(held.node, seq=stamp.seq, **written(held.node, changed, unset))
        _put(tree, before, Held(node, by.marked(held.marks, *changed, *unset), held.deleted))


def _text(tree: Tree, effect: effects.Text, stamp: Stamp, before: Before) -> None:
    held = tree.nodes.get(effect.node)
    if held is not None:
        by = stamp.merged() if effect.merged is True else stamp
        changed = {effect.path: applied(_text_of(held.node, effect.path), effect.delta)}
        node = structs.replace(held.node, seq=stamp.seq, **written(held.node, changed, ()))
        _put(tree, before, Held(node, by.marked(held.marks, effect.path), held.deleted))


def _text_of(node: Node, path: str) -> str:
    """What is absent or null is the empty text (SEMANTICS 15)."""
    value = read(node, path)
    return value if isinstance(value, str) else ""


def _move(tree: Tree, effect: effects.Move, stamp: Stamp, before: Before) -> None:
    held = tree.nodes.get(effect.node)
    if held is None or (effect.parent is not None and effect.parent not in tree.nodes):
        return
    old = held.node
    node = structs.replace(
        old,
        parent=effect.parent,
        order=effect.order,
        position=old.position if effect.position is UNSET else effect.position,
        seq=stamp.seq,
    )
    marks = held.marks
    if not stamp.client.startswith(RESPACE):
        if node.parent != old.parent:
            marks = stamp.marked(marks, PARENT, ORDER)
        elif node.order != old.order:
            marks = stamp.marked(marks, ORDER)
    _put(tree, before, Held(node, marks, held.deleted))


def _delete(tree: Tree, effect: effects.Delete, stamp: Stamp, before: Before) -> None:
    if tree.node(effect.node) is None:
        return
    for node_id, _ in list(tree.subtree(effect.node)):
        held = tree.nodes[node_id]
        if held.deleted is not None:
            continue
        node = structs.replace(held.node, seq=stamp.seq) if node_id == effect.node else held.node
        _put(tree, before, Held(node, held.marks, stamp.seq))
        for connection_id in sorted(tree.touching(node_id)):
            connection = tree.connections[connection_id]
            if connection.deleted is None:
                _put_connection(tree, before, HeldConnection(connection.connection, connection.marks, stamp.seq))


def _purge(tree: Tree, effect: effects.Purge, stamp: Stamp, before: Before) -> None:
    held = tree.nodes.get(effect.node)
    if held is None or held.deleted is None:
        return
    for node_id, _ in list(tree.subtree(effect.node)):  # all of it is in the trash, or P5 would not hold
        for connection_id in sorted(tree.touching(node_id)):
            before.connections.append((connection_id, tree.put_connection(connection_id, None)))
        before.nodes.append((node_id, tree.put_node(node_id, None)))


def _restore(tree: Tree, effect: effects.Restore, stamp: Stamp, before: Before) -> None:
    taken_by = _deletion_of(tree, effect.node)
    for node in effect.nodes:
        if node.parent is not None and node.parent not in tree.nodes:
            continue
        held = tree.nodes.get(node.id)
        marks = stamp.created() if held is None else held.marks
        if held is not None and held.node.parent != node.parent:
            marks = stamp.marked(marks, PARENT, ORDER)
        _put(tree, before, Held(structs.replace(node, seq=stamp.seq), marks))
    _restore_connections(tree, effect, stamp, before, taken_by)


def _restore_connections(
    tree: Tree, effect: effects.Restore, stamp: Stamp, before: Before, taken_by: int | None
) -> None:
    for connection in effect.connections:
        if connection.source in tree.nodes and connection.target in tree.nodes:
            held = tree.connections.get(connection.id)
            _put_connection(tree, before, HeldConnection(connection, stamp.created() if held is None else held.marks))
    # A connection taken by this deletion whose other end went with another one now waits for that one.
    for node in effect.nodes:
        for connection_id in sorted(tree.touching(node.id)):
            held = tree.connections[connection_id]
            if held.deleted is None or held.deleted != taken_by:
                continue
            ends = (tree.nodes[held.connection.source].deleted, tree.nodes[held.connection.target].deleted)
            waiting = next((end for end in ends if end is not None), None)
            if waiting is not None:
                _put_connection(tree, before, HeldConnection(held.connection, held.marks, waiting))


def _deletion_of(tree: Tree, node_id: str) -> int | None:
    held = tree.nodes.get(node_id)
    return None if held is None else held.deleted


def _connect(tree: Tree, effect: effects.Connect, stamp: Stamp, before: Before) -> None:
    connection = Connection(id=effect.connection, source=effect.source, target=effect.target, label=effect.label)
    _add_connection(tree, connection, stamp, before)


def _add_connection(tree: Tree, connection: Connection, stamp: Stamp, before: Before) -> None:
    source, target = tree.nodes.get(connection.source), tree.nodes.get(connection.target)
    if source is None or target is None:
        return
    deleted = source.deleted if source.deleted is not None else target.deleted
    _put_connection(tree, before, HeldConnection(connection, stamp.created(), deleted))


def _disconnect(tree: Tree, effect: effects.Disconnect, stamp: Stamp, before: Before) -> None:
    held = tree.connections.get(effect.connection)
    if held is not None:
        # its own seq: no deletion of a node carries that one, so no restore of a node brings it back
        _put_connection(tree, before, HeldConnection(held.connection, held.marks, stamp.seq))


def _configure(tree: Tree, effect: effects.Configure, stamp: Stamp, before: Before) -> None:
    changed, unset = effect.set or {}, effect.unset or ()
    held = tree.details
    before.details.append(held)
    details = structs.replace(held.details, **written(held.details, changed, unset))
    tree.details = HeldDetails(details, stamp.marked(held.marks, *changed, *unset))


def _import(tree: Tree, effect: effects.Import, stamp: Stamp, before: Before) -> None:
    marks = stamp.created()  # one for all of them: marks are copied where they change
    for node in effect.nodes:
        _add(tree, structs.replace(node, seq=stamp.seq), marks, before)
    for connection in effect.connections:
        _add_connection(tree, connection, stamp, before)


_APPLIERS: dict[type[Effect], Callable[[Tree, Any, Stamp, Before], None]] = {
    effects.Insert: _insert,
    effects.Update: _update,
    effects.Text: _text,
    effects.Move: _move,
    effects.Delete: _delete,
    effects.Restore: _restore,
    effects.Purge: _purge,
    effects.Connect: _connect,
    effects.Disconnect: _disconnect,
    effects.Configure: _configure,
    effects.Import: _import,
}


# ---- inverses ---------------------------------------------------------------------------------------------------


def inverse(effect: Effect, before: Before) -> dict[str, Any]:
    """What the log keeps beside an op so that the values before it can be read (see `ports.LoggedOp`)."""
    invert = _INVERTERS.get(type(effect))
    return {} if invert is None else invert(effect, before)


def _values_before(effect: effects.Update | effects.Configure, before: Before) -> dict[str, Any]:
    thing: Node | Details
    if before.nodes:
        held = before.nodes[0][1]
        assert held is not None, "a node that is updated was there"
        thing = held.node
    elif before.details:
        thing = before.details[0].details
    else:
        return _label_before(before)
    values: dict[str, Any] = {}
    absent: list[str] = []
    for path in (*(effect.set or ()), *(effect.unset or ())):
        value = read(thing, path)
        if value is ABSENT:
            absent.append(path)
        else:
            values[path] = value
    return {"set": values, "unset": absent}


def _delta_back(effect: effects.Text, before: Before) -> dict[str, Any]:
    held = before.nodes[0][1]
    assert held is not None, "a node whose text is changed was there"
    return {"delta": inverted(_text_of(held.node, effect.path), effect.delta)}


def _label_before(before: Before) -> dict[str, Any]:
    (_, held), *_ = before.connections
    assert held is not None, "a connection that is renamed was there"
    return {"set": {"label": held.connection.label}}


def _place_before(effect: effects.Move, before: Before) -> dict[str, Any]:
    held = before.nodes[0][1]
    assert held is not None, "a node that is moved was there"
    place = held.node
    return {"parent": place.parent, "order": place.order, "position": structs.asdict(place.position)}


def _trash_before(effect: Effect, before: Before) -> dict[str, Any]:
    return {
        "nodes": {node_id: held.deleted for node_id, held in before.nodes if held is not None},
        "connections": {one: held.deleted for one, held in before.connections if held is not None},
    }


_INVERTERS: dict[type[Effect], Callable[[Any, Before], dict[str, Any]]] = {
    effects.Update: _values_before,
    effects.Text: _delta_back,
    effects.Configure: _values_before,
    effects.Move: _place_before,
    effects.Delete: _trash_before,
    effects.Restore: _trash_before,
    effects.Purge: _trash_before,
    effects.Disconnect: _trash_before,
}
