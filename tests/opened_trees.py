"""Making ops, and answering edits by hand: for tests of open trees, message by message."""

from __future__ import annotations

from typing import Any

from sync import ops
from sync.protocol import (
    Edit,
    Outcome,
    Result,
)
from tests.mini_server import MiniClient, MiniServer


def insert(node: str, **fields: Any) -> ops.Insert:
    made: dict[str, Any] = {"n": 1, "base": 0, "node": node, "type": "metric", "title": node}
    return ops.Insert(**(made | fields))


def title(node: str, value: str, base: int = 0) -> ops.Update:
    return ops.Update(n=1, base=base, node=node, set={"title": value})


def entered(server: MiniServer, user: str = "ada", client: str = "a1") -> MiniClient:
    made = MiniClient(server, user, client)
    made.connect()
    made.settle()
    return made


def sent(client: MiniClient) -> list[Edit]:
    return [message for message in client.outbound if isinstance(message, Edit)]


def numbers(edit: Edit) -> list[int]:
    return [op.n for op in edit.ops]


def refuse(client: MiniClient, code: Any, **more: Any) -> None:
    """The server refuses the oldest edit under way; what is behind it is answered gap."""
    edits = sent(client)
    client.outbound.clear()
    first = edits[0].ops[0].n
    for edit in edits:
        results = [Result(n=op.n, status="rejected", code="gap", why="", expected=first) for op in edit.ops]
        if edit is edits[0]:
            results[0] = Result(n=first, status="rejected", code=code, why="", **more)
        client.tree.hear(Outcome(tree=7, ref=edit.ref, seq=0, results=results))


def refusal(n: int, code: Any, **more: Any) -> Result:
    return Result(n=n, status="rejected", code=code, why="", **more)
