"""The daily job that thins versions: all of the last day stay, then one an hour, then one a day (DESIGN §9)."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.database import Database
from storage.jobs import Counts, Job

ALL_KEPT = timedelta(days=1)
HOURLY_KEPT = timedelta(days=30)
# A state is read from the version before it and the ops between: one stays in each such stretch, so that reading
# never takes more than half a second, however fast people edit
STRETCH_OPS = 10_000

# Of what the server kept by itself; the newest in each hour, or day, and in each stretch of ops. A tree's newest stays
THIN = """
WITH ranked AS (
    SELECT tree_id, version_number,
        row_number() OVER (PARTITION BY tree_id, epoch, seq / $4,
            CASE WHEN created_at < $3 THEN date_trunc('day', created_at, 'UTC')
                ELSE date_trunc('hour', created_at, 'UTC') END
            ORDER BY seq DESC, version_number DESC) AS place
    FROM tree_versions
    WHERE tenant_id = $1 AND thinned_at IS NULL AND kind <> 'named' AND created_at < $2
), newest AS (
    SELECT tree_id, max(version_number) AS version_number FROM tree_versions WHERE tenant_id = $1 GROUP BY tree_id
)
UPDATE tree_versions AS v SET tree_snapshot = NULL, thinned_at = now()
FROM ranked AS r
WHERE v.tenant_id = $1 AND v.tree_id = r.tree_id AND v.version_number = r.version_number AND r.place > 1
    AND NOT EXISTS (SELECT FROM newest AS n WHERE n.tree_id = r.tree_id AND n.version_number = r.version_number)
"""


class _TakenBack(Exception):
    """Ends a transaction of a dry run."""


def thinning_job(database: Database) -> Job:
    """Repeatable: what is thinned is not found again."""

    async def work(period: datetime, dry_run: bool) -> Counts:
        tenants = await database.tenants()
        thinned = 0
        for tenant in tenants:
            thinned += await _thin(database, tenant, period, dry_run)
        return {"tenants": len(tenants), "versions": thinned}

    return Job(
        name="thin-versions",
        cron="15 3 * * *",
        summary="Thins versions: all of a day stay, then one an hour for 30 days, then one a day; named ones all.",
        work=work,
    )


async def _thin(database: Database, tenant: str, period: datetime, dry_run: bool) -> int:
    thinned = 0
    try:
        async with database.transaction(tenant) as connection:
            status = await connection.execute(THIN, tenant, period - ALL_KEPT, period - HOURLY_KEPT, STRETCH_OPS)
            thinned = int(status.rpartition(" ")[2])
            if dry_run:
                raise _TakenBack
    except _TakenBack:
        pass
    return thinned
