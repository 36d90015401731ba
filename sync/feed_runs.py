"""Rows of activity folded into entries, where they are read: what one person did to one thing without a pause is one
entry, though others did something meanwhile (SEMANTICS 15)."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from datetime import datetime

from sync.activities import MAKERS
from sync.feed_rows import Row

PAUSE_SECONDS = 300.0  # who goes on after so long has come back to it, as in a node's history
_GOING_ON = frozenset({"node_edited", "template_filled", "node_moved", "connection_edited", "tree_edited"})
# ops that were made by one request are one entry; its kind by what begins their client
BY_REQUEST = {
    "restore": "tree_restored",
    "revert": "changes_reverted",
    "resolve": "conflict_resolved",
    "purge": "node_purged",
}


class Run:
    """Rows that are one entry."""

    def __init__(self, row: Row, kind: str) -> None:
        self.kind = kind
        self.newest = self.oldest = row
        self.count = 1
        self.fields = list(row.fields)
        self._reported_ms = row.duration_ms

    @property
    def duration_ms(self) -> int:
        """What was reported; of ops, how long the first was before the last."""
        return self._reported_ms or round(1_000 * _seconds_between(self.oldest.at, self.newest.at))

    def goes_on(self, row: Row) -> bool:
        """Whether an older row belongs to this."""
        return self.kind in BY_REQUEST.values() or _seconds_between(row.at, self.oldest.at) <= PAUSE_SECONDS

    def add(self, row: Row) -> None:
        self.oldest = row
        self.count += 1
        self.fields += [field for field in row.fields if field not in self.fields]
        self._reported_ms += row.duration_ms


class Runs:
    """Takes rows, newest first, until they are more entries than asked for."""

    def __init__(self, limit: int, kinds: Collection[str] = ()) -> None:
        """`kinds`: of the entries wanted; none: of any."""
        self.found: list[Run] = []
        self._limit = limit
        self._kinds = kinds
        self._last: dict[Hashable, Run] = {}

    def take(self, row: Row) -> bool:
        """False: it would begin an entry too many, and was not taken."""
        maker, _, request = row.client.partition(":")
        if request and maker in MAKERS:
            return True  # the tree's `tree_created` tells of them
        kind = BY_REQUEST.get(maker, row.kind) if request else row.kind
        if self._kinds and kind not in self._kinds:
            return True
        key = _key(row, kind)
        run = None if key is None else self._last.get(key)
        if run is not None and run.goes_on(row):
            run.add(row)
            return True
        if len(self.found) == self._limit:
            return False
        run = Run(row, kind)
        self.found.append(run)
        if key is not None:
            self._last[key] = run
        return True

    # ---- whose names an entry needs

    @property
    def users(self) -> set[str]:
        members = (run.newest.told.get("member") for run in self.found)
        return {run.newest.user for run in self.found} | {one for one in members if isinstance(one, str)}

    @property
    def trees(self) -> set[int]:
        return {run.newest.tree for run in self.found if run.newest.tree is not None}

    @property
    def nodes(self) -> set[tuple[int, str]]:
        """(tree, node)."""
        return {
            (run.newest.tree, node)
            for run in self.found
            if run.newest.tree is not None
            for node in (run.newest.node, *_named(run.newest), *_named(run.oldest))
            if node
        }


def _key(row: Row, kind: str) -> Hashable:
    """What rows of one entry have in common; None: it is one by itself."""
    if kind != row.kind or (row.via and ":" in row.client):
        return kind, row.tree, row.user, row.client
    if kind in _GOING_ON or row.reported:
        return kind, row.tree, row.user, row.node, row.told.get("connection"), row.session, row.via
    return None


def _named(row: Row) -> list[str]:
    return [one for name in ("parent", "before", "from", "to") if isinstance(one := row.told.get(name), str)]


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
