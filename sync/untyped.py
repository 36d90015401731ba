"""JSON without types, and what of it can be stored: for what the typed decoders could not read.

Python's reader is used because it can be told to notice a key that stands twice, and to read lone surrogates, NaN and
integers of any size, so that the one op that holds such a thing can be refused by its number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from sync.errors import Unreadable
from sync.limits import VALUE_DEPTH

_ENVELOPE_DEPTH = 4  # op, nodes, node, template_data: what may stand around a value
_READABLE_DEPTH = 64  # what lies deeper is left out before Python's reader, which gives up near 1,000, sees it
_SHALLOWED_BYTES = 128 * 1024  # of a frame; a bomb in a larger body is not worth the time to read around it
_INTEGER_CHARACTERS = 20  # 2^53 has 16 digits
_BEYOND_STORING = 2**53


class DuplicateKey(dict[str, Any]):
    """A map in which a key stood twice; it is no valid value anywhere."""


def unstorable(value: Any, depth: int = VALUE_DEPTH + _ENVELOPE_DEPTH) -> str | None:
    """Why PostgreSQL's jsonb, JavaScript or JSON itself could not hold this value; None if they all can.

    NUL and lone surrogates (jsonb refuses them), NaN and infinity (no JSON), integers beyond 2^53 (JavaScript would
    change them), keys that are no text or stand twice. `depth` is how many maps and lists may lie in each other; the
    walk goes level by level, so that a deep value costs no recursion.
    """
    level: list[Any] = [value]
    for _ in range(depth + 1):
        inner: list[Any] = []
        for item in level:
            why = _unstorable_leaf(item)
            if why is not None:
                return why
            inner.extend(_inside(item))
        if not inner:
            return None
        level = inner
    return f"nested deeper than {VALUE_DEPTH}"


def _inside(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else ()


def _unstorable_leaf(item: Any) -> str | None:
    match item:
        case str():
            if "\x00" in item:
                return "text may not hold U+0000"
            if not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item):
                return "text may not hold a lone surrogate"
        case bool() | None:
            return None
        case int():
            if not -(2**53) < item < 2**53:
                return "an integer must lie between -2^53 and 2^53"
        case float():
            if not math.isfinite(item):
                return "a number must be finite"
        case DuplicateKey():
            return "a key stands twice in one map"
        case dict():
            return None if all(type(key) is str for key in item) else "a key must be text"
        case list():
            return None
        case _:
            return f"a value may not be {type(item).__name__}"
    return None


def pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else DuplicateKey(found)


def loads_json(data: bytes) -> Any:
    try:
        # decoded here: Python's reader would take UTF-16 and UTF-32 too, and JSON is UTF-8 (RFC 8259 §8.1)
        return json.loads(data.decode(), object_pairs_hook=pairs, parse_int=_integer)
    except RecursionError as error:
        if len(data) > _SHALLOWED_BYTES:
            raise Unreadable("nested too deep to be read") from error
        return loads_json(_shallowed(data))
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from error


def _integer(text: str) -> int:
    """Python reads no integer of more than 4,300 digits; one that is beyond storing is refused whatever it is."""
    return int(text) if len(text) <= _INTEGER_CHARACTERS else _BEYOND_STORING


# a string (one that does not end reaches to the end of the data), or a bracket outside of strings
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)|[\[{\]}]', re.DOTALL)


def _shallowed(data: bytes) -> bytes:
    """JSON with null for what is nested too deep: it is still deep enough to be refused, and what stands beside it can
    be read."""
    kept: list[bytes] = []
    depth = start = 0
    for token in _BRACKET.finditer(data):
        bracket = token[0]
        if bracket in (b"[", b"{"):
            depth += 1
            if depth == _READABLE_DEPTH:
                kept += (data[start : token.start()], b"null")
        elif bracket in (b"]", b"}"):
            if depth == _READABLE_DEPTH:
                start = token.end()
            depth -= 1
    if depth < _READABLE_DEPTH:
        kept.append(data[start:])
    return b"".join(kept)
