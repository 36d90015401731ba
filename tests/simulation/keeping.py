"""What became of every value that an op took away: somebody had seen it and replaced it, or a record keeps it (P6).

Works on the log and on what clients asked, with nothing of the server's judging: who changed a path last, and whether
the author of the next change had seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sync.conflict_records import ConflictRecord
from sync.effects import Configure, Text, Update
from sync.ports import LoggedOp
from sync.tree import Tree
from sync.values import ABSENT, read

if TYPE_CHECKING:
    from tests.simulation.copies import Asked

Place = tuple[str, str, str]  # node, connection, path
VIEW_STATE = ("is_collapsed", "canvas_state.")


class Kept:
    """Follows the log; `lost` are the values that must stand in a record: (place, seq of the op that took it, value,
    whose it was)."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._last: dict[Place, LoggedOp] = {}
        self._before: dict[Place, Any] = {}
        self.lost: list[tuple[Place, int, Any, str]] = []

    def before(self, op: LoggedOp) -> None:
        self._before = {place: self._value(place) for place in _places(op)}

    def after(self, op: LoggedOp, asked: Asked | None) -> None:
        for place, value in self._before.items():
            last = self._last.get(place)
            if last is not None and asked is not None and _is_blind(op, asked, last):
                # texts are merged where they can be: their letters tell. What is absent is the empty text
                aside = op.mode != "replay" or asked.base == 0 or isinstance(value, str) or value in (None, ABSENT)
                assert aside, f"a replay over what its author had not seen: {asked}, over {value!r}"
                if op.mode != "replay":
                    self.lost.append((place, op.seq, value, last.author.user))
            self._last[place] = op

    def _value(self, place: Place) -> Any:
        node, connection, path = place
        if connection:
            held = self._tree.connections.get(connection)
            return held.connection.label if held is not None else None
        if not node:
            return read(self._tree.details.details, path)
        held_node = self._tree.nodes.get(node)
        return read(held_node.node, path) if held_node is not None else None


def check_kept(lost: list[tuple[Place, int, Any, str]], records: dict[int, ConflictRecord]) -> None:
    """SEMANTICS 25: each is the value of a record, or lies between the first and the newest that one stands for. It
    concerns whose the value was; where he takes away himself what he had merged, it is the other's whose words it held.
    """
    for (node, connection, path), seq, value, user in lost:
        fitting = [
            record
            for record in records.values()
            if (record.kind, record.node, record.connection) == ("overwritten", node, connection)
            and path in record.paths
            and user in record.parties
        ]
        newest = [record for record in fitting if record.paths[path]["seq"] == seq]
        named = newest or [record for record in fitting if seq in record.seqs or record.paths[path]["seq"] > seq]
        assert named, f"{value!r} of {user} under {path} of {node or connection} was lost at {seq}, no record has it"
        mine = None if value is ABSENT else value
        for record in newest:
            kept = record.paths[path]["mine"]
            assert msgspec.json.encode(kept) == msgspec.json.encode(mine), f"{seq} took {mine!r}, kept is {record}"


def _is_blind(op: LoggedOp, asked: Asked, last: LoggedOp) -> bool:
    """Whether an update replaced what its author had not seen, and somebody else had made."""
    if isinstance(op.effect, Text) or (isinstance(op.effect, Update) and op.effect.merged):
        return False
    others = (last.author.user, last.author.client) != (op.author.user, op.author.client)
    return others and last.seq > asked.base


def _places(op: LoggedOp) -> list[Place]:
    effect = op.effect
    if isinstance(effect, Text):
        return [(effect.node, "", effect.path)]
    if not isinstance(effect, Update | Configure):
        return []
    node = getattr(effect, "node", None) or ""
    connection = getattr(effect, "connection", None) or ""
    paths = [*(effect.set or ()), *(effect.unset or ())]
    return [(node, connection, path) for path in paths if not path.startswith(VIEW_STATE)]
