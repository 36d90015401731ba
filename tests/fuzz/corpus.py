"""Good messages, one of every kind and more: what is mutated. And values that have broken programs before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

Message = dict[str, Any]
FOUND = Path(__file__).parent / "found"  # inputs that were findings once: <target>-<what>.bin
TREE = 1
NODES = ("root", "a", "b", "c", "d", "trashed", "nobody")
_ORIGIN = {"x": 1.5, "y": -2}

OPS: tuple[Message, ...] = (
    {"op": "insert", "node": "new", "parent": "a", "after": "b", "type": "metric", "title": "T", "description": "D"},
    {"op": "insert", "node": "new", "type": "outcome", "title": "T", "position": _ORIGIN, "metadata": {"k": [1, {}]}},
    {"op": "update", "node": "a", "set": {"title": "T", "metadata.k": None}, "was": {"title": "A"}},
    {"op": "update", "node": "a", "set": {"template_data.core_why": "x"}, "unset": ["metadata.k"]},
    {"op": "update", "connection": "c1", "set": {"label": "L"}},
    {"op": "text", "node": "a", "path": "description", "delta": [1, "x", -1]},
    {"op": "text", "node": "b", "path": "metadata.k", "delta": ["hello"]},
    {"op": "move", "node": "b", "parent": "c", "after": None, "position": _ORIGIN},
    {"op": "move", "node": "b", "after": "c"},
    {"op": "move", "node": "b", "position": _ORIGIN},
    {"op": "delete", "node": "c"},
    {"op": "restore", "node": "trashed", "parent": None},
    {"op": "connect", "connection": "c2", "from": "a", "to": "b", "label": "L"},
    {"op": "disconnect", "connection": "c1"},
    {"op": "configure", "set": {"name": "N", "canvas_state.zoom": 2}, "unset": ["canvas_state.pan"]},
    {
        "op": "import",
        "parent": "a",
        "nodes": [
            {"id": "i", "type": "metric", "title": "I"},
            {"id": "j", "parent": "i", "type": "metric", "title": "J"},
        ],
        "connections": [{"id": "c3", "from": "i", "to": "j"}],
    },
)
POSITION = {"epoch": "0" * 16, "seq": 2, "mark": "0" * 16}
MESSAGES: tuple[Message, ...] = (
    {"type": "open", "ref": 1, "tree": TREE},
    {"type": "open", "ref": "r", "tree": TREE, "position": POSITION},
    {"type": "open", "tree": TREE, "position": POSITION, "reason": "digest"},
    {"type": "close", "tree": TREE},
    {"type": "ping", "ref": 1},
    {"type": "auth", "token": "x.y.z", "ref": 2},
    {"type": "hello", "protocol": 1, "token": "x.y.z", "client_id": "c", "kind": "agent"},
    {"type": "presence", "tree": TREE, "state": {"cursor": {"x": 1, "y": 2}, "selection": ["a"]}},
    {"type": "activity", "tree": TREE, "events": [{"id": "e1", "kind": "node_viewed", "node": "a", "data": {}}]},
    {"type": "resolve", "tree": TREE, "conflict": 1, "base": 2, "choice": "value", "value": "V", "ref": 3},
    {"type": "resolve", "conflict": 1, "base": 2, "choice": "mine", "ref": 3},
)
MODES = ("live", "replay", "force")
POLICIES = ("each", "all_or_nothing")

_DEEP: Any = 0
for _ in range(200):
    _DEEP = [_DEEP]
# what stands at the edges of types, and what other layers below ours cannot bear
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -0.0, -1, 1, 2**31, 2**53, -(2**53), 2**63, 2**64 - 1, 1e308, -1e-320, 0.1,
    "", "\0", "a\0b", "\ud800", "x" * 65, "x" * 501, "x" * 5000, "é" * 64, "👩‍👩‍👧", "../..", "%00", "1", "root", "a.b",
    "metadata.", "metadata.k.l", "__class__", "canvas_state.zoom", "'; DROP TABLE tree_nodes; --",
    [], {}, [[]], [None], {"": 1}, {"a": {"b": {}}}, {"\0": 0}, {"k" * 65: 1}, _DEEP,
)  # fmt: skip


def edits(chance: Random) -> Message:
    """An edit of one to four ops; their numbers follow on one another, as a client's do."""
    ops = [
        {"n": n, "base": chance.choice((0, 2, 2, 3)), **chance.choice(OPS)}
        for n in range(1, chance.choice((2, 2, 3, 5)))
    ]
    message: Message = {"type": "edit", "tree": TREE, "ops": ops}
    if chance.random() < 0.5:
        message["mode"] = chance.choice(MODES)
    if chance.random() < 0.2:
        message["policy"] = chance.choice(POLICIES)
    return message


def message(chance: Random) -> Message:
    """A good message; two of three are edits, for most of the code is behind those."""
    return edits(chance) if chance.random() < 0.67 else dict(chance.choice(MESSAGES))


def everything() -> Iterator[Message]:
    """One of each."""
    yield from MESSAGES
    for op in OPS:
        yield {"type": "edit", "tree": TREE, "mode": "live", "ops": [{"n": 1, "base": 2, **op}]}


def found(target: str) -> list[tuple[str, bytes]]:
    """The findings of the past, by name."""
    return [(path.stem, path.read_bytes()) for path in sorted(FOUND.glob(f"{target}-*.bin"))]


def as_json(value: Any) -> bytes:
    """ASCII only, so that a lone surrogate can be written as an escape."""
    return json.dumps(value).encode()
