"""What a job is, and what is kept of its runs. The scheduler (`server.scheduler`) needs a JobStore; two are here and in
`storage.job_store`, with one contract suite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from sync.ports import Clock

CatchUp = Literal["latest", "all"]
Counts = dict[str, int]
Work = Callable[[datetime, bool], Coroutine[Any, Any, Counts]]  # period, dry run -> what it did, or would do

ATTEMPTS = 3  # of one period; after that the next period has its chance, and the history shows why
RETRY_AFTER = timedelta(minutes=5)  # a database that restarts is back long before


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something done once per period in the whole installation, whatever number of instances there is.

    `cron` is in UTC. After a downtime `latest` runs the newest period that was missed, `all` each of them, oldest
    first. A run must be repeatable: one that is not heard of for `lease` is taken over by another instance.
    """

    name: str
    cron: str
    summary: str
    work: Work
    catch_up: CatchUp = "latest"
    lease: timedelta = timedelta(minutes=5)


async def refresh_each(tenants: Sequence[str], refresh: Callable[[str], Awaitable[int]], *, dry_run: bool) -> Counts:
    """Bring the trees of each tenant level. One that fails keeps none behind it from its turn; the run is tried again.
    A dry run counts tenants alone: finding out what is behind is most of the work."""
    trees = 0
    failed: list[Exception] = []
    for tenant in () if dry_run else tenants:
        try:
            trees += await refresh(tenant)
        except Exception as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return {"tenants": len(tenants), "trees": trees}


class JobRun(msgspec.Struct, frozen=True, kw_only=True):
    """A row of job_runs. `attempts` tells two tries of one period apart: only the newest may end it."""

    job: str
    period: datetime
    state: Literal["running", "done", "failed"]
    attempts: int
    instance: str
    started_at: datetime
    alive_at: datetime
    finished_at: datetime | None = None
    result: Counts = {}
    error: str = ""


class Standing(msgspec.Struct, frozen=True):
    """Where a job stands: its newest scheduled period on record, and older ones that may want another attempt.

    Periods of runs by hand do not count; they are no whole minutes, while those of a cron always are.
    """

    newest: datetime | None
    unfinished: list[datetime]


class JobStore(Protocol):
    """Runs of jobs, common to all instances. Raises Unavailable where it is out of reach."""

    async def claim(self, job: str, period: datetime, instance: str, lease: timedelta) -> JobRun | None:
        """Begin a run, for one caller only. None where it is done, given up, waits for its next attempt, or another
        instance is at it and was heard of within the lease."""
        ...

    async def alive(self, run: JobRun) -> bool:
        """Say that a run goes on; False where it is this caller's no more."""
        ...

    async def finish(self, run: JobRun, result: Counts) -> bool: ...

    async def fail(self, run: JobRun, error: str) -> bool: ...

    async def standing(self, job: str) -> Standing: ...

    async def history(self, limit: int, job: str | None = None) -> list[JobRun]:
        """The runs that started last, newest first."""
        ...


class MemoryJobStore:
    """`JobStore` in memory; several schedulers may share one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[tuple[str, datetime], JobRun] = {}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    async def claim(self, job: str, period: datetime, instance: str, lease: timedelta) -> JobRun | None:
        now = self._now()
        before = self._runs.get((job, period))
        if before is not None and not _claimable(before, now, lease):
            return None
        run = JobRun(
            job=job,
            period=period,
            state="running",
            attempts=before.attempts + 1 if before else 1,
            instance=instance,
            started_at=now,
            alive_at=now,
        )
        self._runs[job, period] = run
        return run

    async def alive(self, run: JobRun) -> bool:
        return self._change(run, alive_at=self._now())

    async def finish(self, run: JobRun, result: Counts) -> bool:
        return self._change(run, state="done", finished_at=self._now(), result=dict(result))

    async def fail(self, run: JobRun, error: str) -> bool:
        return self._change(run, state="failed", finished_at=self._now(), error=error)

    def _change(self, run: JobRun, **changes: object) -> bool:
        now = self._runs.get((run.job, run.period))
        if now is None or now.state != "running" or (now.instance, now.attempts) != (run.instance, run.attempts):
            return False
        self._runs[run.job, run.period] = msgspec.structs.replace(now, **changes)
        return True

    async def standing(self, job: str) -> Standing:
        runs = [run for run in self._runs.values() if run.job == job and is_scheduled(run.period)]
        unfinished = sorted(run.period for run in runs if run.state != "done" and run.attempts < ATTEMPTS)
        return Standing(max((run.period for run in runs), default=None), unfinished)

    async def history(self, limit: int, job: str | None = None) -> list[JobRun]:
        runs = [run for run in self._runs.values() if job in (None, run.job)]
        return sorted(runs, key=lambda run: (run.started_at, run.job, run.period), reverse=True)[:limit]


def is_scheduled(period: datetime) -> bool:
    return period.second == 0 and period.microsecond == 0


def by_hand(now: datetime) -> datetime:
    """The period of a run by hand: the moment it was asked for, and never a whole minute."""
    return now if not is_scheduled(now) else now.replace(microsecond=1)


def _claimable(run: JobRun, now: datetime, lease: timedelta) -> bool:
    if run.attempts >= ATTEMPTS:
        return False
    if run.state == "running":
        return run.alive_at + lease < now
    return run.state == "failed" and run.finished_at is not None and run.finished_at + RETRY_AFTER < now
