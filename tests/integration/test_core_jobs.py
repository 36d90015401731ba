"""The live core's jobs on a real PostgreSQL, run by a scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from server.scheduler import Scheduler
from storage.core_jobs import core_jobs
from storage.database import Database
from storage.job_store import PostgresJobStore
from storage.jobs import Counts, Job
from sync.errors import Unavailable
from tests.clocks import ManualClock, RealClock
from tests.postgres_servers import PostgresServers, opened

PARTITIONS = """
SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'user_activities'::regclass AND child.relname LIKE 'user\\_activities\\_20%' ORDER BY 1
"""
ADD_TENANT = "INSERT INTO tenants (tenant_id) VALUES ($1)"
ADD_CLIENT = """
INSERT INTO tree_clients (tenant_id, tree_id, user_id, client_id, last_n, commit, at)
VALUES ($1, 1, 'ada', $2, $3, 1, now())
"""
ADD_RESULTS = """
INSERT INTO tree_results (tenant_id, tree_id, user_id, client_id, n, target, status)
SELECT $1, 1, 'ada', $2, n, '', 'unchanged' FROM generate_series(1, $3::bigint) AS n
"""
KEPT_RESULTS = """
SELECT client_id, count(*) AS kept, min(n) AS oldest FROM tree_results WHERE tenant_id = $1 GROUP BY 1 ORDER BY 1
"""
ADD_EVENTS = """
INSERT INTO activity_events (tenant_id, user_id, event_id, logged_at)
VALUES ($1, 'ada', 'old', now() - interval '91 days'), ($1, 'ada', 'young', now() - interval '89 days')
"""
KEPT_EVENTS = "SELECT event_id FROM activity_events WHERE tenant_id = $1"
ADD_ACTIVITY = """
INSERT INTO user_activities (tenant_id, user_id, created_at, activity_type) VALUES ($1, 'ada', $2, 'node_viewed')
"""
ALL_ACTIVITY = "SELECT created_at FROM user_activities WHERE tenant_id = $1 ORDER BY 1"
WHERE_IT_LIES = "SELECT tableoid::regclass::text FROM user_activities WHERE tenant_id = $1"

_tenants = count(1)


@pytest.fixture
async def tenant(postgres_database: Database) -> str:
    tenant = f"jobs-{next(_tenants)}"
    async with postgres_database.transaction(tenant) as connection:
        await connection.execute(ADD_TENANT, tenant)
    return tenant


def scheduler_at(database: Database, moment: datetime, keeping: int = 0) -> Scheduler:
    jobs = core_jobs(database, activity_months=keeping)
    return Scheduler(jobs, PostgresJobStore(database), ManualClock(moment.timestamp()), "i-1")


async def partitions_of(database: Database, year: int) -> list[str]:
    async with database.connection() as connection:
        return [row["relname"] for row in await connection.fetch(PARTITIONS) if f"_{year}_" in row["relname"]]


async def test_partitions_are_made_ahead_and_take_over_waiting_rows(postgres_database: Database, tenant: str) -> None:
    moment = datetime(2041, 11, 21, 12, tzinfo=UTC)
    async with postgres_database.transaction(tenant) as connection:
        await connection.execute(ADD_ACTIVITY, tenant, moment)
        assert await connection.fetchval(WHERE_IT_LIES, tenant) == "user_activities_default"
    scheduler = scheduler_at(postgres_database, moment)
    assert await scheduler.run_once("partitions", dry_run=True) == {"partitions": 4}
    assert await partitions_of(postgres_database, 2041) == []
    assert await scheduler.run_once("partitions") == {"partitions": 4}
    assert await partitions_of(postgres_database, 2041) == ["user_activities_2041_11", "user_activities_2041_12"]
    assert await partitions_of(postgres_database, 2042) == ["user_activities_2042_01", "user_activities_2042_02"]
    assert await scheduler.run_once("partitions", dry_run=True) == {"partitions": 0}
    async with postgres_database.transaction(tenant) as connection:
        assert await connection.fetchval(WHERE_IT_LIES, tenant) == "user_activities_2041_11"
    async with postgres_database.transaction("somebody-else") as connection:
        assert await connection.fetch(WHERE_IT_LIES, tenant) == []


@pytest.fixture
async def months(postgres_servers: PostgresServers) -> AsyncIterator[Database]:
    """A database of its own, with the partitions of October 2042 to March 2043 and a tenant."""
    async with opened(await (await postgres_servers.get("18")).fresh()) as database:
        for month in (10, 12):
            moment = datetime(2042, month, 31, 23, 59, tzinfo=UTC)
            await scheduler_at(database, moment).run_once("partitions")
        async with database.transaction("acme") as connection:
            await connection.execute(ADD_TENANT, "acme")
        yield database


async def added(database: Database, *moments: datetime) -> None:
    async with database.transaction("acme") as connection:
        for moment in moments:
            await connection.execute(ADD_ACTIVITY, "acme", moment)


async def kept_since(database: Database) -> list[datetime]:
    async with database.transaction("acme") as connection:
        return [row["created_at"] for row in await connection.fetch(ALL_ACTIVITY, "acme")]


async def test_old_months_go_when_their_time_has_come(months: Database) -> None:
    """[AC14] To the last instant of a month, and wherever a row lies."""
    second = timedelta(seconds=1)
    november, december = (datetime(2042, month, 1, tzinfo=UTC) for month in (11, 12))
    ancient = datetime(2001, 5, 5, tzinfo=UTC)  # of no partition
    await added(months, ancient, november - second, november, december - second, december)
    last_of_january = datetime(2043, 1, 31, 23, 59, 59, tzinfo=UTC)
    jobs = scheduler_at(months, last_of_january, keeping=2)
    before = await partitions_of(months, 2042)
    assert await jobs.run_once("old-activity", dry_run=True) == {"partitions": 1, "rows": 1}
    assert await partitions_of(months, 2042) == before
    assert await kept_since(months) == [ancient, november - second, november, december - second, december]
    assert await jobs.run_once("old-activity") == {"partitions": 1, "rows": 1}
    assert await kept_since(months) == [november, december - second, december]
    a_second_later = scheduler_at(months, last_of_january + second, keeping=2)
    assert await a_second_later.run_once("old-activity") == {"partitions": 1, "rows": 0}
    assert await kept_since(months) == [december]
    assert await a_second_later.run_once("old-activity", dry_run=True) == {"partitions": 0, "rows": 0}
    assert await scheduler_at(months, last_of_january + second).run_once("old-activity", dry_run=True) == {
        "partitions": 0,
        "rows": 0,
    }
    await a_second_later.run_once("partitions")
    assert (await partitions_of(months, 2042), (await partitions_of(months, 2043))[-1]) == (
        ["user_activities_2042_12"],
        "user_activities_2043_05",
    )


async def test_instances_that_make_and_drop_at_once_do_each_thing_once(months: Database) -> None:
    """[AC14] With the clock of each a minute ahead of the one before."""
    moment = datetime(2043, 3, 31, 23, tzinfo=UTC)
    await added(months, *(datetime(2042, month, 10, tzinfo=UTC) for month in (10, 11, 12)))
    many = [scheduler_at(months, moment + timedelta(minutes=one), keeping=2) for one in range(4)]
    at_once = [one.run_once(job) for one in many for job in ("partitions", "old-activity")]
    failed = [one for one in await asyncio.gather(*at_once, return_exceptions=True) if isinstance(one, Exception)]
    assert [one for one in failed if not isinstance(one, Unavailable)] == [], "who waits too long is asked again"
    last = scheduler_at(months, moment + timedelta(minutes=9), keeping=2)
    await last.run_once("partitions")
    await last.run_once("old-activity")
    assert await partitions_of(months, 2042) == []
    assert len(await partitions_of(months, 2043)) == 6
    assert await kept_since(months) == []


async def test_a_table_in_use_is_left_alone_and_asked_for_again(months: Database) -> None:
    """[AC14] Everybody who commits would wait behind the one that waits to drop."""
    await added(months, datetime(2042, 10, 5, tzinfo=UTC))
    jobs = scheduler_at(months, datetime(2043, 1, 1, tzinfo=UTC), keeping=2)
    async with months.transaction("acme") as reader:
        assert len(await reader.fetch(ALL_ACTIVITY, "acme")) == 1
        with pytest.raises(Unavailable):
            await jobs.run_once("old-activity")
        assert len(await kept_since(months)) == 1
    again = scheduler_at(months, datetime(2043, 1, 1, 0, 1, tzinfo=UTC), keeping=2)
    assert (await again.run_once("old-activity"))["partitions"] == 1


async def test_expired_results_go_and_the_newest_stay(postgres_database: Database, tenant: str) -> None:
    async with postgres_database.transaction(tenant) as connection:
        for client, last_n in (("busy", 2500), ("quiet", 2000)):
            await connection.execute(ADD_CLIENT, tenant, client, last_n)
            await connection.execute(ADD_RESULTS, tenant, client, last_n)
        await connection.execute(ADD_EVENTS, tenant)

    async def kept() -> tuple[dict[str, tuple[int, int]], set[str]]:
        async with postgres_database.transaction(tenant) as connection:
            results = await connection.fetch(KEPT_RESULTS, tenant)
            events = await connection.fetch(KEPT_EVENTS, tenant)
        by_client = {row["client_id"]: (row["kept"], row["oldest"]) for row in results}
        return by_client, {row["event_id"] for row in events}

    scheduler = scheduler_at(postgres_database, datetime(2026, 11, 21, 12, tzinfo=UTC))
    before = await kept()
    foreseen = await scheduler.run_once("expired-results", dry_run=True)
    assert await kept() == before
    assert await scheduler.run_once("expired-results") == foreseen
    assert foreseen["rows"] >= 501
    assert await kept() == ({"busy": (2000, 501), "quiet": (2000, 1)}, {"young"})
    assert (await scheduler.run_once("expired-results", dry_run=True))["rows"] == 0


async def test_of_many_instances_one_runs_a_period(postgres_database: Database) -> None:
    runs: list[str] = []

    def job(instance: str) -> Job:
        async def work(_period: datetime, _dry_run: bool) -> Counts:
            runs.append(instance)
            return {"did": 1}

        return Job(name=f"once-{id(runs)}", cron="0 0 1 1 *", summary="Once a year.", work=work)

    store = PostgresJobStore(postgres_database)
    schedulers = [Scheduler([job(f"i-{one}")], store, RealClock(), f"i-{one}") for one in range(6)]
    await asyncio.gather(*(one.run_due(only) for one in schedulers for only in one.jobs.values()))
    assert len(runs) == 1
    [run] = await schedulers[0].history(1, f"once-{id(runs)}")
    assert (run.state, run.result, [run.instance]) == ("done", {"did": 1}, runs)
