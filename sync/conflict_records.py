"""Conflict records as they are kept, and the port that lists them (P6, SEMANTICS 23-26)."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from sync.identity import Identity, TreeKey
from sync.protocol import Closing


class ConflictRecord(msgspec.Struct, kw_only=True):
    """Something that was typed and is not in the tree: kept with its content (P6, SEMANTICS 23-26).

    `user` is whose value waits: in each of `paths` (path -> {base, mine, theirs, by, seq}) `mine` is that value,
    `theirs` what stands and `by` who set it. Of a record that is `aside`, `ops` are the ops that wait, as they were
    sent, `was` included; `client` and `n` name the first. `seqs` are those of the further losses it stands for. `at` is
    the time of the commit that opened it, "" before that. A record is replaced when it changes, never changed.
    """

    id: int
    kind: Literal["aside", "overwritten"] = "aside"
    node: str = ""
    connection: str = ""
    user: str
    client: str = ""
    n: int = 0
    base: int = 0
    code: str = ""
    ops: list[dict[str, Any]] = []
    paths: dict[str, Any] = {}
    parties: list[str] = []
    seqs: list[int] = []
    at: str = ""
    closed: Closing | None = None


class OwnConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A record as one person's list over all trees gives it."""

    tree: int
    record: ConflictRecord


class ConflictReader(Protocol):
    """The part of `sync.ports.Directory` that lists conflict records."""

    async def conflicts(
        self, key: TreeKey, *, user: str | None, limit: int, before: int | None = None
    ) -> list[ConflictRecord]:
        """Open conflict records, newest first, ids below `before`. With `user` only those that concern him (SEMANTICS
        26); None: all of the tree's, for owners and admins."""
        ...

    async def own_conflicts(self, identity: Identity, *, limit: int, before: str | None = None) -> list[OwnConflict]:
        """Open records that concern this user, of all the trees he may see, newest first. `before` is `at|tree|id` of
        the last line of a page."""
        ...
