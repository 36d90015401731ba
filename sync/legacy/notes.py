"""What was mended in a row: by which rule, where, and what stood there."""

from __future__ import annotations

from typing import Literal

import msgspec

Rule = Literal[
    "child-listed",
    "child-nested",
    "connection-dangling",
    "connection-extra",
    "connection-fields",
    "connection-parent",
    "connection-self",
    "cycle-cut",
    "default-canvas",
    "default-name",
    "default-phase",
    "default-title",
    "duplicate-dropped",
    "duplicate-renamed",
    "field-kept",
    "field-named",
    "id-made",
    "id-shortened",
    "id-text",
    "json-in-text",
    "key-renamed",
    "key-twice",
    "null-dropped",
    "number-null",
    "number-text",
    "orphan-connected",
    "orphan-root",
    "position-read",
    "row-field",
    "row-id-made",
    "status-alias",
    "status-unknown",
    "surrogate-replaced",
    "text-made",
    "text-moved",
    "text-nul",
    "time-dropped",
    "type-alias",
    "type-by-depth",
    "wrong-type",
]

# What each does, for the closing report and for docs/operations.md
RULES: dict[Rule, str] = {
    "child-listed": "a node's list of children named its parent",
    "child-nested": "a node stood inside its parent's list of children",
    "connection-dangling": "a connection to a node that is not there was dropped",
    "connection-extra": "a connection was no object and was dropped",
    "connection-fields": "a connection keeps its ends and its label; what else it had was dropped",
    "connection-parent": "connections that say what the parents say became, or repeat, these",
    "connection-self": "a connection from a node to itself was dropped",
    "cycle-cut": "nodes stood below each other in a circle; the first of them is a root now",
    "default-canvas": "the canvas had no usable zoom, pan or orientation, and has the default",
    "default-name": "the tree had no name",
    "default-phase": "the discovery phase was no short text, and is the first one",
    "default-title": "a node had no title",
    "duplicate-dropped": "the same thing stood twice and is there once",
    "duplicate-renamed": "another thing had the id already; this one has a new id",
    "field-kept": "what no field of a node takes is in its metadata",
    "field-named": "a template field was written in another case",
    "id-made": "an id was missing and was made",
    "id-shortened": "an id had more than 64 characters",
    "id-text": "an id was a number",
    "json-in-text": "JSON was kept as text inside JSON",
    "key-renamed": "a key had a dot, more than 64 characters, or none",
    "key-twice": "a key stood twice in an object; the last one counts, as in PostgreSQL",
    "null-dropped": "an empty place in a list was dropped",
    "number-null": "NaN or infinity, which JSON does not know, is null",
    "number-text": "an integer beyond 2^53, which browsers would change, is text",
    "orphan-connected": "a node's parent was not there; it stands below the one a connection leads from",
    "orphan-root": "a node's parent was not there; the node is a root now",
    "position-read": "a position was not two finite numbers",
    "row-field": "a column that trees do not have was left behind",
    "row-id-made": "the row had no id; it is known by its content",
    "status-alias": "a status was written in other words",
    "status-unknown": "a status that reads as none of the three is in the metadata",
    "surrogate-replaced": "half of a character became U+FFFD",
    "text-made": "a value that must be text was a number or a flag",
    "text-moved": "a text that was too long goes on in the description",
    "text-nul": "U+0000, which PostgreSQL does not hold, was removed",
    "time-dropped": "a time could not be read",
    "type-alias": "a type was written in other words",
    "type-by-depth": "a type was missing or unknown; the depth gives it, the old word is in the metadata",
    "wrong-type": "a value of the wrong kind is in the metadata",
}

_SHOWN = 60  # characters of a value in a note: enough to find it again


class Note(msgspec.Struct, frozen=True):
    """One mended thing. `place` is where in the row: a path such as `nodes[3] (n7)`; empty: the row itself."""

    rule: Rule
    place: str
    what: str


class Notes(list[Note]):
    """Everything that was mended in one row, in the order in which it was found."""

    def add(self, rule: Rule, place: str, what: str = "") -> None:
        self.append(Note(rule, place, what or RULES[rule]))


def shown(value: object) -> str:
    """A value as a note tells it, cut and in one line."""
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
