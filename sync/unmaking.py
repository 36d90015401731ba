"""A tree as it would be had some ops of its log never been made: worked out op by op, per field, placement and node.

Only what those ops touched is followed; all else is left out, and so stays exactly as it is. Of what they touched, the
newest change by anybody else stands, or what stood there before. What followed is told by comparing what an op found
with what it left, whichever kind it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import structs

from sync import effects
from sync.apply import RESPACE, Stamp, apply
from sync.judge_values import same
from sync.nodes import Connection, Details, Node
from sync.ports import LoggedOp
from sync.text import Delta, difference
from sync.tree import Before, Held, HeldConnection, HeldDetails, Tree
from sync.unmade_text import MOST_STEPS, Field, is_text, text_of
from sync.unmade_trash import Missed
from sync.values import ABSENT

_NODE_FIELDS = ("title", "description", "type", "is_collapsed")
_NODE_MAPS = ("template_data", "metadata")
_TREE_FIELDS = ("name", "description", "discovery_phase", "is_template")


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which ops: those from `first` to `last`, of one user and of one client where they are named."""

    first: int
    last: int
    user: str = ""
    client: str = ""

    def takes(self, row: LoggedOp) -> bool:
        by = row.author
        return (
            self.first <= row.seq <= self.last
            and self.user in ("", by.user)
            and self.client in ("", by.client)
            and not by.client.startswith(RESPACE)  # that changed no placement, and would again
        )


class Life(msgspec.Struct):
    """Whether a thing would be in the tree. `made`: it was not there at all before. `by` and `seq` are of the newest
    change of it, in any respect, by anybody else since; `turned`: that took it away, or brought it back."""

    lives: bool
    made: bool
    turned: bool = False
    by: str = ""
    seq: int = 0


class UnmadeNode(msgspec.Struct):
    """Whatever of a node was touched; None or absent: that was not."""

    life: Life | None = None
    placement: Field | None = None  # (parent, order)
    position: Field | None = None
    fields: dict[str, Field] = {}


class UnmadeConnection(msgspec.Struct):
    """`ends` are those it would have."""

    life: Life | None = None
    connection: Connection | None = None
    label: Field | None = None


class Unmaking:
    """See the module. `tree` is the one before the first of the ops, and becomes that behind the last row fed."""

    def __init__(self, tree: Tree, selection: Selection) -> None:
        self.nodes: dict[str, UnmadeNode] = {}
        self.connections: dict[str, UnmadeConnection] = {}
        self.details: dict[str, Field] = {}
        self.count = 0  # of ops that are unmade
        self.through = 0  # the seq of the last row
        self._tree = tree
        self._missed = Missed()
        self._left = [MOST_STEPS]
        self._deletes: set[int] = set()
        self._takes: Callable[[LoggedOp], bool] = selection.takes
        self._respaced: dict[str | None, list[tuple[str, str]]] = {}  # parent -> (key before, key after)

    def feed(self, row: LoggedOp) -> None:
        """The next op of the log. Raises Refused (`too_large`) where its texts take too much work."""
        for missed in self._missed.taken_out(self._tree, row):
            self._feed(missed)
        self._feed(row)
        self.through = row.seq

    def _feed(self, row: LoggedOp) -> None:
        tree, effect = self._tree, row.effect
        before = apply(tree, effect, Stamp(row.seq, row.author.user, row.author.client))
        if row.author.client.startswith(RESPACE):
            self._respaced_one(effect, before)
            return
        if self._missed.takes(row, before):
            return
        self._follow_respacing()
        unmade = self._takes(row)
        self.count += unmade
        if unmade and isinstance(effect, effects.Delete):
            self._deletes.add(row.seq)
        if unmade and self._missed.parts(row, before, self._deletes):
            return
        step = _Step(row.author.user, row.seq, unmade, row.effect, self._left, self._deletes)
        for node_id, held in reversed(dict(reversed(before.nodes)).items()):
            if unmade or node_id in self.nodes:
                self._node(step, node_id, held, tree.nodes.get(node_id))
        for one, held_connection in reversed(dict(reversed(before.connections)).items()):
            if unmade or one in self.connections:
                self._connection(step, one, held_connection, tree.connections.get(one))
        if before.details:
            self._details(step, before.details[0], tree.details)

    def _respaced_one(self, effect: effects.Effect, before: Before) -> None:
        if isinstance(effect, effects.Move) and before.nodes and (held := before.nodes[0][1]) is not None:
            self._respaced.setdefault(effect.parent, []).append((held.node.order, effect.order))

    def _follow_respacing(self) -> None:
        """Siblings have got new keys, in their order (SEMANTICS 21): those that nodes would have follow them."""
        if not self._respaced:
            return
        respaced = {parent: sorted(keys) for parent, keys in self._respaced.items()}
        for one in self.nodes.values():
            if one.placement is not None:
                parent, order = one.placement.value
                if parent in respaced:
                    one.placement.respace((parent, _key_among(respaced[parent], order)))
        self._respaced.clear()

    def end(self) -> Unmaking:
        """No more of the log follows."""
        self._follow_respacing()
        return self

    @property
    def missed(self) -> Iterator[LoggedOp]:
        """Ops to be unmade on what lay in the trash all the time: nothing is known of them, nor are they counted."""
        return filter(self._takes, self._missed)

    # ---- one thing, before and after an op

    def _node(self, step: _Step, node_id: str, was: Held | None, now: Held | None) -> None:
        one = self.nodes.setdefault(node_id, UnmadeNode())
        one.life = step.lived(one.life, was, now)
        if was is None or now is None:
            return
        old, new = was.node, now.node
        if (old.parent, old.order) != (new.parent, new.order):
            one.placement = step.changed(one.placement, (old.parent, old.order), (new.parent, new.order), None)
        if old.position != new.position:
            one.position = step.changed(one.position, old.position, new.position, None)
        for path, before, after in _differing(old, new, _NODE_FIELDS, _NODE_MAPS):
            step.field(one.fields, path, before, after)

    def _connection(
        self, step: _Step, connection_id: str, was: HeldConnection | None, now: HeldConnection | None
    ) -> None:
        one = self.connections.setdefault(connection_id, UnmadeConnection())
        if one.life is None and was is not None:
            one.connection = was.connection
        one.life = step.lived(one.life, was, now)
        if was is None or now is None:
            return
        old, new = was.connection, now.connection
        again = isinstance(step.effect, effects.Connect | effects.Import)
        if step.unmade and again and one.life is not None and one.life.made:
            return  # his own, made once more: it was not there before either way
        if old.label != new.label:
            one.label = step.changed(one.label, old.label, new.label, None)
        if step.unmade:
            return
        if one.connection is None or again:
            one.connection = now.connection
        elif old.label != new.label:
            one.connection = structs.replace(one.connection, label=new.label)

    def _details(self, step: _Step, was: HeldDetails, now: HeldDetails) -> None:
        for path, before, after in _differing(was.details, now.details, _TREE_FIELDS, ("canvas_state",)):
            if step.unmade or path in self.details:
                step.field(self.details, path, before, after)


class _Step(msgspec.Struct, frozen=True):
    """One op, as to whether it is unmade."""

    user: str
    seq: int
    unmade: bool
    effect: effects.Effect
    left: list[int]
    deletes: set[int]  # that are unmade: what they took, or came into the trash below it, would live

    def lived(
        self, life: Life | None, was: Held | HeldConnection | None, now: Held | HeldConnection | None
    ) -> Life | None:
        before, after = was is not None and was.deleted is None, now is not None and now.deleted is None
        again = isinstance(self.effect, effects.Connect | effects.Import)  # the id of one that is gone is free
        if self.unmade:
            before = before or (was is not None and was.deleted in self.deletes)
            if life is None and (was is None or now is None or was.deleted != now.deleted or again):
                return Life(before, made=was is None)
            return life
        if life is not None:
            if before != after or not isinstance(self.effect, effects.Restore):  # else it waits for another end now
                life.by, life.seq = self.user, self.seq
            if before != after or isinstance(self.effect, effects.Disconnect):
                life.lives, life.turned = after, True
            elif again and now is not None:
                life.lives = after or now.deleted in self.deletes
        return life

    def changed(self, field: Field | None, was: Any, now: Any, delta: Delta | None) -> Field | None:
        """A field that has changed; what is untouched by anything unmade stays so."""
        if self.unmade:
            field = field or Field(was, self.left)
            field.unmake(was, now, delta)
        elif field is not None:
            field.keep(was, now, delta, self.user, self.seq)
        return field

    def field(self, fields: dict[str, Field], path: str, was: Any, now: Any) -> None:
        changed = self.changed(fields.get(path), was, now, self._delta(path, was, now))
        if changed is not None:
            fields[path] = changed

    def _delta(self, path: str, was: Any, now: Any) -> Delta | None:
        """How a text changed, where it was typed into or merged; a value that was set says all, and has none."""
        effect = self.effect
        if isinstance(effect, effects.Text):
            return effect.delta
        merged = isinstance(effect, effects.Update) and effect.merged is True
        return difference(text_of(was), text_of(now)) if merged and is_text(was) and is_text(now) else None


def _key_among(keys: list[tuple[str, str]], order: str) -> str:
    """Where an old key stands among the new ones. Between two of them it is only to be sorted by, never given."""
    place = bisect_right(keys, order, key=lambda pair: pair[0]) - 1
    if place < 0:
        return f"\x00{order}"
    old, new = keys[place]
    return new if old == order else f"{new}\x00{order}"


def _differing(
    old: Node | Details, new: Node | Details, names: tuple[str, ...], maps: tuple[str, ...]
) -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of what is not the same."""
    for name in names:
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield name, was, now
    for name in maps:
        was, now = getattr(old, name), getattr(new, name)
        if was is now:
            continue
        for key in {**was, **now}:
            before, after = was.get(key, ABSENT), now.get(key, ABSENT)
            if not same(before, after):
                yield f"{name}.{key}", before, after
