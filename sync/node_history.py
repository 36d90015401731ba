"""What happened to one node, from the ops of the log that concern it: what a person typed in one go is one line
(SEMANTICS 15: deltas coalesce where history is read, never in the log)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from sync import effects
from sync.apply import RESPACE
from sync.differences import FieldChange
from sync.ports import LoggedOp
from sync.text import Delta, composed

PAUSE_SECONDS = 300.0  # who types again after so long has come back to it

What = Literal["made", "changed", "typed", "moved", "deleted", "restored", "purged"]


class NodeEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of a node's history. `seq` and `at` are of the newest op in it, `first` is the seq of the oldest.

    `fields`: what changed, and from what. `path` and `delta`: what was typed, against the text before it. `parent`:
    where it was made, moved to or restored under, `before` where it stood. `along_with`: the node above that was named.
    """

    seq: int
    first: int
    at: str
    what: What
    user: str
    via: str = ""
    fields: list[FieldChange] = []
    path: str = ""
    delta: Delta = []
    title: str = ""
    parent: str | UnsetType | None = UNSET
    before: str | UnsetType | None = UNSET
    along_with: str = ""


def events_of(node: str, rows: Iterable[LoggedOp]) -> list[NodeEvent]:
    """The history that some ops tell, both newest first."""
    found: list[NodeEvent] = []
    began = ""  # when the oldest op of the last line was made
    for event in (event for row in rows if (event := _event(node, row)) is not None):
        last = found[-1] if found else None
        if last is not None and _goes_on(event, last) and _seconds_between(event.at, began) <= PAUSE_SECONDS:
            last.delta, last.first = composed(event.delta, last.delta), event.first
        else:
            found.append(event)
        began = event.at
    return found


def _goes_on(earlier: NodeEvent, later: NodeEvent) -> bool:
    both = [(one.user, one.path, one.via) for one in (earlier, later)]
    return earlier.what == later.what == "typed" and both[0] == both[1]


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _event(node: str, row: LoggedOp) -> NodeEvent | None:
    effect = row.effect
    if row.author.client.startswith(RESPACE):
        return None

    def event(what: What, **fields: Any) -> NodeEvent:
        by = row.author
        return NodeEvent(seq=row.seq, first=row.seq, at=row.at, what=what, user=by.user, via=by.via, **fields)

    named = getattr(effect, "node", node)
    along = "" if named == node else named
    match effect:
        case effects.Insert():
            return event("made", title=effect.title, parent=effect.parent)
        case effects.Import():
            made = next(one for one in effect.nodes if one.id == node)
            return event("made", title=made.title, parent=made.parent)
        case effects.Update():
            return event("changed", fields=list(_changes(effect, row.inverse)))
        case effects.Text():
            return event("typed", path=effect.path, delta=effect.delta)
        case effects.Move():
            return event("moved", parent=effect.parent, before=row.inverse.get("parent"))
        case effects.Delete():
            return event("deleted", along_with=along)
        case effects.Restore():
            back = next((one for one in effect.nodes if one.id == node), None)
            return event("restored", along_with=along, parent=UNSET if back is None else back.parent)
        case effects.Purge():
            return event("purged", along_with=along)
    return None


def _changes(effect: effects.Update, inverse: dict[str, Any]) -> Iterator[FieldChange]:
    before = inverse.get("set", {})
    for path, value in (effect.set or {}).items():
        yield FieldChange(path=path, before=before.get(path, UNSET), after=value)
    for path in effect.unset or ():
        yield FieldChange(path=path, before=before.get(path, UNSET))
