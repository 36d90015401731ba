"""An entry of a feed, told in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync.feed_rows import Names, Row
from sync.feed_runs import Run
from sync.sentences import quoted

_LISTED = 3  # fields that are named; the others are counted
_SERVER = "treesync"  # in whose name the server itself acts
_HOW = {
    "import": "made the tree from a file",
    "copy": "made the tree as a copy of another",
    "import-legacy": "took the tree over from an old table",
}
_ROLES = {"viewer": "a viewer", "commenter": "a commenter", "editor": "an editor", "owner": "an owner"}
_SEEN_BY = {
    "private": "made the tree private",
    "tenant_view": "let everyone of the company see the tree",
    "tenant_edit": "let everyone of the company edit the tree",
}


def sentence(run: Run, names: Names, *, seen: bool = True) -> str:
    """With the names as they are now. `seen`: the reader may see the tree; else nothing is told but the kind."""
    user, via = run.newest.user, run.newest.via
    who = "The server" if user == _SERVER else names.users.get(user) or user
    through = f" (through {via})" if via and ":" not in run.newest.client else ""
    if not seen:
        return f"{who}{through} did something in a tree that is gone ({run.kind.replace('_', ' ')})."
    tell = _TELLING.get(run.kind, _reported)
    return f"{who}{through} {tell(_Told(run, names))}."


class _Told:
    """What an entry is about, in words."""

    def __init__(self, run: Run, names: Names) -> None:
        self.run = run
        self._names = names

    @property
    def row(self) -> Row:
        return self.run.newest

    @property
    def node(self) -> str:
        return self.title(self.row.node) if self.row.node else "the tree"

    @property
    def thing(self) -> str:
        """With its type before its title."""
        found = self._names.nodes.get((self.row.tree or 0, self.row.node))
        return f"the {found.type} {quoted(found.title)}" if found is not None else "a node"

    @property
    def fields(self) -> str:
        """Of template data and metadata the key, of the view all as one."""
        named = list(dict.fromkeys(_field(path) for path in self.run.fields))
        if not named:
            return "the content"
        if len(named) > _LISTED:
            return f"{', '.join(named[:_LISTED])} and {_counted(len(named) - _LISTED, 'more field')}"
        return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"

    def user(self, user: str) -> str:
        return self._names.users.get(user) or user

    def title(self, node: str) -> str:
        found = self._names.nodes.get((self.row.tree or 0, node))
        return quoted(found.title) if found is not None else "a node"

    def place(self, parent: Any) -> str:
        return self.title(parent) if isinstance(parent, str) else "the top"

    def number(self, name: str) -> int:
        value = self.row.told.get(name)
        return value if isinstance(value, int) else 0


def _made(told: _Told) -> str:
    parent = told.row.told.get("parent")
    return f"added {told.thing} {f'under {told.title(parent)}' if isinstance(parent, str) else 'at the top'}"


def _edited(told: _Told) -> str:
    if told.run.fields == ["is_collapsed"]:
        return f"folded or unfolded {told.node}"
    return f"changed {told.fields} of {told.node}"


def _filled(told: _Told) -> str:
    return f"filled in {told.fields} of {told.node}"


def _moved(told: _Told) -> str:
    before, after = told.run.oldest.told.get("before"), told.row.told.get("parent")
    if before == after:
        return f"moved {told.node} to another place"
    return f"moved {told.node} from {told.place(before)} to {told.place(after)}"


def _deleted(told: _Told) -> str:
    return f"deleted {told.thing}{_with(told.number('nodes') - 1)}"


def _restored(told: _Told) -> str:
    return f"brought {told.thing}{_with(told.number('nodes') - 1)} back from the trash"


def _purged(told: _Told) -> str:
    return f"removed {_counted(told.run.count, 'deletion')} from the trash for good"


def _imported(told: _Told) -> str:
    return f"brought in {_counted(told.number('nodes'), 'node')}"


def _connected(told: _Told) -> str:
    return f"connected {told.title(_end(told, 'from'))} with {told.title(_end(told, 'to'))}"


def _disconnected(told: _Told) -> str:
    return f"removed the connection {_between(told)}"


def _relabelled(told: _Told) -> str:
    return f"changed the label of the connection {_between(told)}"


def _between(told: _Told) -> str:
    return f"from {told.title(_end(told, 'from'))} to {told.title(_end(told, 'to'))}"


def _end(told: _Told, name: str) -> str:
    return str(told.row.told.get(name) or "")


def _tree_edited(told: _Told) -> str:
    return f"changed {told.fields} of the tree"


def _tree_renamed(told: _Told) -> str:
    name = told.row.told.get("name")
    return f"named the tree {quoted(name)}" if isinstance(name, str) else "named the tree anew"


def _tree_created(told: _Told) -> str:
    nodes = told.number("node_count")
    made = _HOW.get(str(told.row.told.get("how")), "made the tree")
    return f"{made}, with {_counted(nodes, 'node')}" if nodes else made


def _member(told: _Told) -> str:
    who = told.user(str(told.row.told.get("member")))
    return f"made {who} {_ROLES.get(str(told.row.told.get('role')), 'a member')} of the tree"


def _member_removed(told: _Told) -> str:
    return f"took the role of {told.user(str(told.row.told.get('member')))} in the tree"


def _visibility(told: _Told) -> str:
    return _SEEN_BY.get(str(told.row.told.get("visibility")), "changed who may see the tree")


def _changes(words: str) -> Callable[[_Told], str]:
    return lambda told: f"{words}: {_counted(told.run.count, 'change')}"


def _reported(told: _Told) -> str:
    what = told.run.kind.replace("_", " ")
    times = f", {told.run.count} times" if told.run.count > 1 else ""
    return f"did this: {what} ({told.node}{times})"


def _seen(words: str) -> Callable[[_Told], str]:
    return lambda told: f"{words} {told.node}"


_TELLING: dict[str, Callable[[_Told], str]] = {
    "node_created": _made,
    "node_edited": _edited,
    "template_filled": _filled,
    "node_moved": _moved,
    "node_deleted": _deleted,
    "node_restored": _restored,
    "node_purged": _purged,
    "nodes_imported": _imported,
    "connection_created": _connected,
    "connection_deleted": _disconnected,
    "connection_edited": _relabelled,
    "tree_edited": _tree_edited,
    "tree_renamed": _tree_renamed,
    "tree_created": _tree_created,
    "tree_deleted": lambda _told: "put the tree into the trash",
    "tree_restored": _changes("brought back an earlier state"),
    "changes_reverted": _changes("took back earlier changes"),
    "conflict_resolved": lambda told: f"decided a conflict at {told.node}",
    "member_added": _member,
    "member_changed": _member,
    "member_removed": _member_removed,
    "visibility_changed": _visibility,
    "node_viewed": _seen("looked at"),
    "node_clicked": _seen("clicked"),
    "tree_viewed": lambda _told: "looked at the tree",
    "navigated": _seen("went to"),
}


def _field(path: str) -> str:
    if path.startswith("canvas_state."):
        return "the view"
    root, _, key = path.partition(".")
    return f"the {(key or root).replace('_', ' ')}"


def _with(below: int) -> str:
    return f" with {_counted(below, 'node')} below it" if below > 0 else ""


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing if number == 1 else thing + 's'}"
