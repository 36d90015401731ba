"""`sync.analytics.Analytics` in memory, over a MemoryDatabase: see `storage.analytics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from storage.analytics import summed
from storage.memory import ActivityRow, MemoryDatabase, spent_ms
from storage.memory_rows import TreeRows, rfc3339
from storage.memory_structures import MemoryStructures
from sync.analytics import Day, UserAnalytics, UserProgress
from sync.effects import Import
from sync.identity import TreeKey
from sync.owners import OtherTrees


class MemoryAnalytics:
    """`structures`: where the projections are kept."""

    def __init__(self, database: MemoryDatabase, structures: MemoryStructures) -> None:
        self._database = database
        self._structures = structures

    async def stamp(self, tenant: str, user: str) -> str | None:
        if (tenant, user) not in self._database.users:
            return None
        trees = self._own(tenant, user)
        templates = await self._structures.templates.node_templates(tenant)
        return f"{len(self._of(tenant, user))}|{[rows.head for rows in trees]}|{templates.version}"

    async def others(self, tenant: str, user: str, *, but: int) -> OtherTrees:
        trees = [rows.key for rows in self._own(tenant, user) if rows.key.tree != but]
        rates = self._rates(trees)
        return OtherTrees(len(trees), len(rates), sum(rates))

    def _rates(self, trees: Sequence[TreeKey]) -> list[float]:
        made = [self._structures.kept[key].made for key in trees if key in self._structures.kept]
        return [one.structure.metadata.completion_rate for one in made if one is not None]

    async def progress(self, tenant: str, user: str, *, days: int) -> UserProgress:
        first = (datetime.fromtimestamp(self._database.clock.now(), UTC) - timedelta(days=days - 1)).date().isoformat()
        by_day: dict[str, list[ActivityRow]] = {}
        for row in self._of(tenant, user):
            if row.at[:10] >= first:
                by_day.setdefault(row.at[:10], []).append(row)
        series = [self._day(date, rows) for date, rows in sorted(by_day.items())]
        rates = self._rates([rows.key for rows in self._own(tenant, user)])
        return summed(user, days, series, len(self._own(tenant, user)), sum(rates) / len(rates) if rates else 0.0)

    async def analytics(self, tenant: str, user: str) -> UserAnalytics:
        trees = self._own(tenant, user)
        loaded = [rows.loaded() for rows in trees]
        types = Counter(row.node.type for one in loaded for row in one.nodes if row.deleted is None)
        return UserAnalytics(
            user=user,
            total_trees=len(trees),
            average_nodes_per_tree=round(sum(rows.node_count for rows in trees) / len(trees), 2) if trees else 0.0,
            last_activity=rfc3339(max(rows.updated for rows in trees)) if trees else None,
            node_type_distribution=dict(sorted(types.items())),
        )

    def _own(self, tenant: str, user: str) -> list[TreeRows]:
        trees = self._database.trees.values()
        return [
            rows for rows in trees if rows.key.tenant == tenant and rows.rights.owner == user and not rows.deleted_at
        ]

    def _of(self, tenant: str, user: str) -> list[ActivityRow]:
        return [row for row in self._database.activities if row.key.tenant == tenant and row.author.user == user]

    def _day(self, date: str, rows: list[ActivityRow]) -> Day:
        return Day(
            date=date,
            nodes_created=sum(nodes_made(self._database, row) for row in rows),
            edits=sum(1 for row in rows if row.seq),
            events=sum(1 for row in rows if row.event),
            time_spent_ms=spent_ms(rows),
        )


def nodes_made(database: MemoryDatabase, row: ActivityRow) -> int:
    """How many nodes what the row stands for has made."""
    if row.kind == "nodes_imported":
        [op] = database.trees[row.key].ops(row.seq - 1, row.seq)
        return len(op.effect.nodes) if isinstance(op.effect, Import) else 0
    return int(row.kind == "node_created")
