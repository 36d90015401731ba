"""A log read as if some of its ops had never been made: field by field and letter by letter, with nothing of
`sync.unmaking` in it. What it says of a thing is what a revert must leave there, collisions apart.

The rest, precisely. Of what those ops changed:
- a field, a label, a place or a position says what the newest other change made of it, else what stood there before;
- a text in which others typed since holds all of theirs and nothing else;
- a thing lives where it lived before them, or where others have deleted or brought it back since.
What they made and others need stays whole, as it is.
Of everything else, each value is the one that it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync import effects
from sync.apply import RESPACE, Stamp, apply
from sync.nodes import Node
from sync.ports import LoggedOp
from sync.text import Delta, difference
from sync.tree import Tree
from sync.values import ABSENT
from tests.trees import empty

FIELDS = ("title", "description", "type", "is_collapsed", "position", "parent", "order")
MAPS = ("template_data", "metadata")
DETAILS = ("name", "description", "discovery_phase", "is_template")


class Letters:
    """A text as it is and as it would be: (letter, here, kept)."""

    def __init__(self, text: str) -> None:
        self._letters = [(letter, True, True) for letter in text]

    def change(self, delta: Delta, unmade: bool) -> None:
        at = 0
        for part in delta:
            if isinstance(part, str):
                at = self._place(at)
                self._letters[at:at] = [(letter, True, not unmade) for letter in part]
                at += len(part)
                continue
            for _ in range(abs(part)):
                at = self._place(at)
                letter, _, kept = self._letters[at]
                if part < 0:
                    self._letters[at] = (letter, False, kept and unmade)
                at += 1

    def _place(self, at: int) -> int:
        """Behind what is here no more."""
        while at < len(self._letters) and not self._letters[at][1]:
            at += 1
        return at

    @property
    def here(self) -> str:
        return "".join(letter for letter, here, _ in self._letters if here)

    @property
    def kept(self) -> str:
        return "".join(letter for letter, _, kept in self._letters if kept)


class Value:
    """What one field would say, from the first change on that is never made."""

    def __init__(self, before: Any) -> None:
        self.value = before
        self._letters: Letters | None = None

    def change(self, was: Any, now: Any, delta: Delta | None, unmade: bool) -> None:
        if not unmade and delta is None:
            self.value, self._letters = now, None
            return
        if self._letters is None:
            self._letters = Letters(_text(self.value))
            if self.value != was:
                self._letters.change(difference(_text(self.value), _text(was)), unmade=True)
        self._letters.change(delta if delta is not None else difference(_text(was), _text(now)), unmade)
        if not unmade:
            self.value = self._letters.kept
        elif isinstance(self.value, str) and isinstance(was, str):
            assert self._letters.kept == self.value, "what is never made leaves no trace"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


Thing = tuple[str, str]  # (kind, id)


class NeverMade:
    """What it would be, of what was touched:

    `fields`: (thing, path) -> what it would say
    `lives`: thing -> whether it would be there
    `made`: what was not there at all before
    `follows`: what others made in the trash since -> all that it stands under, or joins, and with which it lives
    `either`: what does so, or as `lives` has it
    `others`: what others have changed, joined, or put something under since
    `deletes`: those that were never made
    """

    def __init__(self, rows: list[LoggedOp], taken: Callable[[LoggedOp], bool]) -> None:
        self.fields: dict[tuple[Thing, str], Value] = {}
        self.lives: dict[Thing, bool] = {}
        self.others: set[Thing] = set()
        self.made: set[Thing] = set()
        self.either: set[Thing] = set()
        self.deletes: set[int] = set()
        self.follows: dict[Thing, list[Thing]] = {}
        self._tree = empty()
        for row in rows:
            self._read(row, taken(row))

    def _read(self, row: LoggedOp, unmade: bool) -> None:
        before = _things(self._tree)
        apply(self._tree, row.effect, Stamp(row.seq, row.author.user, row.author.client))
        after = _things(self._tree)
        if row.author.client.startswith(RESPACE):
            return
        parted = ("connection", row.effect.connection) if isinstance(row.effect, effects.Disconnect) else None
        for thing in {**before, **after}:
            if before.get(thing) != after.get(thing) or thing == parted:
                self._changed(row, thing, before.get(thing), after.get(thing), unmade)
        if not unmade:
            self.others |= _named(row.effect)
        elif isinstance(row.effect, effects.Delete):
            self.deletes.add(row.seq)

    def _changed(self, row: LoggedOp, thing: Thing, was: Any, now: Any, unmade: bool) -> None:
        lived, lives = was is not None and was[0], now is not None and now[0]
        if unmade and was is None and thing not in self.lives:
            self.made.add(thing)
        if unmade and lives and thing in self.follows:
            self.either.add(thing)
            self.lives[thing] = all(self._would_live(above) for above in self.follows[thing])
        elif unmade and (lived != lives or was is None):
            self.lives.setdefault(thing, lived)
        elif not unmade and (lived != lives or isinstance(row.effect, effects.Disconnect)) and self._is_followed(thing):
            self.lives[thing] = lives
            self.follows.pop(thing, None)
        if not unmade:
            self.others.add(thing)
        if not unmade and now is not None and not lives and (was is None or isinstance(row.effect, effects.Connect)):
            self.lives.pop(thing, None)
            self._made_in_the_trash(thing, now[1])
        again = isinstance(row.effect, effects.Connect | effects.Import)
        if was is None or now is None or (unmade and again and thing in self.made):
            return
        for path in {**was[1], **now[1]}:
            old, new = was[1].get(path, ABSENT), now[1].get(path, ABSENT)
            if old == new and type(old) is type(new):
                continue
            if unmade or (thing, path) in self.fields:
                delta = row.effect.delta if isinstance(row.effect, effects.Text) else None
                self.fields.setdefault((thing, path), Value(old)).change(old, new, delta, unmade)

    def _would_live(self, thing: Thing) -> bool:
        if thing in self.follows:
            return all(map(self._would_live, self.follows[thing]))
        return self.lives.get(thing, self._tree.node(thing[1]) is not None)

    def _is_followed(self, thing: Thing) -> bool:
        return thing in self.lives or thing in self.follows

    def _made_in_the_trash(self, thing: Thing, fields: dict[str, Any]) -> None:
        above = [("node", name) for path in ("parent", "source", "target") if (name := fields.get(path)) is not None]
        if any(one in self.lives or one in self.follows for one in above):
            self.follows[thing] = above


def _things(tree: Tree) -> dict[Thing, tuple[bool, dict[str, Any]]]:
    """thing -> (whether it lives, what its fields say)."""
    found: dict[Thing, tuple[bool, dict[str, Any]]] = {
        ("tree", ""): (True, says(tree.details.details, DETAILS, ("canvas_state",)))
    }
    for node_id, held in tree.nodes.items():
        found["node", node_id] = (held.deleted is None, says(held.node, FIELDS, MAPS))
    for one, joined in tree.connections.items():
        fields = says(joined.connection, ("source", "target", "label"), ())
        found["connection", one] = (joined.deleted is None, fields)
    return found


def says(thing: Any, fields: tuple[str, ...], maps: tuple[str, ...]) -> dict[str, Any]:
    """path -> value."""
    found = {field: getattr(thing, field) for field in fields}
    for name in maps:
        found |= {f"{name}.{key}": value for key, value in getattr(thing, name).items()}
    return found


def of_node(node: Node) -> dict[str, Any]:
    return says(node, FIELDS, MAPS)


def _named(effect: effects.Effect) -> set[Thing]:
    """What an op speaks of: what it is about, where it puts something, what it joins."""
    named = {field: getattr(effect, field, None) for field in ("node", "parent", "source", "target", "connection")}
    found: set[Thing] = set()
    for field, name in named.items():
        if isinstance(name, str):
            found.add(("connection" if field == "connection" else "node", name))
    for node in getattr(effect, "nodes", ()):
        if isinstance(node, Node) and node.parent is not None:
            found.add(("node", node.parent))
    for joined in getattr(effect, "connections", ()):
        found |= {("node", joined.source), ("node", joined.target)}
    return found
