"""One row of the old table as a tree."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from sync.codec import JSON
from sync.errors import Invalid
from sync.formats.portable import Gathering, Portable
from sync.legacy.connections import beside_the_parents, found_connections
from sync.legacy.content import fitted, imported_fields
from sync.legacy.fields import Fields, number_of
from sync.legacy.nodes import Nodes, found_nodes, id_text
from sync.legacy.notes import Note, Notes, shown
from sync.legacy.parents import Parents, settled
from sync.legacy.reading import decoded, read_text
from sync.limits import KEY_CHARACTERS, Limits
from sync.nodes import Details, first_canvas_state

ID_CHARACTERS = 200  # of a row; the old tables number theirs
_PHASE_CHARACTERS = 64  # as sync.values has it
# projections of the old table, which are made anew from the tree
_PROJECTED = ("completion_status", "user_metrics", "ai_metadata", "processing_version", "last_ai_processed_at")
_MILLISECONDS = 1e11  # a number above is a time in milliseconds, below it in seconds: 1973 in one, 5138 in the other


class OldTree(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can be taken. `content` is the SHA-256 of the tree, `owner` whose it was in the old table."""

    row: str
    owner: str
    tree: Portable
    content: str
    created_at: datetime | None
    updated_at: datetime | None
    notes: list[Note]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A row that no rule mends: why, naming the place, and its id where that could be read."""

    row: str
    why: str
    notes: list[Note]


def read_row(content: bytes | str, limits: Limits) -> OldTree | Refusal:
    """A row as an object of JSON, keys as columns."""
    notes = Notes()
    row = ""
    try:
        raw = read_text(content, "", notes)
        if not isinstance(raw, dict):
            raise Invalid(f"{shown(raw)} is no row")
        fields = Fields(raw, "", notes)
        row = _row_id(fields, content, notes)
        return _read(row, fields, notes, limits)
    except Invalid as error:
        return Refusal(row=row, why=error.why.removeprefix(": "), notes=notes)


def _row_id(fields: Fields, content: bytes | str, notes: Notes) -> str:
    found = id_text(fields.take("id", "tree_id", "treeId"))
    if not found:
        found = sha256(content if isinstance(content, bytes) else content.encode(errors="replace")).hexdigest()[:32]
        notes.add("row-id-made", "", f"it is known as {found}")
    if len(found) > ID_CHARACTERS:
        raise Invalid(f"id: a row's id has at most {ID_CHARACTERS} characters")
    return found


def _read(row: str, fields: Fields, notes: Notes, limits: Limits) -> OldTree:
    owner = id_text(fields.take("user_id", "userId", "owner_id", "ownerId"))
    nodes = found_nodes(fields.take("nodes", "nodes_data", "nodesData"), notes)
    edges = found_connections(
        fields.take("connections", "connections_data", "connectionsData", "edges"), nodes.ids, notes
    )
    parents = settled(nodes, fields.take("tree_structure", "treeStructure"), edges, notes)
    times = [_time(fields, *names) for names in (("created_at", "createdAt"), ("updated_at", "updatedAt"))]
    details = _details(fields)
    gathering = Gathering(limits)
    _gather(gathering, nodes, parents, notes)
    tree = gathering.finish(details, beside_the_parents(edges, parents, notes))
    for name in _PROJECTED:
        fields.take(name)
    if left := sorted(fields.rest()):
        notes.add("row-field", "", f"left behind: {', '.join(left)}")
    hashed = sha256(JSON.encode_value(tree)).hexdigest()
    created_at, updated_at = times
    return OldTree(
        row=row, owner=owner, tree=tree, content=hashed, created_at=created_at, updated_at=updated_at, notes=notes
    )


def _gather(gathering: Gathering, nodes: Nodes, parents: Parents, notes: Notes) -> None:
    depths = _depths(parents)
    kept: set[str] = set()
    for draft in nodes.drafts:
        made = imported_fields(draft, parents[draft.id], depths[draft.id], notes, kept)
        gathering.node(draft.place.removesuffix(f" ({draft.id})"), made)
    if kept:
        notes.add("field-kept", "nodes", f"in the metadata: {', '.join(sorted(kept))}")


def _depths(parents: Parents) -> dict[str, int]:
    """How many nodes stand above each."""
    depths: dict[str, int] = {}
    for start in parents:
        path = []
        node: str | None = start
        while node is not None and node not in depths:
            path.append(node)
            node = parents[node]
        depth = -1 if node is None else depths[node]
        for one in reversed(path):
            depth += 1
            depths[one] = depth
    return depths


# ---- the tree's own fields


def _details(fields: Fields) -> Details:
    name, description = fields.text("name", "title"), fields.text("description")
    if not name.strip():
        fields.notes.add("default-name", "name")
        name = "Untitled tree"
    name, description = fitted(name, description, "name", fields.notes)
    return Details(
        name=name,
        description=description,
        discovery_phase=_phase(fields),
        is_template=fields.flag("is_template", "isTemplate"),
        canvas_state=_canvas(fields),
    )


def _phase(fields: Fields) -> str:
    said = fields.take("discovery_phase", "discoveryPhase")
    if isinstance(said, str) and len(said) <= _PHASE_CHARACTERS:
        return said
    first = Details().discovery_phase
    if said is not None:
        fields.notes.add("default-phase", "discovery_phase", f"{shown(said)} is {first} now")
    return first


def _canvas(fields: Fields) -> dict[str, Any]:
    """Zoom, pan and orientation of a kind that every canvas reads (spec 002's `updateCanvasStateFormat`); what else
    was kept there stays."""
    said = fields.take("canvas_state", "canvasState")
    read = decoded(said, "canvas_state", fields.notes)
    default = first_canvas_state()
    if not isinstance(read, dict):
        if read is not None:
            fields.notes.add("default-canvas", "canvas_state", f"{shown(read)} was no canvas")
        return default
    kept = {key: value for key, value in read.items() if 0 < len(key) <= KEY_CHARACTERS and "." not in key}
    pan = _pan(kept)
    zoom = number_of(kept.get("zoom"))
    known = kept.get("orientation")
    made = {
        **kept,
        "zoom": _whole(zoom) if zoom is not None and zoom > 0 else default["zoom"],
        "pan": pan if pan is not None else default["pan"],
        "orientation": known if isinstance(known, str) and known else default["orientation"],
    }
    if made != read:
        changed = [key for key in sorted({*made, *read}) if made.get(key) != read.get(key)]
        fields.notes.add("default-canvas", "canvas_state", f"put right: {', '.join(changed)}")
    return made


def _pan(canvas: dict[str, Any]) -> dict[str, float] | None:
    """Also where its axes stood beside it."""
    pan = canvas.get("pan")
    beside = {axis: canvas.pop(name, None) for axis, name in (("x", "panX"), ("y", "panY"))}
    said = pan if isinstance(pan, dict) else beside
    axes = {axis: number_of(said.get(axis)) for axis in ("x", "y")}
    found = {axis: _whole(value) for axis, value in axes.items() if value is not None}
    return found if len(found) == len(axes) else None


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _time(fields: Fields, *names: str) -> datetime | None:
    """A time with its zone; one without is in UTC, as the servers of the old table wrote it."""
    said = fields.take(*names)
    if said is None:
        return None
    try:
        moment = _moment(said)
    except (ValueError, OverflowError, OSError):
        fields.notes.add("time-dropped", names[0], f"{shown(said)} is no time")
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment(said: Any) -> datetime:
    """Raises ValueError, OverflowError or OSError."""
    if isinstance(said, str):
        moment = datetime.fromisoformat(said.strip())
    elif isinstance(said, int | float) and not isinstance(said, bool):
        moment = datetime.fromtimestamp(said / 1000 if said > _MILLISECONDS else said, UTC)
    else:
        raise ValueError("no time")
    if not 1970 <= moment.year < 9999:  # no zone overflows then
        raise ValueError("no time of a tree")
    return moment
