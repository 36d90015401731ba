"""The jobs that keep projections behind the edits."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from storage.database import Database
from storage.jobs import Counts, Job, refresh_each
from sync.structures import Structures

LOOK_BACK = timedelta(hours=2)  # of what changed since a run every minute has missed nothing; the nightly one finds all


def structure_jobs(database: Database, structures: Structures) -> list[Job]:
    """One for what was just edited, one for everything."""
    jobs = _StructureJobs(database, structures)
    return [
        Job(
            name="structures",
            cron="* * * * *",
            summary="Brings the AI structure of trees level that were edited in the last two hours.",
            work=jobs.recent,
        ),
        Job(
            name="structures-all",
            cron="20 2 * * *",
            summary="Brings the AI structure of every tree level, whenever it was edited.",
            work=jobs.everything,
            lease=timedelta(hours=1),
        ),
    ]


class _StructureJobs:
    def __init__(self, database: Database, structures: Structures) -> None:
        self._database = database
        self._structures = structures

    async def recent(self, period: datetime, dry_run: bool) -> Counts:
        return await self._refresh(period - LOOK_BACK, dry_run)

    async def everything(self, _period: datetime, dry_run: bool) -> Counts:
        return await self._refresh(None, dry_run)

    async def _refresh(self, since: datetime | None, dry_run: bool) -> Counts:
        return await refresh_each(
            await self._database.tenants(), partial(self._structures.refresh, since=since), dry_run=dry_run
        )
