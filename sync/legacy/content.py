"""What a node says: its type, title, description, place, template data and all the rest."""

from __future__ import annotations

import re
from typing import Any

from sync.formats.portable import type_at
from sync.legacy.fields import Fields, number_of
from sync.legacy.nodes import Draft
from sync.legacy.notes import Notes, shown
from sync.legacy.reading import decoded
from sync.limits import KEY_CHARACTERS, TITLE_CHARACTERS
from sync.node_templates import STANDARD
from sync.nodes import NODE_TYPES, NodeType
from sync.templates import STATUS_KEY, status_of

# What tools of this kind call the seven; compared in lower case, letters alone
TYPE_ALIASES: dict[str, NodeType] = {
    **dict.fromkeys(("goal", "vision", "mission", "strategy", "impact", "northstar", "objectives"), "objective"),
    **dict.fromkeys(("result", "keyresult", "outcomes", "kr", "businessoutcome", "productoutcome"), "outcome"),
    **dict.fromkeys(("problem", "need", "pain", "painpoint", "opportunities", "challenge"), "opportunity"),
    **dict.fromkeys(("idea", "feature", "initiative", "epic", "deliverable", "solutions", "task"), "solution"),
    **dict.fromkeys(("hypothesis", "risk", "belief", "assumptions", "assumptiontest"), "assumption"),
    **dict.fromkeys(("kpi", "measure", "measurement", "metrics", "indicator"), "metric"),
    **dict.fromkeys(("insight", "evidence", "experiment", "interview", "study", "test"), "research"),
}
_TITLE = ("title", "name", "label", "text")
_STATUS = ("completionStatus", "completion_status", "status")
_NO_LETTER = re.compile(r"[^a-z]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# the tree's own number, and what a canvas library keeps of its drawing: both are made anew
_OF_THE_CANVAS = ("treeId", "tree_id", "width", "height", "selected", "dragging", "positionAbsolute", "measured")
_FIELDS = {kind: frozenset(field.name for field in template.fields) for kind, template in STANDARD.items()}


def imported_fields(draft: Draft, parent: str | None, depth: int, notes: Notes, kept: set[str]) -> dict[str, Any]:
    """The fields of `sync.ops.ImportedNode`. `kept` collects the names of what went to the metadata."""
    fields = Fields(draft.raw, draft.place, notes)
    for name in _OF_THE_CANVAS:
        fields.take(name)
    aside: dict[str, Any] = {}
    kind = _type(fields, depth, aside)
    title, description = _texts(fields, kind)
    made = {
        "id": draft.id,
        "parent": parent,
        "type": kind,
        "title": title,
        "description": description,
        "position": _position(fields),
        "is_collapsed": fields.flag("isCollapsed", "is_collapsed", "collapsed"),
        "template_data": _template_data(fields, kind, aside),
    }
    return {**made, "metadata": _metadata(fields, aside, kept)}


def _type(fields: Fields, depth: int, aside: dict[str, Any]) -> NodeType:
    said = fields.take("nodeType", "node_type", "type", "kind")
    word = said.strip().lower() if isinstance(said, str) else ""
    for kind in NODE_TYPES:
        if kind == word:
            return kind
    letters = _NO_LETTER.sub("", word)
    found = next((kind for kind in NODE_TYPES if kind == letters), None) or TYPE_ALIASES.get(letters)
    if found is not None:
        fields.notes.add("type-alias", fields.place, f"{shown(said)} is {found}")
        return found
    given = type_at(depth)
    fields.notes.add("type-by-depth", fields.place, f"{shown(said)} is no type; at its depth it is {given}")
    if said is not None:
        aside["legacy_type"] = said
    return given


def _texts(fields: Fields, kind: str) -> tuple[str, str]:
    """Title and description."""
    notes, place = fields.notes, fields.place
    title = fields.text(*_TITLE)
    description = fields.text("description", "desc")
    if not title.strip():
        notes.add("default-title", place)
        title = f"Untitled {kind}"
    return fitted(title, description, place, notes)


def fitted(title: str, description: str, place: str, notes: Notes) -> tuple[str, str]:
    """A title that is too long begins the description, whole."""
    if len(title) <= TITLE_CHARACTERS:
        return title, description
    notes.add("text-moved", place, f"a title of {len(title)} characters")
    return title[: TITLE_CHARACTERS - 1] + "…", f"{title}\n\n{description}".rstrip("\n")


def _position(fields: Fields) -> dict[str, float]:
    said = fields.take("position", "pos", "coordinates")
    place = fields.place
    if isinstance(said, str):
        said = decoded(said, place, fields.notes) if said.lstrip().startswith(("{", "[")) else None
    if said is None:
        said = {"x": fields.take("x"), "y": fields.take("y")}
        if said["x"] is None and said["y"] is None:
            return {"x": 0.0, "y": 0.0}
    if isinstance(said, list) and len(said) == 2:
        said = {"x": said[0], "y": said[1]}
    axes = {axis: number_of(said.get(axis)) if isinstance(said, dict) else None for axis in ("x", "y")}
    made = {axis: value if value is not None else 0.0 for axis, value in axes.items()}
    if said != made:
        fields.notes.add("position-read", place, f"{shown(said)} is {made['x']:g}, {made['y']:g}")
    return made


# ---- maps


def _template_data(fields: Fields, kind: NodeType, aside: dict[str, Any]) -> dict[str, Any]:
    said = _map(fields, "template_data", "templateData", "template_data", "template")
    made: dict[str, Any] = {}
    for key, value in said.items():
        made[_field_name(key, said, kind, fields)] = value
    _settle_status(made, fields, aside)
    return made


def _field_name(key: str, said: dict[str, Any], kind: NodeType, fields: Fields) -> str:
    """coreWhy is core_why where the type's template knows that, and nothing stands there."""
    snake = _HUMP.sub("_", key).lower()
    if snake == key or snake in said or snake not in _FIELDS[kind]:
        return key
    fields.notes.add("field-named", fields.place, f"{key} is {snake}")
    return snake


def _settle_status(made: dict[str, Any], fields: Fields, aside: dict[str, Any]) -> None:
    """One status per node, in one of the three words: the template data's own, or that beside it."""
    names = [name for name in _STATUS[:2] if made.get(name) is not None]
    beside = fields.take(*_STATUS) if not names else None
    said = made[names[-1]] if names else beside
    for name in names:
        del made[name]
    if said is None:
        return
    known = status_of({STATUS_KEY: said})
    if known is None:
        fields.notes.add("status-unknown", fields.place, f"{shown(said)} is in the metadata")
        aside["legacy_status"] = said
        return
    if known != said:
        fields.notes.add("status-alias", fields.place, f"{shown(said)} is {known}")
    made[STATUS_KEY] = known


def _metadata(fields: Fields, aside: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    """What the node says of itself, then what nobody else took."""
    made = _map(fields, "metadata", "metadata", "meta")
    rest = _keyed(fields.rest(), fields)
    kept.update(rest)
    for name, value in {**rest, **aside}.items():
        made[name if name not in made else f"legacy_{name}"[:KEY_CHARACTERS]] = value
    return made


def _map(fields: Fields, what: str, *names: str) -> dict[str, Any]:
    """A map with keys that paths can name. Anything else is left to the metadata."""
    said = fields.take(*names)
    if isinstance(said, str) and said.lstrip().startswith("{"):
        said = decoded(said, f"{fields.place}.{what}", fields.notes)
    if said is None or isinstance(said, dict):
        return _keyed(said or {}, fields)
    fields.put_back(f"legacy_{what}", said)
    return {}


def _keyed(said: dict[str, Any], fields: Fields) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in said.items():
        name = key.replace(".", "_")[:KEY_CHARACTERS] or "_"
        number = 1
        while name in made or (name != key and name in said):
            number += 1
            name = f"{name[: KEY_CHARACTERS - 5]}_{number}"
        if name != key:
            fields.notes.add("key-renamed", fields.place, f"{shown(key)} is {name}")
        made[name] = value
    return made
