"""The live core's jobs on a real PostgreSQL, run by a scheduler."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count

import pytest

from server.scheduler import Scheduler
from storage.core_jobs import core_jobs
from storage.database import Database
from storage.job_store import PostgresJobStore
from storage.jobs import Counts, Job
from tests.clocks import ManualClock, RealClock

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
WHERE_IT_LIES = "SELECT tableoid::regclass::text FROM user_activities WHERE tenant_id = $1"

_tenants = count(1)


@pytest.fixture
async def tenant(postgres_database: Database) -> str:
    tenant = f"jobs-{next(_tenants)}"
    async with postgres_database.transaction(tenant) as connection:
        await connection.execute(ADD_TENANT, tenant)
    return tenant


def scheduler_at(database: Database, moment: datetime) -> Scheduler:
    return Scheduler(core_jobs(database), PostgresJobStore(database), ManualClock(moment.timestamp()), "i-1")


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
