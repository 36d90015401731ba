"""What a judge answers: a verdict, a refusal, or that the op waits for its author's decision."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from sync import effects
from sync.backlog import Backlog
from sync.effects import Effect
from sync.ladders import Ladders
from sync.limits import Limits
from sync.protocol import ConflictPath, Lost, Mode

# In `replay` these are conflicts, not refusals: someone else's change made them so (SEMANTICS 23)
SET_ASIDE_CODES = frozenset({"cycle", "parent_missing", "node_missing", "connection_missing", "exists"})


class SetAside(Exception):
    """A replayed op that meets someone else's change; it waits with its content."""

    def __init__(self, paths: dict[str, ConflictPath], code: str = "") -> None:
        super().__init__(code)
        self.paths = paths
        self.code = code


class Asking(msgspec.Struct, frozen=True):
    """Who asks, in which mode, the limits that hold, and what was changed lately; a replica knows nothing of that."""

    user: str
    client: str
    mode: Mode
    limits: Limits
    backlog: Backlog | None = None
    ladders: Ladders | None = None  # of the texts that the same edit changed before
    merging: list[int] | None = None  # the work that three-way merges of the same edit may do yet


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `respaced` are moves of the server's own that come before the effect (SEMANTICS 21).

    No effect: the op changed nothing, and `status` says why.
    """

    effect: Effect | None = None
    status: Literal["applied", "merged", "unchanged", "superseded"] = "applied"
    in_trash: bool = False
    overwrote: dict[str, Lost] | UnsetType = UNSET
    respaced: tuple[effects.Move, ...] = ()
    differs: bool = False  # whether the effect says something that the op did not


UNCHANGED = Verdict(status="unchanged")
SUPERSEDED = Verdict(status="superseded")
