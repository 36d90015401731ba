"""The jobs of the live core. They are SQL: what is done for all tenants is done tenant by tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from storage.database import Connection, Database, translated
from storage.jobs import Counts, Job
from storage.thinning import thinning_job

MONTHS_AHEAD = 3  # a scheduler that stands still for a quarter still leaves no row in the default partition
EVENT_IDS_KEPT = timedelta(days=90)  # a client that was offline for longer may log an event twice

MAKE_PARTITIONS = "SELECT make_activity_partitions($1, $2)"

EXPIRE = "SELECT expire_results($1, $2)"


class _TakenBack(Exception):
    """Ends a transaction of a dry run."""


def core_jobs(database: Database) -> list[Job]:
    """What every installation runs, whatever else it has."""
    jobs = _CoreJobs(database)
    return [
        Job(
            name="partitions",
            cron="0 1 * * *",  # daily, though a month is the unit: a failed run has a quarter to be mended in
            summary="Makes the monthly partitions of user_activities three months ahead.",
            work=jobs.partitions,
        ),
        Job(
            name="expired-results",
            cron="30 3 * * *",
            summary="Removes results beyond the newest 2,000 of each client, and ids of events older than 90 days.",
            work=jobs.expired_results,
        ),
        thinning_job(database),
    ]


@asynccontextmanager
async def in_transaction(connection: Connection) -> AsyncIterator[None]:
    """A transaction of no tenant, its errors translated."""
    with translated():
        async with connection.transaction():
            yield


class _CoreJobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def partitions(self, period: datetime, dry_run: bool) -> Counts:
        made = 0
        try:
            async with self._database.connection() as connection, in_transaction(connection):
                made = await connection.fetchval(MAKE_PARTITIONS, period, MONTHS_AHEAD)
                if dry_run:
                    raise _TakenBack
        except _TakenBack:
            pass
        return {"partitions": made}

    async def expired_results(self, _period: datetime, dry_run: bool) -> Counts:
        tenants = await self._database.tenants()
        removed = 0
        for tenant in tenants:
            removed += await self._expire(tenant, dry_run)
        return {"tenants": len(tenants), "rows": removed}

    async def _expire(self, tenant: str, dry_run: bool) -> int:
        removed = 0
        try:
            async with self._database.transaction(tenant) as connection:
                removed = await connection.fetchval(EXPIRE, tenant, EVENT_IDS_KEPT)
                if dry_run:
                    raise _TakenBack
        except _TakenBack:
            pass
        return removed
