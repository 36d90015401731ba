"""The guarantees of `storage.jobs.JobStore`, over every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from storage.database import Database
from storage.job_store import PostgresJobStore
from storage.jobs import ATTEMPTS, RETRY_AFTER, JobStore, MemoryJobStore, by_hand
from tests.clocks import ManualClock
from tests.postgres_servers import VERSIONS, PostgresServers, opened

THREE = datetime(2026, 11, 21, 3, tzinfo=UTC)
FOUR = THREE + timedelta(hours=1)
LEASE = timedelta(minutes=5)
LONG_AGO = RETRY_AFTER + LEASE + timedelta(minutes=1)

AGE = """
UPDATE job_runs SET started_at = started_at - $2::interval, alive_at = alive_at - $2::interval,
    finished_at = finished_at - $2::interval
WHERE job = $1
"""

_jobs = count(1)


class JobBench:
    """A job store under test. `age` makes what has been written so far older by a time."""

    def __init__(self, store: JobStore, age: Callable[[timedelta], Awaitable[None]]) -> None:
        self.store = store
        self.age = age
        self.job = f"job-{next(_jobs)}"


def memory_bench() -> JobBench:
    clock = ManualClock()

    async def age(time: timedelta) -> None:
        await clock.advance(time.total_seconds())

    return JobBench(MemoryJobStore(clock), age)


def postgres_bench(database: Database) -> JobBench:
    bench: JobBench

    async def age(time: timedelta) -> None:
        async with database.connection() as connection:
            await connection.execute(AGE, bench.job, time)

    bench = JobBench(PostgresJobStore(database), age)
    return bench


@pytest.fixture(params=["memory", *VERSIONS])
async def bench(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[JobBench]:
    if request.param == "memory":
        yield memory_bench()
        return
    server = await postgres_servers.get(request.param)
    async with opened(server.shared) as database:
        yield postgres_bench(database)


async def test_a_period_is_claimed_once(bench: JobBench) -> None:
    claims = await asyncio.gather(*(bench.store.claim(bench.job, THREE, f"i-{one}", LEASE) for one in range(8)))
    [run] = [claim for claim in claims if claim is not None]
    assert (run.job, run.period, run.state, run.attempts) == (bench.job, THREE, "running", 1)
    assert await bench.store.claim(bench.job, FOUR, "i-9", LEASE) is not None
    assert await bench.store.claim(f"{bench.job}-other", THREE, "i-9", LEASE) is not None


async def test_a_run_ends_once_with_its_counts(bench: JobBench) -> None:
    run = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
    assert run is not None
    assert await bench.store.alive(run)
    assert await bench.store.finish(run, {"rows": 7})
    assert not await bench.store.fail(run, "too late")
    assert not await bench.store.alive(run)
    await bench.age(LONG_AGO)
    assert await bench.store.claim(bench.job, THREE, "i-2", LEASE) is None
    [kept] = await bench.store.history(10, bench.job)
    assert (kept.state, kept.result, kept.instance, kept.error) == ("done", {"rows": 7}, "i-1", "")
    assert kept.finished_at is not None
    assert kept.started_at <= kept.alive_at <= kept.finished_at


async def test_a_run_that_is_not_heard_of_is_taken_over(bench: JobBench) -> None:
    lost = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
    assert lost is not None
    assert await bench.store.claim(bench.job, THREE, "i-2", LEASE) is None
    await bench.age(LEASE - timedelta(minutes=1))
    assert await bench.store.alive(lost)
    await bench.age(LEASE - timedelta(minutes=1))
    assert await bench.store.claim(bench.job, THREE, "i-2", LEASE) is None
    await bench.age(timedelta(minutes=2))
    taken = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
    assert taken is not None
    assert taken.attempts == 2
    assert not await bench.store.alive(lost)
    assert not await bench.store.finish(lost, {"rows": 1})
    assert not await bench.store.fail(lost, "late")
    assert await bench.store.finish(taken, {"rows": 2})
    assert [run.result for run in await bench.store.history(10, bench.job)] == [{"rows": 2}]


async def test_a_failed_run_waits_and_is_given_up_in_the_end(bench: JobBench) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        run = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
        assert run is not None
        assert run.attempts == attempt
        assert await bench.store.fail(run, f"attempt {attempt}")
        assert await bench.store.claim(bench.job, THREE, "i-1", LEASE) is None
        await bench.age(LONG_AGO)
    assert await bench.store.claim(bench.job, THREE, "i-1", LEASE) is None
    [kept] = await bench.store.history(10, bench.job)
    assert (kept.state, kept.attempts, kept.error) == ("failed", ATTEMPTS, f"attempt {ATTEMPTS}")


async def test_a_new_attempt_forgets_the_error_of_the_last(bench: JobBench) -> None:
    run = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
    assert run is not None
    await bench.store.fail(run, "first")
    await bench.age(LONG_AGO)
    again = await bench.store.claim(bench.job, THREE, "i-2", LEASE)
    assert again is not None
    assert (again.error, again.finished_at, again.instance) == ("", None, "i-2")


async def test_standing_names_the_newest_period_and_the_unfinished(bench: JobBench) -> None:
    standing = await bench.store.standing(bench.job)
    assert (standing.newest, standing.unfinished) == (None, [])
    done = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
    failed = await bench.store.claim(bench.job, FOUR, "i-1", LEASE)
    assert done is not None
    assert failed is not None
    await bench.store.finish(done, {})
    await bench.store.fail(failed, "why")
    standing = await bench.store.standing(bench.job)
    assert (standing.newest, standing.unfinished) == (FOUR, [FOUR])
    five = FOUR + timedelta(hours=1)
    await bench.store.claim(bench.job, five, "i-1", LEASE)
    standing = await bench.store.standing(bench.job)
    assert (standing.newest, standing.unfinished) == (five, [FOUR, five])


async def test_a_run_by_hand_leaves_the_schedule_alone(bench: JobBench) -> None:
    scheduled = await bench.store.claim(bench.job, THREE, "i-1", LEASE)
    assert scheduled is not None
    await bench.store.finish(scheduled, {})
    for now in (FOUR, FOUR + timedelta(minutes=7, seconds=3, microseconds=5), FOUR + timedelta(seconds=1)):
        assert await bench.store.claim(bench.job, by_hand(now), "i-1", LEASE) is not None
    standing = await bench.store.standing(bench.job)
    assert (standing.newest, standing.unfinished) == (THREE, [])
    assert len(await bench.store.history(10, bench.job)) == 4


async def test_history_shows_the_newest_first_and_is_bounded(bench: JobBench) -> None:
    for hour in range(5):
        assert await bench.store.claim(bench.job, THREE + timedelta(hours=hour), "i-1", LEASE) is not None
        await bench.age(timedelta(seconds=1))
    periods = [run.period.hour for run in await bench.store.history(3, bench.job)]
    assert periods == [7, 6, 5]
    assert len(await bench.store.history(2)) == 2
