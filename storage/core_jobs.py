"""The jobs of the live core. They are SQL: what is done for all tenants is done tenant by tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.database import Connection, Database, translated
from storage.jobs import Counts, Job
from storage.thinning import thinning_job

MONTHS_AHEAD = 3  # a scheduler that stands still for a quarter still leaves no row in the default partition
EVENT_IDS_KEPT = timedelta(days=90)  # a client that was offline for longer may log an event twice

ROWS_AT_ONCE = 10_000  # that are removed from the default partition while nobody else can use it; 50 ms

MAKE_PARTITIONS = "SELECT make_activity_partitions($1, $2)"
OLD_PARTITIONS = r"""
SELECT count(*) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'public.user_activities'::regclass AND c.relname ~ '^user_activities_\d{4}_\d\d$'
    AND c.relname::text COLLATE "C" < $1
"""
OLD_ROWS = """
SELECT count(*) FROM user_activities
WHERE tenant_id = $1 AND created_at < $2 AND tableoid = 'public.user_activities_default'::regclass
"""
DROP_PARTITION = "SELECT drop_activity_partition($1, $2)"
REMOVE_OLD = "SELECT remove_old_activity($1, $2, $3)"

EXPIRE = "SELECT expire_results($1, $2)"


class _TakenBack(Exception):
    """Ends a transaction of a dry run."""


def core_jobs(database: Database, activity_months: int = 0) -> list[Job]:
    """What every installation runs, whatever else it has. `activity_months`: so long is activity kept, beside the month
    that goes on; 0: for ever."""
    jobs = _CoreJobs(database, activity_months)
    return [
        Job(
            name="partitions",
            cron="0 1 * * *",  # daily, though a month is the unit: a failed run has a quarter to be mended in
            summary="Makes the monthly partitions of user_activities three months ahead.",
            work=jobs.partitions,
        ),
        Job(
            name="old-activity",
            cron="15 1 * * *",  # daily like the one before, with which it takes turns: a busy table is asked again
            summary="Drops the months of user_activities that are older than TREESYNC_ACTIVITY_MONTHS.",
            work=jobs.old_activity,
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
    def __init__(self, database: Database, activity_months: int) -> None:
        self._database = database
        self._activity_months = activity_months

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

    async def old_activity(self, period: datetime, dry_run: bool) -> Counts:
        if not self._activity_months:
            return {"partitions": 0, "rows": 0}
        if dry_run:
            return await self._count_old(_months_before(period, self._activity_months))
        async with self._database.connection() as connection:
            return await self._drop_old(connection, period)

    async def _count_old(self, oldest: datetime) -> Counts:
        """What lies before that month: only looked at, since dropping holds up everyone."""
        rows = 0
        for tenant in await self._database.tenants():
            async with self._database.transaction(tenant, readonly=True) as connection:
                rows += await connection.fetchval(OLD_ROWS, tenant, oldest)
        async with self._database.connection() as connection:
            partitions = await connection.fetchval(OLD_PARTITIONS, f"user_activities_{oldest:%Y_%m}")
        return {"partitions": partitions, "rows": rows}

    async def _drop_old(self, connection: Connection, period: datetime) -> Counts:
        """A transaction for each month: who waits for one is not made to wait for the next."""
        partitions = rows = 0
        asked = (period, self._activity_months)
        while await _alone(connection, DROP_PARTITION, *asked) is not None:
            partitions += 1
        while removed := await _alone(connection, REMOVE_OLD, *asked, ROWS_AT_ONCE):
            rows += removed
        return {"partitions": partitions, "rows": rows}

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


async def _alone(connection: Connection, statement: str, *arguments: Any) -> Any:
    """What a statement answers in a transaction of its own."""
    async with in_transaction(connection):
        return await connection.fetchval(statement, *arguments)


def _months_before(moment: datetime, months: int) -> datetime:
    """When the month began that lies so many before that of a moment."""
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return datetime(max(years, 1), month + 1, 1, tzinfo=UTC)
