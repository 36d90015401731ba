"""A difference between two states of a tree, told in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from sync.differences import ConnectionLine, Difference, FieldChange, Moved, NodeLine
from sync.nodes import State

MOST = 500  # sentences; who wants more reads the difference itself
_SHOWN = 60  # characters of a text that are quoted


def sentences(found: Difference, old: State, new: State) -> list[str]:
    """At most so many, the last of which then counts the others."""
    told = list(_Telling(found, old, new).all())
    if len(told) <= MOST:
        return told
    return [*told[: MOST - 1], f"And {len(told) - MOST + 1} more changes."]


class _Telling:
    def __init__(self, found: Difference, old: State, new: State) -> None:
        self._found = found
        self._titles = {node.id: node.title for state in (old, new) for node in state.nodes}

    def all(self) -> Iterator[str]:
        found = self._found
        added, removed = {line.node for line in found.added}, {line.node for line in found.removed}
        for change in found.tree:
            yield _field(change, "the tree")
        for line in found.added:
            if line.parent not in added:
                yield f"{self._thing(line)} was added {self._under(line.parent)}{_with(line.below)}."
        for line in found.removed:
            if line.parent not in removed:
                yield f"{self._thing(line)} was removed from {self._place(line.parent)}{_with(line.below)}."
        for moved in found.moved:
            yield self._moved(moved)
        for changed in found.changed:
            for change in changed.fields:
                yield _field(change, quoted(changed.title))
        for kind, lines in (("added", found.connected), ("removed", found.disconnected)):
            for one in lines:
                label = f", {quoted(one.label)}," if one.label else ""
                yield f"A connection {self._between(one)}{label} was {kind}."
        for one in found.relabelled:
            yield f"The connection {self._between(one)} is called {_value(one.label)} instead of {_value(one.before)}."

    def _thing(self, line: NodeLine) -> str:
        return f"The {line.type} {quoted(line.title)}"

    def _moved(self, moved: Moved) -> str:
        if moved.before == moved.after:
            return f"{quoted(moved.title)} was moved to another place {self._under(moved.after)}."
        before, after = self._place(moved.before), self._place(moved.after)
        return f"{quoted(moved.title)} was moved from {before} to {after}."

    def _under(self, parent: str | None) -> str:
        return "at the top" if parent is None else f"under {self._title(parent)}"

    def _place(self, parent: str | None) -> str:
        return "the top" if parent is None else self._title(parent)

    def _between(self, one: ConnectionLine) -> str:
        return f"from {self._title(one.source)} to {self._title(one.target)}"

    def _title(self, node: str) -> str:
        return quoted(self._titles.get(node, node))


def _with(below: int) -> str:
    return f" with {below} {'node' if below == 1 else 'nodes'} below it" if below else ""


def _field(change: FieldChange, thing: str) -> str:
    name = change.path.rpartition(".")[2].replace("_", " ")
    if change.before is UNSET:
        return f"The {name} of {thing} was set to {_value(change.after)}."
    if change.after is UNSET:
        return f"The {name} of {thing} was taken away; it was {_value(change.before)}."
    if change.pieces is UNSET or max(len(change.before), len(change.after)) <= _SHOWN:
        return f"The {name} of {thing} was changed from {_value(change.before)} to {_value(change.after)}."
    came, went = (_words(change, kind) for kind in ("added", "removed"))
    return f"The {name} of {thing} was rewritten: {_counted(came)} came, {_counted(went)} went."


def _words(change: FieldChange, kind: str) -> int:
    return sum(len(piece.text.split()) for piece in change.pieces or () if piece.kind == kind)


def _counted(words: int) -> str:
    return f"{words} {'word' if words == 1 else 'words'}"


def _value(value: Any) -> str:
    match value:
        case "" | None:
            return "nothing"
        case str():
            return quoted(value)
        case True | False:
            return "yes" if value else "no"
        case int() | float():
            return f"{value:g}"
        case _:
            return "something else"


def quoted(text: str) -> str:
    """A text as a sentence shows it: on one line, and not at any length."""
    one_line = " ".join(text.split())
    return f"\u201c{one_line}\u201d" if len(one_line) <= _SHOWN else f"\u201c{one_line[: _SHOWN - 1]}\u2026\u201d"
