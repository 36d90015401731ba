"""The scheduler on a clock that stands still: periods, catch-up, failures, taking over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.scheduler import Scheduler, described
from storage.jobs import RETRY_AFTER, CatchUp, Counts, Job, MemoryJobStore
from sync.errors import Invalid, NotFound, Unavailable
from tests.clocks import ManualClock, settle

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = 3600.0


class Recorder:
    """A job that remembers its periods, fails as told, and can be held up."""

    def __init__(self) -> None:
        self.periods: list[datetime] = []
        self.failures: list[Exception] = []
        self.gate: asyncio.Event | None = None
        self.cancelled = 0

    async def work(self, period: datetime, dry_run: bool) -> Counts:
        if dry_run:
            return {"would": 1}
        self.periods.append(period)
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if self.failures:
            raise self.failures.pop(0)
        return {"did": len(self.periods)}

    def job(self, cron: str = "0 * * * *", catch_up: CatchUp = "latest", name: str = "hourly") -> Job:
        return Job(name=name, cron=cron, summary="Counts.", work=self.work, catch_up=catch_up)

    @property
    def hours(self) -> list[int]:
        return [period.hour for period in self.periods]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON.timestamp() + 600)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@asynccontextmanager
async def running(*schedulers: Scheduler) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.run_forever(), name="scheduler") for one in schedulers]
    await settle()
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_new_installation_runs_the_newest_period_and_then_each(clock: ManualClock, recorder: Recorder) -> None:
    scheduler = Scheduler([recorder.job()], MemoryJobStore(clock), clock, "i-1")
    async with running(scheduler):
        assert recorder.hours == [12]
        await clock.advance(2 * HOUR)
    assert recorder.hours == [12, 13, 14]
    assert [run.state for run in await scheduler.history(10)] == ["done"] * 3
    assert [run.result for run in await scheduler.history(1)] == [{"did": 3}]


async def test_of_many_instances_one_runs_each_period(clock: ManualClock, recorder: Recorder) -> None:
    store = MemoryJobStore(clock)
    schedulers = [Scheduler([recorder.job()], store, clock, f"i-{number}") for number in range(4)]
    async with running(*schedulers):
        await clock.advance(3 * HOUR)
    assert recorder.hours == [12, 13, 14, 15]


@pytest.mark.parametrize(("catch_up", "hours"), [("latest", [12, 17]), ("all", [12, 13, 14, 15, 16, 17])])
async def test_after_a_downtime_a_job_catches_up_as_it_declares(
    clock: ManualClock, recorder: Recorder, catch_up: CatchUp, hours: list[int]
) -> None:
    store = MemoryJobStore(clock)
    async with running(Scheduler([recorder.job(catch_up=catch_up)], store, clock, "i-1")):
        pass
    await clock.advance(5 * HOUR)
    async with running(Scheduler([recorder.job(catch_up=catch_up)], store, clock, "i-2")):
        await settle(200)
    assert recorder.hours == hours


@pytest.mark.parametrize("catch_up", ["latest", "all"])
async def test_a_failed_period_is_tried_again(clock: ManualClock, recorder: Recorder, catch_up: CatchUp) -> None:
    recorder.failures = [ValueError("secret"), Unavailable("the database is restarting")]
    scheduler = Scheduler([recorder.job(catch_up=catch_up)], MemoryJobStore(clock), clock, "i-1")
    async with running(scheduler):
        [run] = await scheduler.history(10)
        assert (run.state, run.error) == ("failed", "ValueError")
        await clock.advance(RETRY_AFTER.total_seconds() + 61)
        [run] = await scheduler.history(10)
        assert (run.attempts, run.error) == (2, "Unavailable: the database is restarting")
        await clock.advance(RETRY_AFTER.total_seconds() + 61)
    [run] = await scheduler.history(10)
    assert (run.state, run.attempts, run.error) == ("done", 3, "")
    assert recorder.hours == [12, 12, 12]


async def test_a_killed_instances_run_is_taken_over_within_lease_and_a_minute(
    clock: ManualClock, recorder: Recorder
) -> None:
    store = MemoryJobStore(clock)
    job = recorder.job()
    assert await store.claim(job.name, NOON, "killed", job.lease) is not None
    scheduler = Scheduler([job], store, clock, "i-2")
    async with running(scheduler):
        await clock.advance(job.lease.total_seconds() - 1)
        assert recorder.hours == []
        await clock.advance(62)
    assert recorder.hours == [12]
    [run] = await scheduler.history(10)
    assert (run.instance, run.attempts, run.state) == ("i-2", 2, "done")


async def test_a_long_run_is_kept_by_its_beats(clock: ManualClock, recorder: Recorder) -> None:
    store = MemoryJobStore(clock)
    recorder.gate = asyncio.Event()
    schedulers = [Scheduler([recorder.job()], store, clock, f"i-{number}") for number in range(2)]
    async with running(*schedulers):
        await clock.advance(0.7 * HOUR)
        assert recorder.hours == [12]
        recorder.gate.set()
        await settle()
    [run] = await schedulers[0].history(10)
    assert (run.state, run.attempts) == ("done", 1)


async def test_a_run_that_was_taken_over_stops(clock: ManualClock, recorder: Recorder) -> None:
    store = MemoryJobStore(clock)
    recorder.gate = asyncio.Event()
    scheduler = Scheduler([recorder.job()], store, clock, "i-1")
    async with running(scheduler):
        assert await store.claim("hourly", NOON, "i-2", timedelta(seconds=-1)) is not None
        await clock.advance(200)
        assert recorder.cancelled == 1
    [run] = await scheduler.history(10)
    assert (run.instance, run.state) == ("i-2", "running")


async def test_an_unreachable_store_only_delays(clock: ManualClock, recorder: Recorder) -> None:
    class Away(MemoryJobStore):
        away = True

        async def standing(self, job: str) -> Any:
            if self.away:
                raise Unavailable("no database")
            return await super().standing(job)

    store = Away(clock)
    async with running(Scheduler([recorder.job()], store, clock, "i-1")) as [task]:
        assert recorder.hours == []
        store.away = False
        await clock.advance(61)
        assert recorder.hours == [12]
        assert not task.done()


async def test_one_job_does_not_hold_up_another(clock: ManualClock, recorder: Recorder) -> None:
    other = Recorder()
    recorder.gate = asyncio.Event()
    jobs = [recorder.job(), other.job(name="other")]
    async with running(Scheduler(jobs, MemoryJobStore(clock), clock, "i-1")):
        await clock.advance(HOUR)
        assert (recorder.hours, other.hours) == ([12], [12, 13])


async def test_a_run_by_hand_is_kept_and_leaves_the_schedule_alone(clock: ManualClock, recorder: Recorder) -> None:
    scheduler = Scheduler([recorder.job()], MemoryJobStore(clock), clock, "i-1")
    assert await scheduler.run_once("hourly", dry_run=True) == {"would": 1}
    assert await scheduler.history(10) == []
    assert await scheduler.run_once("hourly") == {"did": 1}
    async with running(scheduler):
        pass
    assert recorder.hours == [12, 12]
    assert [run.state for run in await scheduler.history(10)] == ["done", "done"]
    assert len(await scheduler.history(10, "another")) == 0


async def test_a_run_by_hand_that_fails_says_so(clock: ManualClock, recorder: Recorder) -> None:
    scheduler = Scheduler([recorder.job()], MemoryJobStore(clock), clock, "i-1")
    recorder.failures = [ValueError("secret")]
    with pytest.raises(ValueError, match="secret"):
        await scheduler.run_once("hourly")
    [run] = await scheduler.history(1)
    assert (run.state, run.error) == ("failed", "ValueError")
    with pytest.raises(NotFound):
        await scheduler.run_once("unknown")


def test_bad_jobs_are_refused(clock: ManualClock, recorder: Recorder) -> None:
    store = MemoryJobStore(clock)
    for jobs in ([recorder.job(cron="0 0 31 2 *")], [recorder.job(cron="often")], [recorder.job(), recorder.job()]):
        with pytest.raises(Invalid):
            Scheduler(jobs, store, clock, "i-1")


def test_next_period_is_in_utc(clock: ManualClock, recorder: Recorder) -> None:
    scheduler = Scheduler([recorder.job(cron="30 2 1 * *")], MemoryJobStore(clock), clock, "i-1")
    assert scheduler.next_period(scheduler.jobs["hourly"]) == datetime(2026, 12, 1, 2, 30, tzinfo=UTC)


def test_no_foreign_text_reaches_the_history() -> None:
    assert described(ValueError("password=canary")) == "ValueError"
    assert described(Unavailable("away")) == "Unavailable: away"
