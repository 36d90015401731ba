"""What one person has done and how far his trees are, over time. Declared here, implemented by `storage/`."""

from __future__ import annotations

from typing import Protocol

import msgspec

from sync.nodes import NodeType
from sync.owners import Ownings


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day in UTC on which somebody did something. `edits` are accepted ops, those that make a tree
    among them; `events` what his client reported."""

    date: str
    nodes_created: int
    edits: int
    events: int
    time_spent_ms: int


class UserProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did in the last `days`, and how far the trees are that he owns: a mean over trees."""

    user: str
    days: int
    nodes_created: int
    edits: int
    time_spent_ms: int
    trees: int
    completion_rate: float
    series: list[Day]


class UserAnalytics(msgspec.Struct, frozen=True, kw_only=True):
    """The trees somebody owns. `last_activity` is null where there are none."""

    user: str
    total_trees: int
    average_nodes_per_tree: float
    last_activity: str | None
    node_type_distribution: dict[NodeType, int]


class Analytics(Ownings, Protocol):
    """Raises Unavailable."""

    async def stamp(self, tenant: str, user: str) -> str | None:
        """Another text after every change that the answers below show, where the structures of his trees are level;
        None: there is no such user."""
        ...

    async def progress(self, tenant: str, user: str, *, days: int) -> UserProgress: ...

    async def analytics(self, tenant: str, user: str) -> UserAnalytics: ...
