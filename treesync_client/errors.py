"""What a caller of the client may have to handle, on top of `sync.errors`.

    TreesyncError
    ├── ClientFault
    │   ├── Rejected            an op without effect, with the protocol's code and the reason
    │   ├── StoreInUse          another process has the queue's file
    │   └── StoreOfAnother      the file holds the queue of another server, tenant or user
    └── ServerFault
        ├── Disconnected        the client has given up, or was closed; `close_code` says why where a socket told
        └── StoreFailed         the queue's file cannot be read or written: the disk is full, or may not be written

`open` also raises `NotFound`, `Forbidden` and `TooMany`; nothing the client sends is lost by any of them: what was not
answered stays in the tree's queue (`LiveTree.unanswered`).
"""

from __future__ import annotations

from sync.errors import ClientFault, Forbidden, NotFound, ServerFault, TooMany, TreesyncError, Unauthorised, Unavailable
from sync.ops import Op


class Rejected(ClientFault):
    """An op had no effect. `kept` says that it stays in the queue and goes again when its author may write again."""

    def __init__(self, why: str, *, code: str, op: Op, kept: bool = False) -> None:
        super().__init__(f"{code}: {why}" if why else code, code=code)
        self.op = op
        self.kept = kept


class Disconnected(ServerFault):
    """The client has no socket and will not make another one."""

    code = "disconnected"

    def __init__(self, why: str, close_code: int | None = None) -> None:
        super().__init__(why)
        self.close_code = close_code


class StoreInUse(ClientFault):
    """One file is one queue with one writer (SEMANTICS 4): close the other process, or give this one its own file."""

    code = "store_in_use"


class StoreOfAnother(ClientFault):
    """A queue belongs to one server, tenant and user; it would be wrong anywhere else."""

    code = "store_of_another"


class StoreFailed(ServerFault):
    """Nothing was stored, and nothing is sent that is not stored."""

    code = "unstored"


_KINDS: dict[str, type[TreesyncError]] = {
    "not_found": NotFound,
    "forbidden": Forbidden,
    "unauthorised": Unauthorised,
    "unavailable": Unavailable,
    "rate": TooMany,
    "too_many": TooMany,
}


def fault(code: str, why: str) -> TreesyncError:
    """The exception for an `error` of the server."""
    return _KINDS.get(code, ClientFault)(why, code=code)
