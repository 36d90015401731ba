"""Changing what was good: values within a message, and bytes of what was encoded. Deterministic by its chance."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

import msgpack

from tests.fuzz.corpus import NODES, STRANGE, as_json

# heads of JSON, msgpack, frames and UTF-8 that claim more than follows
_CLAIMS = (
    b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc1", b"\x80",
    b"\x90", b"\xc0", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\u0000", b"\\ud800", b"1e999", b"-0", b"NaN", b"[" * 600,
    b'{"a":' * 600, b"9" * 400, b"\x00", b'"', b",", b"}", b"]",
)  # fmt: skip


def mutated_value(value: Any, chance: Random, times: int = 1) -> Any:
    """The value with some of what it holds replaced, taken away, doubled or renamed."""
    changed = deepcopy(value)
    for _ in range(times):
        places = _places(changed)
        if not places:
            return chance.choice(STRANGE)
        holder, key = chance.choice(places)
        _change(holder, key, chance)
    return changed


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of everything below; no deeper than our own recursion bears."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(found) < 2000:
        holder = waiting.pop()
        keys: Sequence[Any] = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def _change(holder: Any, key: Any, chance: Random) -> None:
    match chance.randrange(7):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice((*NODES, "n", "base", "op", "type", "set", "tree", ""))] = holder.pop(key)
        case 2 if isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        case 3 if isinstance(holder[key], str):
            holder[key] = chance.choice(NODES)
        case 4 if isinstance(holder[key], int | float):
            holder[key] += chance.choice((-1, 1, 0.5, 2**40))
        case 5:
            holder[key] = {"k": holder[key]} if chance.random() < 0.5 else [holder[key]]
        case _:
            holder[key] = deepcopy(chance.choice(STRANGE))


def mutated_bytes(data: bytes, chance: Random, times: int = 1) -> bytes:
    """The bytes with bits flipped, pieces cut, doubled or put in."""
    changed = bytearray(data)
    for _ in range(times):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(changed):
                changed[at] = chance.randrange(256)
            case 2:
                del changed[at:]
            case 3:
                del changed[at : at + chance.randint(1, 8)]
            case 4:
                changed[at:at] = changed[at : at + chance.randint(1, 32)]
            case 5:
                changed[at:at] = chance.choice(_CLAIMS)
            case _:
                changed[at:at] = chance.randbytes(chance.randint(1, 4))
    return bytes(changed)


def encoded(value: Any, chance: Random, *, binary: bool) -> bytes:
    """JSON or msgpack of it; what msgpack cannot say (too large a number, a surrogate) is said as JSON."""
    if binary:
        try:
            packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
            return packed
        except (ValueError, OverflowError):
            pass
    return as_json(value)


def hostile(value: Any, chance: Random, *, binary: bool) -> bytes:
    """A good value, wrong in one way or several, in the bytes of an encoding."""
    if chance.random() < 0.75:
        value = mutated_value(value, chance, chance.choice((1, 1, 1, 2, 4)))
    data = encoded(value, chance, binary=binary)
    return mutated_bytes(data, chance, chance.choice((1, 1, 2, 5))) if chance.random() < 0.35 else data
