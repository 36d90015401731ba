"""What a caller is told: the durable answer to an op, and what changed in a tree."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET

from sync.effects import Effect
from sync.ops import Op
from sync.protocol import ConflictPath, Lost, Result
from treesync_client.errors import Rejected


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """An op that is durable: done, or nothing was left to do.

    `superseded` is a drag or reorder that yields to a reparent its author had not seen; `unknown` an op that was
    durable once before and whose first answer the server no longer keeps.
    """

    n: int
    status: Literal["applied", "merged", "unchanged", "superseded", "unknown"]
    seq: int | None = None
    effective: Effect | None = None  # where it says something that the op did not
    in_trash: bool = False
    overwrote: dict[str, Lost] = {}


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """An op that was set aside with its content because it met someone else's change; the tree is as it was."""

    n: int
    id: int | None
    node: str | None = None
    connection: str | None = None
    code: str = ""
    paths: dict[str, ConflictPath] = {}
    status: Literal["conflict"] = "conflict"


Answer = Landed | Conflict


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted op, as everyone sees it. `own` says that this client sent it."""

    seq: int
    effect: Effect
    user: str
    client: str
    via: str = ""
    n: int
    at: str
    own: bool = False


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """All of the tree was replaced by a newer state: changes up to `seq` are not told one by one."""

    seq: int
    reason: str


class Unstored(msgspec.Struct, frozen=True):
    """The queue's file could not be written: what was new is refused, what is stored waits until it can be sent."""

    why: str


class Trashed(msgspec.Struct, frozen=True, kw_only=True):
    """One deletion: its top node, how many nodes it took, who did it, at which seq and when."""

    node: str
    title: str = ""
    type: str = ""
    nodes: int
    seq: int = 0
    by: str = ""
    at: str = ""


def first_answer(result: Result) -> Result:
    """Of a duplicate its first result."""
    if result.status != "duplicate":
        return result
    first = {"n": result.n, "status": "unknown"} if result.first is UNSET else {"n": result.n, **result.first}
    return msgspec.convert(first, Result)


def answer_of(result: Result, op: Op) -> Answer | Rejected:
    """The answer to an op whose n is consumed."""
    result = first_answer(result)
    match result.status:
        case "rejected":
            return Rejected(result.why or "", code=result.code or "invalid", op=op)
        case "conflict":
            return _conflict(result)
        case status:
            return Landed(
                n=result.n,
                status="unknown" if status == "duplicate" else status,
                seq=result.seq or None,
                effective=result.effective or None,
                in_trash=result.in_trash,
                overwrote=result.overwrote or {},
            )


def _conflict(result: Result) -> Conflict:
    view = result.conflict
    if view is UNSET:
        return Conflict(n=result.n, id=None)
    return Conflict(
        n=result.n,
        id=view.id or None,
        node=view.node or None,
        connection=view.connection or None,
        code=view.code or "",
        paths=view.paths,
    )
