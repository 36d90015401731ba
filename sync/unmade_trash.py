"""What lay in the trash where a reading of the log began, as it was then.

A version holds no trash (`history`), so that what is done to a node in the trash finds no node. Taken out of the trash,
the node comes in full: going back from there over what was done to it, by the inverses that the log keeps, gives what
it was, and then each of those ops can be made upon it in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
from msgspec import structs

from sync import effects
from sync.marks import CREATED, Mark
from sync.nodes import Connection, Node, Point
from sync.ports import LoggedOp
from sync.text import applied
from sync.tree import Before, Held, HeldConnection, Tree
from sync.unmade_text import text_of
from sync.values import read, written

_ON_A_NODE = effects.Insert | effects.Update | effects.Text | effects.Move
_ON_A_CONNECTION = effects.Connect | effects.Update | effects.Disconnect
_UNKNOWN = {CREATED: Mark(0, "", "")}  # who changed what is not asked of the past


class Missed:
    """Ops that found nothing of what they are about, oldest first."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[LoggedOp]] = {}  # (node, connection) -> what was done to it

    def __iter__(self) -> Iterator[LoggedOp]:
        return iter(sorted((row for rows in self._rows.values() for row in rows), key=lambda row: row.seq))

    def takes(self, row: LoggedOp, before: Before) -> bool:
        """Whether an op that has been applied is one of them."""
        thing = about(row.effect)
        if before.nodes or before.connections or before.details or thing == ("", ""):
            return False
        self._rows.setdefault(thing, []).append(row)
        return True

    def parts(self, row: LoggedOp, before: Before, deletes: set[int]) -> bool:
        """Whether an op to be unmade parts what lies in the trash, by none of these `deletes`: where that is taken out
        again, it lacks what nobody knows to have been there."""
        if not isinstance(row.effect, effects.Disconnect) or not before.connections:
            return False
        held = before.connections[0][1]
        if held is None or held.deleted is None or held.deleted in deletes:
            return False
        self._rows.setdefault(about(row.effect), []).append(row)
        return True

    def taken_out(self, tree: Tree, row: LoggedOp) -> list[LoggedOp]:
        """Put into the trash what an op is about to take out of it and the tree lacks; answers those ops that were
        made upon it, which are missed no more."""
        effect = row.effect
        if not isinstance(effect, effects.Restore):
            return []
        nodes = {node.id: node for node in effect.nodes if node.id not in tree.nodes}
        connections = {one.id: one for one in effect.connections if one.id not in tree.connections}
        found: list[LoggedOp] = []
        for node in list(nodes):
            found += self._taken((node, ""), partial(_before, nodes, node))
        for one in list(connections):
            found += self._taken(("", one), partial(_connection_before, connections, one))
        deleted = row.inverse.get("nodes") or {}
        for node_id, then in nodes.items():
            tree.put_node(node_id, Held(then, _UNKNOWN, deleted.get(node_id) or 0))
        for connection_id, joined in connections.items():
            if joined.source in tree.nodes and joined.target in tree.nodes:
                tree.put_connection(connection_id, HeldConnection(joined, _UNKNOWN, deleted.get(effect.node) or 0))
        return sorted(found, key=lambda row: row.seq)

    def _taken(self, thing: tuple[str, str], undo: Callable[[LoggedOp], bool]) -> list[LoggedOp]:
        """The ops upon one thing that could be taken back, from the newest on; the others stay missed."""
        rows = self._rows.pop(thing, [])
        taken: list[LoggedOp] = []
        while rows and undo(rows[-1]):
            taken.append(rows.pop())
        if rows:
            self._rows[thing] = rows
        return taken


def about(effect: effects.Effect) -> tuple[str, str]:
    """(node, connection) that an op changes, one of them empty; both: it is no op that can be missed."""
    if isinstance(effect, _ON_A_NODE) and isinstance(effect.node, str):
        return effect.node, ""
    if isinstance(effect, _ON_A_CONNECTION) and isinstance(effect.connection, str):
        return "", effect.connection
    return "", ""


def _before(nodes: dict[str, Node], node_id: str, row: LoggedOp) -> bool:
    """Take an op back on a node, if it is here."""
    node, back, effect = nodes.get(node_id), row.inverse, row.effect
    if node is None:
        return False
    if isinstance(effect, effects.Insert):
        del nodes[node_id]
        return True
    values: dict[str, Any] = {}
    if isinstance(effect, effects.Update):
        values = written(node, back.get("set") or {}, back.get("unset") or ())
    elif isinstance(effect, effects.Text):
        text = applied(text_of(read(node, effect.path)), back["delta"])
        values = written(node, {effect.path: text}, ())
    elif isinstance(effect, effects.Move):
        place = msgspec.convert(back["position"], Point)
        values = {"parent": back["parent"], "order": back["order"], "position": place}
    nodes[node_id] = structs.replace(node, **values)
    return True


def _connection_before(connections: dict[str, Connection], connection_id: str, row: LoggedOp) -> bool:
    connection = connections.get(connection_id)
    if connection is None:
        return False
    if isinstance(row.effect, effects.Connect):
        del connections[connection_id]
    elif isinstance(row.effect, effects.Update):
        connections[connection_id] = structs.replace(connection, label=row.inverse["set"]["label"])
    return True
