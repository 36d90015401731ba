"""Which trees a list is asked for."""

from __future__ import annotations

from datetime import datetime

import msgspec


class TreeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a tree must be to be listed; None: it may be anything. `name` stands somewhere in its name; case does not
    count, of letters beyond ASCII where the database's locale knows it."""

    name: str | None = None
    is_template: bool | None = None
    phase: str | None = None
    least_nodes: int | None = None
    updated_since: datetime | None = None


EVERY_TREE = TreeFilter()
