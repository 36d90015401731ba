"""Which trees a list is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from sync.nodes import NodeType
from sync.templates import Status

LARGE_NODES = 500  # impact_trees.is_large, by which large trees are found among many


class TreeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a tree must be to be listed; None: it may be anything. `name` stands somewhere in its name; case does not
    count, of letters beyond ASCII where the database's locale knows it. `type`: some node is of it. `status`: of all
    nodes (`not_started`: none is begun, `complete`: all are), as it was when its structure was last made, a minute
    after an edit at the latest. `numbers`: it is one of these."""

    name: str | None = None
    is_template: bool | None = None
    phase: str | None = None
    least_nodes: int | None = None
    updated_since: datetime | None = None
    updated_before: datetime | None = None
    type: NodeType | None = None
    status: Status | None = None
    numbers: Sequence[int] | None = None


EVERY_TREE = TreeFilter()
