"""Structures of many trees: kept behind the edits, handed to AI jobs in batches that no two of them share, exported,
and asked across trees. Declared here, implemented by `storage/`.

A kept structure is stamped with the position it shows and with what it was made by; one that is behind is made anew
before it is given. Making it never touches a tree's head, and never waits for a commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from sync.identity import Identity, TreeKey

LEASE_SECONDS = 900.0  # how long a worker has a claimed tree: a model may take a minute for each of a batch
TOGETHER_NODES = 20_000  # from which on a page or a batch takes no further tree: 15 MB of documents


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that nobody else has until `until`. `structures` are documents (`sync.structure.Structure`) as JSON."""

    claim: str
    until: str
    structures: list[msgspec.Raw]


class Processed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an AI job made of a tree: kept as its `ai_metadata.latest_insights`."""

    tree: int
    insights: Any


class TermUse(msgspec.Struct, frozen=True, kw_only=True):
    """A tree that speaks of a term of the vocabulary: in how many nodes, and the first 20 of these."""

    tree: int
    name: str
    node_count: int
    nodes: list[str]


class Page(NamedTuple):
    """Documents by number of their trees. `next`: the `after` of the following page, also where trees went meanwhile
    and this one is short or empty; None: the last."""

    documents: list[bytes]
    next: int | None


class Structures(Protocol):
    """Every call names the tenant; nothing crosses it. Raises Unavailable. `asked` and `hits` count how often of the
    documents asked for one by one what was kept was level."""

    asked: int
    hits: int

    async def structure(self, key: TreeKey) -> bytes:
        """The document of a tree as it is now, as JSON. Raises NotFound."""
        ...

    async def refresh(self, tenant: str, *, since: datetime | None) -> int:
        """Bring what is behind level, of the trees that changed since; None: of all. Answers how many were."""
        ...

    async def level(self, tenant: str, owner: str) -> None:
        """Bring what is behind level, of the trees that somebody owns, as many as are made while one waits: what is
        said of him in all is said by that. The others are left to `refresh`."""
        ...

    async def claim(self, tenant: str, claim: str, *, limit: int, before: datetime | None) -> Claimed:
        """Take trees that were never processed, or last before that moment; those first that changed longest ago, as
        many as are `first_together`."""
        ...

    async def complete(self, tenant: str, claim: str, results: Sequence[Processed]) -> list[int]:
        """Mark trees as processed; answers those that this claim still had, the others are left as they are."""
        ...

    async def page(self, tenant: str, *, after: int, limit: int) -> Page:
        """The documents of the next trees of a tenant, by number, as many as are `first_together`."""
        ...

    async def with_term(self, identity: Identity, term: str, *, after: int, limit: int) -> list[TermUse]:
        """The trees this user may see that speak of a term, by number."""
        ...


def first_together(trees: Iterable[tuple[int, int]]) -> list[int]:
    """Of trees with their numbers of nodes the first ones, up to that with which TOGETHER_NODES are reached."""
    found: list[int] = []
    nodes = 0
    for tree, count in trees:
        if nodes >= TOGETHER_NODES:
            break
        found.append(tree)
        nodes += count
    return found
