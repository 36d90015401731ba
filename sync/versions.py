"""Versions of a tree: kept snapshots, and the port through which storage keeps, lists, names and finds them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from sync.errors import Clash
from sync.identity import TreeKey

VersionKind = Literal["automatic", "named", "before_delete"]


MOST_NAMED = 1_000  # versions with a name in one tree: of 10,000 nodes each keeps 1 MB
MOST_COUNTED = 10_000  # ops are looked at to say what a version brought; 50 ms


class TreeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A kept snapshot. Numbers are gapless per tree and never given twice. `state` is a snapshot's `state`, encoded as
    JSON; empty where a list was asked for, and of a version that was `thinned`, which the log still tells.

    `named`: a person made it, or gave it a name; it is never thinned. `user` is who did (nobody: the server). `authors`
    edited since the version before, who did most first. `mark` is that of the seq, where the state was not read from
    the log: only what the log holds is kept.
    """

    number: int
    seq: int
    epoch: str
    state: bytes = b""
    kind: VersionKind = "automatic"
    nodes: int = 0  # live ones
    at: str = ""
    user: str = ""
    description: str = ""
    name: str = ""
    thinned: bool = False
    authors: list[str] = []
    mark: str = ""


class Edited(msgspec.Struct, frozen=True):
    """How many ops of a kind a person made."""

    user: str
    kind: str  # as the `op` of an effect
    count: int


def too_many() -> Clash:
    """What a name is refused with in a tree that has MOST_NAMED of them."""
    why = f"a tree has at most {MOST_NAMED} versions with a name; take away that of one"
    return Clash(why, code="too_many")


class VersionStore(Protocol):
    """A part of `sync.ports.Store`. All raise NotFound where there is no such tree."""

    async def keep_version(self, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
        """Store a version under the next number. None: one of that epoch and seq is there already, or, for an
        automatic one, a later one of its epoch; or the log does not hold the mark it names. Raises Clash
        (`too_many`) for one with a name more than MOST_NAMED."""
        ...

    async def version_before(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        """The newest version at or below a seq that still has its state."""
        ...

    async def version(self, key: TreeKey, number: int) -> TreeVersion | None:
        """One version without its state, thinned or not."""
        ...

    async def versions(self, key: TreeKey, *, limit: int, before: int | None = None) -> list[TreeVersion]:
        """Versions without their states, the highest number first; those below `before`. Thinned ones are left out."""
        ...

    async def version_at(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        """The version of exactly that moment, without its state."""
        ...

    async def rename_version(self, key: TreeKey, version: TreeVersion, *, first: bool = False) -> TreeVersion | None:
        """Give that number this name, description and user: it is `named` from now on. None: no such version, or it
        has a name, where only a `first` one may be given, or it was thinned and no `state` is brought, which it gets.
        Raises Clash (`too_many`) likewise."""
        ...

    async def unname_version(self, key: TreeKey, number: int) -> TreeVersion | None:
        """Take a version's name, description and user away: it is as if kept by itself. None: no such version."""
        ...

    async def edited(self, key: TreeKey, epoch: str, seq: int) -> list[Edited]:
        """What was done up to a seq since the version before it, most first; of the last MOST_COUNTED ops. What the
        server did itself (respacing) is left out."""
        ...


class PastReader(Protocol):
    """A part of `sync.ports.Store`: finding one's way in the log."""

    async def seq_at(self, key: TreeKey, moment: datetime) -> int:
        """The seq the tree had come to at that time; 0: it had no op yet."""
        ...

    async def ops_span(self, key: TreeKey, user: str, client: str) -> tuple[int, int, int]:
        """(first seq, last seq, count) of what a user did in a tree, through one client where it is named; zeros: none.
        Of a client alone ("" for the user) of whichever user."""
        ...
