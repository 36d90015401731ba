"""The jobs that keep the words of trees level with the edits."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from storage.database import Database
from storage.jobs import Counts, Job, refresh_each
from sync.search import Search


def search_jobs(database: Database, search: Search) -> list[Job]:
    """One for what was just edited, one for everything."""
    jobs = _SearchJobs(database, search)
    return [
        Job(
            name="search",
            cron="* * * * *",
            summary="Takes the words of trees for search that were edited since the last run.",
            work=jobs.recent,
        ),
        Job(
            name="search-all",
            cron="40 2 * * *",
            summary="Takes the words of every tree that is behind, whenever it was edited.",
            work=jobs.everything,
            lease=timedelta(hours=1),
        ),
    ]


class _SearchJobs:
    def __init__(self, database: Database, search: Search) -> None:
        self._database = database
        self._search = search

    async def recent(self, _period: datetime, dry_run: bool) -> Counts:
        return await self._refresh(dry_run, everything=False)

    async def everything(self, _period: datetime, dry_run: bool) -> Counts:
        return await self._refresh(dry_run, everything=True)

    async def _refresh(self, dry_run: bool, *, everything: bool) -> Counts:
        return await refresh_each(
            await self._database.tenants(), partial(self._search.refresh, everything=everything), dry_run=dry_run
        )
