"""Ops that are no ops, each in the bytes a client could send, and the code each is to be answered with (ED12, ED13)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack

Written = Callable[[int], bytes]  # an op's bytes, given its n
_ORIGIN = {"x": 0, "y": 0}
_TOO_BIG = 2**53


def _update(**fields: Any) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": fields}


def _set(path: str, value: Any) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {path: value}}


def _text(*delta: Any, path: str = "description") -> dict[str, Any]:
    return {"op": "text", "node": "root", "path": path, "delta": list(delta)}


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _insert(**fields: Any) -> dict[str, Any]:
    return {"op": "insert", "node": "bad", "parent": "root", "type": "metric", "title": "Bad"} | fields


# What both encodings can write. `base` is 0 where none is named.
WRITABLE: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown op": ({"op": "explode", "node": "root"}, "invalid"),
    "no op": ({"node": "root"}, "invalid"),
    "an op that is a number": ({"op": 5, "node": "root"}, "invalid"),
    "a missing field": ({"op": "insert", "node": "bad"}, "invalid"),
    "an unknown field": ({"op": "delete", "node": "root", "force": True}, "invalid"),
    "a node that is a number": (_update(title="Bad") | {"node": 5}, "invalid"),
    "a node that is null": (_update(title="Bad") | {"node": None}, "invalid"),
    "an empty id": (_insert(node=""), "invalid"),
    "an id of 65 characters": (_insert(node="x" * 65), "invalid"),
    "NUL in an id": (_insert(node="b\0d"), "invalid"),
    "an unknown type of node": (_insert(type="goal"), "invalid"),
    "a position without y": (_insert(position={"x": 1}), "invalid"),
    "an empty title": (_set("title", ""), "invalid"),
    "a title of 501 characters": (_set("title", "x" * 501), "invalid"),
    "a title that is null": (_set("title", None), "invalid"),
    "a title that is a map": (_set("title", {"a": 1}), "invalid"),
    "NUL in a title": (_set("title", "a\0b"), "invalid"),
    "NUL in a key": (_set("metadata.a\0b", 1), "invalid"),
    "NUL in a key of a value": (_set("metadata.k", {"a\0b": 1}), "invalid"),
    "a delta beyond the end": (_text(1_000, "x"), "invalid"),
    "a delta that deletes beyond the end": (_text(-1_000), "invalid"),
    "a delta that keeps nothing": (_text(0, "x"), "invalid"),
    "a delta that inserts nothing": (_text(""), "invalid"),
    "NUL in a delta": (_text("a\0b"), "invalid"),
    "a delta with a fraction": (_text(1.5), "invalid"),
    "a delta with a map": (_text({"keep": 1}), "invalid"),
    "a delta of 2^53": (_text(_TOO_BIG), "invalid"),
    "a delta on what is no text": (_text("x", path="position"), "invalid"),
    "a delta on a whole map": (_text("x", path="metadata"), "invalid"),
    "a delta that empties a title": (_text(-4, path="title"), "invalid"),
    "an integer of 2^53": (_set("metadata.k", _TOO_BIG), "invalid"),
    "an integer of -2^53": (_set("metadata.k", [{"deep": -_TOO_BIG}]), "invalid"),
    "a value 40 deep": (_set("metadata.k", _nested(40)), "invalid"),
    "a value 900 deep": (_set("metadata.k", _nested(900)), "invalid"),
    "a whole map": (_set("metadata", {"k": 1}), "invalid"),
    "a path with two dots": (_set("metadata.a.b", 1), "invalid"),
    "a path without a key": (_set("metadata.", 1), "invalid"),
    "a path to the placement": (_set("parent", None), "invalid"),
    "a path to what has no name": (_set("__class__", "x"), "invalid"),
    "a path that is set and unset": (_set("metadata.k", 1) | {"unset": ["metadata.k"]}, "invalid"),
    "a base that is negative": (_update(title="Bad") | {"base": -1}, "invalid"),
    "a base that is text": (_update(title="Bad") | {"base": "0"}, "invalid"),
    "a base from the future": (_update(title="Bad") | {"base": 10**6}, "invalid"),
    "a base of 2^53": (_update(title="Bad") | {"base": _TOO_BIG}, "invalid"),
    "an import of nothing": ({"op": "import", "parent": "root", "nodes": []}, "invalid"),
    "a connection of a node with itself": (
        {"op": "connect", "connection": "c", "from": "root", "to": "root"},
        "invalid",
    ),
    "a reparent without a position": ({"op": "move", "node": "root", "parent": "root"}, "invalid"),
    "a move of nothing": ({"op": "move", "node": "root"}, "invalid"),
    "a move below itself": ({"op": "move", "node": "root", "parent": "root", "position": _ORIGIN}, "cycle"),
    "a node that is not there": (_update(title="Bad") | {"node": "elsewhere"}, "node_missing"),
    "a parent that is not there": (_insert(parent="elsewhere"), "parent_missing"),
    "an id that is taken": (_insert(node="root"), "exists"),
}

_START = '"base":0,"op":"update","node":"root","set":'
# What only JSON can write: the text behind `{"n":…,`.
JSON_TEXTS: dict[str, str] = {
    "NaN": _START + '{"metadata.k":NaN}}',
    "Infinity": _START + '{"metadata.k":[-Infinity]}}',
    "a number beyond all doubles": _START + '{"metadata.k":1e999}}',
    "an integer of 400 digits": _START + '{"metadata.k":' + "9" * 400 + "}}",
    "an integer of 5,000 digits": _START + '{"metadata.k":' + "9" * 5000 + "}}",
    "a lone surrogate": _START + '{"title":"\\ud83d"}}',
    "a lone surrogate in a key": _START + '{"metadata.\\udc00":1}}',
    "NUL, escaped": _START + '{"title":"a\\u0000b"}}',
    "a key that stands twice": _START + '{"title":"Bad"},"node":"root"}',
    "a key that stands twice in a value": _START + '{"metadata.k":{"a":1,"a":2}}}',
    "a value 10,000 deep": _START + '{"metadata.k":' + "[" * 10_000 + "]" * 10_000 + "}}",
    "maps 5,000 deep": _START + '{"metadata.k":' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}}",
}


def packed_map(*pairs: tuple[str, bytes]) -> bytes:
    """A msgpack map of at most 15 pairs, in which a key may stand twice."""
    return bytes([0x80 | len(pairs)]) + b"".join(msgpack.packb(key) + value for key, value in pairs)


def _packed(n: int, value: bytes) -> bytes:
    """An update that sets metadata.k to that."""
    return packed_map(
        ("n", msgpack.packb(n)),
        ("base", msgpack.packb(0)),
        ("op", msgpack.packb("update")),
        ("node", msgpack.packb("root")),
        ("set", packed_map(("metadata.k", value))),
    )


_ONE = msgpack.packb(1)
# What only msgpack can write: the value of metadata.k.
MSGPACK_VALUES: dict[str, bytes] = {
    "NaN": msgpack.packb(float("nan")),
    "infinity": msgpack.packb([float("-inf")]),
    "an integer of 2^64 - 1": msgpack.packb(2**64 - 1),
    "bytes": msgpack.packb(b"bytes"),
    "an extension": msgpack.packb(msgpack.ExtType(5, b"x")),
    "a time": msgpack.packb(msgpack.Timestamp(1)),
    "a key that stands twice": packed_map(("a", _ONE), ("a", _ONE)),
    "a value 900 deep": b"\x91" * 900 + _ONE,
}


def cases() -> dict[str, list[tuple[str, Written, str]]]:
    """(what is bad, its bytes, the code) by encoding."""

    def dumped(op: dict[str, Any]) -> Written:
        return lambda n: json.dumps({"n": n, "base": 0, **op}).encode()

    def packed(op: dict[str, Any]) -> Written:
        return lambda n: msgpack.packb({"n": n, "base": 0, **op})

    def text(rest: str) -> Written:
        return lambda n: f'{{"n":{n},{rest}'.encode()

    def value(bad: bytes) -> Written:
        return lambda n: _packed(n, bad)

    return {
        "json": [(name, dumped(op), code) for name, (op, code) in WRITABLE.items()]
        + [(name, text(rest), "invalid") for name, rest in JSON_TEXTS.items()],
        "msgpack": [(name, packed(op), code) for name, (op, code) in WRITABLE.items()]
        + [(name, value(bad), "invalid") for name, bad in MSGPACK_VALUES.items()],
    }
