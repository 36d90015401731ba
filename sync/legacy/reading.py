"""The JSON of a row, whatever it holds, as values that can be stored."""

from __future__ import annotations

import json
from typing import Any

from sync.errors import Invalid
from sync.legacy.notes import Notes, shown
from sync.untyped import DuplicateKey, pairs

# A row, its list, a node, its template data, and then a value of 32 levels (sync.limits.VALUE_DEPTH). The rest is for
# children that stand inside their parents: they are taken out level by level, so that this is a bound of the reader
# alone, which gives up near 1,000.
_DEPTH = 400
_EXACT = 2**53
_SHOWN = 40  # characters of a key in a place
_INTEGER_CHARACTERS = 4_300  # Python reads no longer one (its own guard against slow conversion)


def read_text(text: str | bytes, place: str, notes: Notes) -> Any:
    """JSON as it stands in a row. Raises Invalid, naming the place."""
    try:
        said = text.decode() if isinstance(text, bytes) else text
        raw = json.loads(said, object_pairs_hook=pairs, parse_int=_integer)
    except RecursionError:
        raise Invalid(f"{place}: nested too deep to be read") from None
    except ValueError as error:
        raise Invalid(f"{place}: not JSON: {error}") from None
    return _mended(raw, place, notes, _DEPTH)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _INTEGER_CHARACTERS else digits


def _mended(value: Any, place: str, notes: Notes, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, place, notes)
        case int():
            if -_EXACT < value < _EXACT:
                return value
            notes.add("number-text", place, f"{value} is kept as text")
            return str(value)
        case float():
            return _float(value, place, notes)
    if depth == 0:
        raise Invalid(f"{place}: nested too deep")
    if isinstance(value, list):
        return [_mended(one, f"{place}[{number}]", notes, depth - 1) for number, one in enumerate(value)]
    if isinstance(value, DuplicateKey):
        notes.add("key-twice", place)
    made = {}
    for key, one in value.items():
        inner = f"{place}.{key[:_SHOWN]}" if place else key[:_SHOWN]
        made[_text(key, inner, notes)] = _mended(one, inner, notes, depth - 1)
    return made


def _text(text: str, place: str, notes: Notes) -> str:
    if "\x00" in text:
        notes.add("text-nul", place)
        text = text.replace("\x00", "")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        notes.add("surrogate-replaced", place)
        # halves that belong together are joined on the way
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _float(value: float, place: str, notes: Notes) -> float | None:
    if value != value or value in (float("inf"), float("-inf")):
        notes.add("number-null", place, f"{shown(value)} is null now")
        return None
    return value


def decoded(value: Any, place: str, notes: Notes) -> Any:
    """A column that should be a list or an object: also where its JSON was kept as text, once or twice over. Raises
    Invalid for a text that is no JSON."""
    for _ in range(3):
        if not isinstance(value, str):
            break
        if not value.strip():
            return None
        notes.add("json-in-text", place)
        value = read_text(value, place, notes)
    return value
