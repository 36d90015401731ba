"""`sync.personal_metrics.MetricsReader` in memory, over a MemoryDatabase: see `storage.personal_metrics`."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from storage.memory import ActivityRow, MemoryDatabase, spent_ms
from storage.memory_analytics import nodes_made
from sync.activities import OF_TREES
from sync.personal_metrics import Counted, Counts


class MemoryMetrics:
    """See the module."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def metrics(self, tenant: str, user: str, edges: Sequence[datetime]) -> Counted:
        rows = [
            row
            for row in self._database.activities
            if row.key.tenant == tenant
            and row.author.user == user
            and edges[0] <= datetime.fromisoformat(row.at) < edges[-1]
        ]
        by_bucket: dict[int, list[ActivityRow]] = {}
        for row in rows:
            by_bucket.setdefault(bisect_right(edges, datetime.fromisoformat(row.at)) - 1, []).append(row)
        series = {bucket: self._counts(some, [some]) for bucket, some in sorted(by_bucket.items())}
        kinds = Counter(row.kind for row in rows)
        return Counted(totals=self._counts(rows, list(by_bucket.values())), kinds=dict(kinds), series=series)

    def _counts(self, rows: list[ActivityRow], buckets: list[list[ActivityRow]]) -> Counts:
        return Counts(
            nodes_created=sum(nodes_made(self._database, row) for row in rows),
            edits=sum(1 for row in rows if row.seq),
            templates_filled=sum(1 for row in rows if row.kind == "template_filled"),
            trees=len({row.key for row in rows}),
            sessions=len({row.author.visit for row in rows if row.author.visit}),
            events=sum(1 for row in rows if not row.seq and row.kind not in OF_TREES),
            time_spent_ms=sum(map(spent_ms, buckets)),
            active_ms=sum(_active_ms(some) for some in buckets),
        )


def _active_ms(rows: list[ActivityRow]) -> int:
    """From the first to the last row of each visit."""
    visits: dict[str, list[datetime]] = {}
    for row in rows:
        if row.author.visit:
            visits.setdefault(row.author.visit, []).append(datetime.fromisoformat(row.at))
    return round(sum((max(times) - min(times) for times in visits.values()), timedelta()) / timedelta(milliseconds=1))
