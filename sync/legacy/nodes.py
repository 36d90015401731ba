"""The nodes of a row: found in whichever shape they were kept in, each with an id of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from sync.errors import Invalid
from sync.legacy.fields import written
from sync.legacy.notes import Notes, shown
from sync.legacy.reading import decoded

ID_CHARACTERS = 64  # sync.ops.Id
_HASHED = 16  # hex characters in a shortened id: 64 bits, after as much of the old one as fits
_NUMBERED = 8  # characters kept free for the number of an id that was given twice
_PARENTS = ("parentId", "parent_id", "parent", "parentNodeId", "parent_node_id")
# what stands for "no parent" beside null; a node of that id is taken at its word
NO_PARENT = frozenset(("", "root", "null", "none", "undefined", "0", "-1"))


class Draft(msgspec.Struct):
    """A node on its way. `parent`: the old id of what it says it stands below; `inside`: the new id of the node it was
    kept in."""

    id: str
    place: str
    raw: dict[str, Any]
    parent: str = ""
    inside: str = ""


class Nodes(msgspec.Struct):
    """All of a row's. `ids`: new by old, of the first node that had it; `listed`: parent by child, both old, where
    nodes list their children."""

    drafts: list[Draft] = []
    ids: dict[str, str] = {}
    listed: dict[str, str] = {}


class _Found(NamedTuple):
    place: str
    key: str  # under which it stood in a map
    raw: dict[str, Any]
    inside: dict[str, Any] | None


def found_nodes(value: Any, notes: Notes) -> Nodes:
    """Raises Invalid for what is no collection of nodes, naming the place."""
    nodes = Nodes()
    found = list(_flattened(_items(value, notes), nodes.listed, notes))
    ids = _Ids(found, notes)
    for one in found:
        draft = ids.draft(one)
        if draft is not None:
            nodes.drafts.append(draft)
    nodes.ids = ids.new
    return nodes


def _items(value: Any, notes: Notes) -> list[tuple[str, str, Any]]:
    """(place, key, node) of a list, of a map by id, or of an object that holds one of these."""
    value = decoded(value, "nodes", notes)
    if isinstance(value, dict) and isinstance(value.get("nodes"), list | dict):
        value = value["nodes"]
    if value is None:
        return []
    if isinstance(value, dict):
        return [(f"nodes.{key[:40]}", key, one) for key, one in value.items()]
    if not isinstance(value, list):
        raise Invalid(f"nodes: {shown(value)} is no list of nodes")
    return [(f"nodes[{number}]", "", one) for number, one in enumerate(value)]


def _flattened(items: list[tuple[str, str, Any]], listed: dict[str, str], notes: Notes) -> Iterator[_Found]:
    """Each node, those that stand inside others too, in the order of reading."""
    waiting: list[tuple[str, str, Any, dict[str, Any] | None]] = [(*item, None) for item in reversed(items)]
    while waiting:
        place, key, raw, inside = waiting.pop()
        raw = decoded(raw, place, notes)
        if raw is None:
            notes.add("null-dropped", place)
            continue
        if not isinstance(raw, dict):
            raise Invalid(f"{place}: {shown(raw)} is no node")
        node = _unwrapped(raw)
        inner = _taken_children(node, listed, place, notes)
        yield _Found(place, key, node, inside)
        waiting.extend((f"{place}.children[{number}]", "", one, node) for number, one in reversed(inner))


def _unwrapped(raw: dict[str, Any]) -> dict[str, Any]:
    """A copy, in which what canvas libraries keep under `data` stands beside the rest: what the node is, before how it
    is drawn."""
    data = raw.get("data")
    if not isinstance(data, dict) or raw.get("title") or raw.get("templateData"):
        return dict(raw)
    return {**raw, **data, "id": raw.get("id", data.get("id")), "data": None}


def _taken_children(
    node: dict[str, Any], listed: dict[str, str], place: str, notes: Notes
) -> list[tuple[int, dict[str, Any]]]:
    """The nodes that stand inside one, by their number; children that are ids are only noted."""
    children = node.get("children")
    if not isinstance(children, list):
        return []
    del node["children"]
    above = id_text(node.get("id"))
    for child in children:
        named = id_text(child)
        if named and above:
            listed.setdefault(named, above)
    inner = [(number, child) for number, child in enumerate(children) if isinstance(child, dict)]
    if inner:
        notes.add("child-nested", place, f"{len(inner)} nodes stood in it")
    return inner


class _Ids:
    """Gives each node its id."""

    def __init__(self, found: list[_Found], notes: Notes) -> None:
        self.new: dict[str, str] = {}  # by old id
        self._notes = notes
        self._first: dict[str, dict[str, Any]] = {}
        self._taken = {id_text(one.raw.get("id")) or one.key for one in found}
        self._numbers: Counter[str] = Counter()
        self._of: dict[int, str] = {}  # new ids by the identity of what was found

    def draft(self, found: _Found) -> Draft | None:
        """None: it stood there already."""
        raw = found.raw
        said = raw.pop("id", None)
        old = id_text(said) or found.key
        if isinstance(said, int | float) and old:
            self._notes.add("id-text", f"{found.place} ({old})")
        if old and self._first.get(old) == raw:
            self._notes.add("duplicate-dropped", f"{found.place} ({old})")
            self._of[id(raw)] = self.new[old]
            return None
        new = self._of[id(raw)] = self._new(found.place, old)
        self._first.setdefault(old, dict(raw))
        inside = "" if found.inside is None else self._of[id(found.inside)]
        return Draft(id=new, place=f"{found.place} ({new})", raw=raw, parent=_parent(raw), inside=inside)

    def _new(self, place: str, old: str) -> str:
        if not old:
            made = self._fresh("node")
            self._notes.add("id-made", place, f"it is {made} now")
            return made
        if old in self.new:
            made = self._fresh(short_id(old)[: ID_CHARACTERS - _NUMBERED])
            self._notes.add("duplicate-renamed", f"{place} ({old})", f"there is another one; this one is {made} now")
            return made
        made = self.new[old] = short_id(old)
        if made != old:
            self._notes.add("id-shortened", place, f"{shown(old)} is {made} now")
        return made

    def _fresh(self, wanted: str) -> str:
        while True:
            self._numbers[wanted] += 1
            made = f"{wanted}-{self._numbers[wanted]}"
            if made not in self._taken:
                self._taken.add(made)
                return made


def id_text(value: Any) -> str:
    """An id as text; empty: it is none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return written(value)
    return ""


def short_id(old: str) -> str:
    """An id that fits, the same for the same old one."""
    if len(old) <= ID_CHARACTERS:
        return old
    return f"{old[: ID_CHARACTERS - _HASHED - 1]}-{sha256(old.encode()).hexdigest()[:_HASHED]}"


def _parent(raw: dict[str, Any]) -> str:
    """What a node says it stands below, by old id; empty: nothing."""
    said = [raw.pop(name, None) for name in _PARENTS]
    value = next((one for one in said if one is not None), None)
    return id_text(value.get("id") if isinstance(value, dict) else value)
