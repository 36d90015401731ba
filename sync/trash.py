"""What lies in the trash of a tree, as storage tells it: the port behind the list of the trash and its daily purge."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

import msgspec

from sync.identity import TreeKey
from sync.nodes import NodeType


class Trashed(msgspec.Struct, frozen=True, kw_only=True):
    """The top of what one deletion took. `nodes` counts it and what the same deletion took below it, which is what a
    restore brings back; `seq` is the delete's, `by` its author, `at` its time."""

    node: str
    title: str
    type: NodeType
    nodes: int
    seq: int
    by: str
    at: str


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes of one tree that have lain in the trash long enough, the highest only: a purge takes what is below them."""

    key: TreeKey
    nodes: list[str]


class TrashReader(Protocol):
    """A part of `sync.ports.Directory`."""

    async def trash(self, key: TreeKey, *, limit: int, before: tuple[int, str] | None = None) -> list[Trashed]:
        """The deletions of a tree, newest first; `before` is (seq, node) of the last line of a page.

        Raises NotFound."""
        ...

    async def overdue_trash(self, moment: datetime, *, limit: int, but: Collection[TreeKey] = ()) -> list[Overdue]:
        """At most `limit` nodes, of all tenants, that were deleted before `moment`.

        Trees that are deleted or frozen are left out, and so are those named by `but`."""
        ...
