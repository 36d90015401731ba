"""`treesync jobs`: the scheduled jobs, seen and run by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from cyclopts import App

from server.clock import SystemClock
from server.foundation import opened_scheduler
from server.scheduler import Scheduler
from server.settings import read_settings

Result = TypeVar("Result")

jobs = App(name="jobs")


@jobs.command(name="list")
def list_jobs() -> None:
    """Print each job with its schedule (UTC) and when it is due next."""

    async def show(scheduler: Scheduler) -> None:
        for job in scheduler.jobs.values():
            print(f"{job.name:<20}{job.cron:<16}next {_time(scheduler.next_period(job))}   {job.summary}")

    _with_scheduler(show)


@jobs.command(name="run")
def run_job(name: str, /, *, dry_run: bool = False) -> None:
    """Run a job now, beside its schedule, and print what it did.

    Parameters
    ----------
    name
        As `treesync jobs list` gives it.
    dry_run
        Only say what it would do.
    """

    async def run(scheduler: Scheduler) -> None:
        counts = await scheduler.run_once(name, dry_run)
        told = ", ".join(f"{value} {what}" for what, value in counts.items()) or "nothing to do"
        print(f"{name}: {'would be ' if dry_run else ''}{told}")

    _with_scheduler(run)


@jobs.command(name="history")
def show_history(*, job: str | None = None, limit: int = 20) -> None:
    """Print the newest runs of all instances.

    Parameters
    ----------
    job
        Of this job only.
    limit
        How many.
    """

    async def show(scheduler: Scheduler) -> None:
        for one in await scheduler.history(limit, job):
            told = one.error or ", ".join(f"{value} {what}" for what, value in one.result.items())
            print(f"{_time(one.started_at)}  {one.job:<20}{one.state:<8} {one.instance:<10} {told}")

    _with_scheduler(show)


def _with_scheduler(work: Callable[[Scheduler], Awaitable[Result]]) -> Result:
    async def go() -> Result:
        async with opened_scheduler(read_settings(), SystemClock()) as scheduler:
            return await work(scheduler)

    return asyncio.run(go())


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
