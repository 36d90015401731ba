"""The scheduler: each job once per period across all instances, whoever is first, with catch-up after a downtime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from storage.jobs import Counts, Job, JobRun, JobStore, by_hand
from sync.errors import Clash, Invalid, NotFound, TreesyncError, Unavailable
from sync.ports import Clock

LONGEST_SLEEP_SECONDS = 60.0  # a run that another instance left behind is found within its lease and this
BEATS_PER_LEASE = 3
CATCH_UP_PERIODS = 1_000  # of a job that catches up on all: more than a month of hourly runs


class Scheduler:
    """Runs jobs. Several may share a job store; `instance` tells them apart."""

    def __init__(
        self,
        jobs: Sequence[Job],
        job_store: JobStore,
        clock: Clock,
        instance: str,
        log: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        """Raises Invalid for a cron expression that is none, or two jobs of one name."""
        self.jobs: dict[str, Job] = {}
        self._store = job_store
        self._clock = clock
        self._instance = instance
        self._log = log
        for job in jobs:
            self.add(job)

    def add(self, job: Job) -> None:
        """One more, before any runs. Raises Invalid as above."""
        if job.name in self.jobs:
            raise Invalid("two jobs have one name")
        self.next_period(job)
        self.jobs[job.name] = job

    # ---- periods

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def next_period(self, job: Job) -> datetime:
        """When a job is due next."""
        return _following(job, self._now())

    def _newest_due(self, job: Job) -> datetime:
        """The newest period that has come, this very moment included."""
        return _period(CronSim(job.cron, self._now() + timedelta(microseconds=1), reverse=True))

    async def due(self, job: Job) -> list[datetime]:
        """Periods to try now, oldest first. Whether they may run is decided by claiming them."""
        standing = await self._store.standing(job.name)
        newest = self._newest_due(job)
        if standing.newest is None or job.catch_up == "latest":
            fresh = [newest] if standing.newest is None or standing.newest < newest else []
        else:
            fresh = _between(job, standing.newest, newest)
        again = standing.unfinished if job.catch_up == "all" else [one for one in standing.unfinished if one == newest]
        return again + fresh

    # ---- running

    async def run_forever(self) -> None:
        """One named task for each job; ends only by an error of our own or by being cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in self.jobs.values():
                group.create_task(self._keep(job), name=f"job:{job.name}")

    async def _keep(self, job: Job) -> None:
        while True:
            try:
                await self.run_due(job)
            except Unavailable as error:
                self._log("job.unavailable", job=job.name, why=error.why)
            until_next = (self.next_period(job) - self._now()).total_seconds()
            await self._clock.sleep(min(until_next, LONGEST_SLEEP_SECONDS))

    async def run_due(self, job: Job) -> list[JobRun]:
        """Run what is due of one job and is not another instance's; answers the runs as they began."""
        runs = []
        for period in await self.due(job):
            run = await self._store.claim(job.name, period, self._instance, job.lease)
            if run is not None:
                runs.append(run)
                await self._carry_out(job, run)
        return runs

    async def run_once(self, name: str, dry_run: bool = False) -> Counts:
        """Run a job now, by hand, beside its schedule; answers what it did, or in a dry run would do.

        Raises NotFound for a name that is no job's, and whatever the job raises.
        """
        job = self.jobs.get(name)
        if job is None:
            raise NotFound("no such job")
        period = by_hand(self._now())
        if dry_run:
            return await job.work(period, True)
        run = await self._store.claim(name, period, self._instance, job.lease)
        if run is None:
            raise Clash("this job was started by hand at this very moment")
        try:
            result = await job.work(period, False)
        except Exception as error:
            await self._store.fail(run, described(error))
            raise
        await self._store.finish(run, result)
        return result

    async def history(self, limit: int, job: str | None = None) -> list[JobRun]:
        """The runs that started last, newest first."""
        return await self._store.history(limit, job)

    async def _carry_out(self, job: Job, run: JobRun) -> None:
        """Do the work while saying that it goes on; stop where another instance has taken it over."""
        work = asyncio.create_task(job.work(run.period, False), name=f"job-work:{job.name}")
        beat = asyncio.create_task(self._beat(job, run), name=f"job-beat:{job.name}")
        try:
            await asyncio.wait([work, beat], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await self._record(run, work)
            else:
                self._log("job.taken_over", job=job.name, period=run.period.isoformat())
        finally:
            for task in (work, beat):
                task.cancel()
            await asyncio.gather(work, beat, return_exceptions=True)

    async def _beat(self, job: Job, run: JobRun) -> None:
        mine = True
        while mine:
            await self._clock.sleep(job.lease.total_seconds() / BEATS_PER_LEASE)
            with suppress(Unavailable):  # the lease is for that
                mine = await self._store.alive(run)

    async def _record(self, run: JobRun, work: asyncio.Task[Counts]) -> None:
        error = work.exception()
        if error is None:
            await self._store.finish(run, work.result())
            self._log("job.done", job=run.job, period=run.period.isoformat(), **work.result())
        else:
            await self._store.fail(run, described(error))
            self._log("job.failed", job=run.job, period=run.period.isoformat(), error=described(error))


def described(error: BaseException) -> str:
    """An error for the history: our own with their reason, which holds no secret; of others the class alone."""
    return f"{type(error).__name__}: {error.why}" if isinstance(error, TreesyncError) else type(error).__name__


def _following(job: Job, after: datetime) -> datetime:
    try:
        return _period(CronSim(job.cron, after))
    except CronSimError as error:
        raise Invalid(f"the cron expression of the job {job.name} is none: {error}") from None


def _period(periods: CronSim) -> datetime:
    period: datetime = next(periods)
    return period


def _between(job: Job, after: datetime, through: datetime) -> list[datetime]:
    """Periods with after < period <= through, the newest of them where they are too many."""
    periods: list[datetime] = []
    period = _following(job, after)
    while period <= through:
        periods.append(period)
        period = _following(job, period)
    return periods[-CATCH_UP_PERIODS:]
