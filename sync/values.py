"""Paths and values: what a field may be called, what it may hold, how it is read and written (SEMANTICS 17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from msgspec import UNSET, UnsetType

from sync import ops
from sync.codec import JSON
from sync.errors import Invalid
from sync.limits import KEY_CHARACTERS, TITLE_CHARACTERS, VALUE_DEPTH, Limits
from sync.nodes import NODE_TYPES, Details, Node, Point
from sync.untyped import unstorable

ABSENT = UNSET  # what reading a path answers where there is nothing
VIEW_STATE = frozenset({"is_collapsed", "position"})  # last writer wins in every mode, without a record (SEMANTICS 18)
_DETAIL_TEXT_CHARACTERS = 10_000  # a tree's description; its name keeps to the title's limit
_PHASE_CHARACTERS = 64


class Refused(Exception):
    """An op that has no effect; `code` and `why` go to its author."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def is_view_state(path: str) -> bool:
    return path in VIEW_STATE or path.startswith("canvas_state.")


# ---- reading and writing ----------------------------------------------------------------------------------------


def read(thing: Node | Details, path: str) -> Any:
    """The value at a path, ABSENT where there is none."""
    prefix, dot, key = path.partition(".")
    return getattr(thing, prefix).get(key, ABSENT) if dot else getattr(thing, path)


def written(thing: Node | Details, changed: dict[str, Any], unset: Iterable[str]) -> dict[str, Any]:
    """The fields to replace so that paths hold new values; maps are copied, never changed in place."""
    fields: dict[str, Any] = {}
    for path, value in changed.items():
        prefix, dot, key = path.partition(".")
        if dot:
            _copy_of(thing, prefix, fields)[key] = value
        else:
            fields[path] = value
    for path in unset:
        prefix, _, key = path.partition(".")
        _copy_of(thing, prefix, fields).pop(key, None)
    return fields


def _copy_of(thing: Node | Details, field: str, fields: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] | None = fields.get(field)
    if copy is None:
        copy = fields[field] = dict(getattr(thing, field))
    return copy


# ---- checking ---------------------------------------------------------------------------------------------------


def check_text(value: Any, what: str, limit: int, least: int = 0) -> None:
    """Raises Refused unless value is text of `least` to `limit` characters that the database can hold."""
    if type(value) is not str:
        raise Refused("invalid", f"{what} must be text")
    if "\x00" in value:
        raise Refused("invalid", f"{what} may not hold U+0000")
    if not least <= len(value) <= limit:
        code = "too_large" if len(value) > TITLE_CHARACTERS and limit > TITLE_CHARACTERS else "invalid"
        raise Refused(code, f"{what} must have {least} to {limit} characters")


def _check_title(value: Any, limits: Limits) -> None:
    check_text(value, "title", TITLE_CHARACTERS, 1)


def _check_description(value: Any, limits: Limits) -> None:
    check_value(value, "description", limits)
    if type(value) is not str:
        raise Refused("invalid", "description must be text")


def _check_type(value: Any, limits: Limits) -> None:
    if value not in NODE_TYPES:
        raise Refused("invalid", f"type must be one of {', '.join(NODE_TYPES)}")


def _check_flag(value: Any, limits: Limits) -> None:
    if type(value) is not bool:
        raise Refused("invalid", "must be true or false")


def _check_name(value: Any, limits: Limits) -> None:
    check_text(value, "name", TITLE_CHARACTERS, 1)


def _check_tree_description(value: Any, limits: Limits) -> None:
    check_text(value, "description", _DETAIL_TEXT_CHARACTERS)


def _check_phase(value: Any, limits: Limits) -> None:
    check_text(value, "discovery_phase", _PHASE_CHARACTERS)


_Check = Callable[[Any, Limits], None]
NODE_FIELDS: dict[str, _Check] = {
    "title": _check_title,
    "description": _check_description,
    "type": _check_type,
    "is_collapsed": _check_flag,
}
NODE_MAPS = frozenset({"template_data", "metadata"})
TREE_FIELDS: dict[str, _Check] = {
    "name": _check_name,
    "description": _check_tree_description,
    "discovery_phase": _check_phase,
    "is_template": _check_flag,
}
TREE_MAPS = frozenset({"canvas_state"})


def check_value(value: Any, what: str, limits: Limits) -> None:
    """Any JSON value that every replica can hold, within `limits.value_bytes` once encoded."""
    if type(value) is str:
        if "\x00" in value:
            raise Refused("invalid", f"{what} may not hold U+0000")
        size = len(value)
        if size * 4 > limits.value_bytes:  # a code point takes four bytes of UTF-8 at most: exact only where needed
            size = len(value.encode())
    elif value is None or value is True or value is False:
        return
    else:
        why = unstorable(value, VALUE_DEPTH)
        if why is not None:
            raise Refused("invalid", f"{what}: {why}")
        size = len(JSON.encode_value(value))
    if size > limits.value_bytes:
        raise Refused("too_large", f"{what} is larger than {limits.value_bytes} bytes")


def check_paths(
    changed: dict[str, Any], unset: Iterable[str], fields: dict[str, _Check], maps: frozenset[str], limits: Limits
) -> None:
    """Raises Refused where a path may not be named, or may not hold its value."""
    for path, value in changed.items():
        check = fields.get(path)
        if check is not None:
            check(value, limits)
        else:
            check_key(path, maps)
            check_value(value, path, limits)
    for path in unset:
        check_key(path, maps)
        if path in changed:
            raise Refused("invalid", f"{path} is both set and unset")


def check_key(path: str, maps: frozenset[str]) -> None:
    prefix, _, key = path.partition(".")
    if prefix not in maps or "." in key or not 1 <= len(key) <= KEY_CHARACTERS or "\x00" in key:
        raise Refused("invalid", f"no such path: {path[:100]!r}")


def check_content(made: ops.Insert | ops.ImportedNode, limits: Limits) -> None:
    """The fields of a node that is about to be made."""
    check_text(made.title, "title", TITLE_CHARACTERS, 1)
    if isinstance(made.description, str):
        check_value(made.description, "description", limits)
    check_point(made.position)
    for field in ("template_data", "metadata"):
        for key, value in (getattr(made, field) or {}).items():
            check_key(f"{field}.{key}", NODE_MAPS)
            check_value(value, f"{field}.{key}", limits)


def check_point(point: Point | UnsetType) -> None:
    if isinstance(point, Point) and not (isfinite(point.x) and isfinite(point.y)):
        raise Refused("invalid", "a position must be finite")


def check_ids(*ids: str | UnsetType | None) -> None:
    """Lengths were checked in decoding; what is left is what only a binary codec can carry."""
    for one in ids:
        if isinstance(one, str) and "\x00" in one:
            raise Refused("invalid", "an id may not hold U+0000")


def canonical_name(name: str) -> str:
    """A tree's name for creation by HTTP. Raises Invalid."""
    try:
        check_text(name, "name", TITLE_CHARACTERS, 1)
    except Refused as refused:
        raise Invalid(refused.why) from refused
    return name
