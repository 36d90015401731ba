"""Deltas through a room, and what its author would see: for tests of text."""

from __future__ import annotations

from typing import Any

from sync.ports import LoggedOp
from sync.room import Room
from tests.rooms import Bench, Json

DESCRIPTION = "description"


def text(n: int, delta: list[Any], *, path: str = DESCRIPTION, node: str = "root", **fields: Any) -> Json:
    return {"n": n, "op": "text", "node": node, "path": path, "delta": delta, **fields}


def put(n: int, value: Any, *, path: str = DESCRIPTION, node: str = "root", **fields: Any) -> Json:
    return {"n": n, "op": "update", "node": node, "set": {path: value}, **fields}


def read(room: Room, path: str = DESCRIPTION, node: str = "root") -> Any:
    prefix, dot, key = path.partition(".")
    held = room.tree.nodes[node].node
    return getattr(held, prefix).get(key) if dot else getattr(held, path)


def started(value: str, path: str = DESCRIPTION) -> Bench:
    """A room in which `cy` has set a text, at seq 2."""
    bench = Bench()
    bench.do(put(1, value, path=path, base=1), user="cy")
    return bench


def log_of(bench: Bench) -> list[LoggedOp]:
    return [op for batch in bench.batches for op in batch.ops]
