"""Opening what an instance stands on: PostgreSQL, the bus, the scheduler; in order, and closed in reverse."""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from server.app import Foundation, Knowledge
from server.background import Companion, Loop, OnDeath
from server.purge_job import purge_job
from server.scheduler import Scheduler
from server.settings import Settings
from storage.analytics import PostgresAnalytics
from storage.bus_local import LocalBus
from storage.bus_redis import RedisBus
from storage.core_jobs import core_jobs
from storage.database import Database, DatabaseSettings
from storage.directory import PostgresDirectory
from storage.embedded import EmbeddedPostgres
from storage.feeds import PostgresFeeds
from storage.hierarchy import PostgresHierarchies
from storage.instance_lock import InstanceLock
from storage.job_store import PostgresJobStore
from storage.migrate import migrate, verify
from storage.personal_metrics import PostgresMetrics
from storage.postgres import PostgresStore
from storage.search import PostgresSearch
from storage.search_jobs import search_jobs
from storage.structure_jobs import structure_jobs
from storage.structures import PostgresStructures
from storage.templates import PostgresTemplates
from sync.hub import Hub
from sync.ports import Bus, Clock

Log = Callable[..., None]
_EMBEDDED = "postgres"  # the folder below the data directory


@asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock, instance: str, log: Log, on_death: OnDeath
) -> AsyncIterator[Foundation]:
    """Everything an Application needs. Raises Unavailable, and Clash where the database is of another release or is
    served by another instance without a bus between them."""
    async with AsyncExitStack() as stack:
        dsn, described = await stack.enter_async_context(database_url(settings))
        await bring_up_to_date(dsn, migrating=settings.migrate_on_start)
        database = await stack.enter_async_context(_pool(dsn, settings))
        lock = InstanceLock(dsn, clock, shared=settings.redis_url is not None)
        stack.push_async_callback(lock.close)
        await lock.take()
        companions: list[Companion] = [lock]
        structures, search = PostgresStructures(database), PostgresSearch(database, log)
        scheduler: Scheduler | None = None
        if settings.jobs:
            jobs = [
                *core_jobs(database, settings.activity_months),
                *structure_jobs(database, structures),
                *search_jobs(database, search),
            ]
            scheduler = Scheduler(jobs, PostgresJobStore(database), clock, instance, log)
            # before the first row is written: a row on its way to the default partition is refused (23514) when the
            # partition it belongs to appears meanwhile
            await scheduler.run_due(scheduler.jobs["partitions"])
            companions.append(Loop("scheduler", scheduler.run_forever))
        yield Foundation(
            store=PostgresStore(database),
            directory=PostgresDirectory(database),
            bus=_bus(settings, clock=clock, instance=instance, log=log, on_death=on_death),
            check=database.ping,
            companions=companions,
            database=described,
            scheduler=scheduler,
            knowledge=Knowledge(
                PostgresTemplates(database),
                structures,
                PostgresAnalytics(database),
                PostgresFeeds(database),
                PostgresMetrics(database),
                search,
                PostgresHierarchies(database),
            ),
        )


@asynccontextmanager
async def opened_scheduler(settings: Settings, clock: Clock) -> AsyncIterator[Scheduler]:
    """The jobs beside a running instance, or without one: for the command line."""
    async with database_url(settings) as (dsn, _):
        await bring_up_to_date(dsn, migrating=settings.migrate_on_start)
        async with _pool(dsn, settings) as database:
            instance = f"by-hand-{clock.token(4)}"
            structures, search = PostgresStructures(database), PostgresSearch(database)
            jobs = [
                *core_jobs(database, settings.activity_months),
                *structure_jobs(database, structures),
                *search_jobs(database, search),
            ]
            scheduler = Scheduler(jobs, PostgresJobStore(database), clock, instance)
            hubs = partial(_lone_hub, settings, database, clock, instance)
            scheduler.add(purge_job(hubs, PostgresDirectory(database), clock))
            yield scheduler


@asynccontextmanager
async def _lone_hub(settings: Settings, database: Database, clock: Clock, instance: str) -> AsyncIterator[Hub]:
    """A hub without sockets, for a job that is run by hand. Instances hear of its commits as of each other's."""

    def log(event: str, **fields: object) -> None:
        """A command prints what it did, no more."""

    bus = _bus(settings, clock=clock, instance=instance, log=log, on_death=lambda name, error: None)
    hub = Hub(PostgresStore(database), bus, clock, instance=instance, limits=settings.limits, log=log)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.close()


@asynccontextmanager
async def opened_database(settings: Settings, *, migrating: bool) -> AsyncIterator[Database]:
    """The database alone, for a command. Raises Clash where it is of another release and may not be brought up."""
    async with database_url(settings) as (dsn, _):
        await bring_up_to_date(dsn, migrating=migrating and settings.migrate_on_start)
        async with _pool(dsn, settings) as database:
            yield database


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """Where the database is, and which it is in a few words. The embedded one runs as long as the block."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value(), "PostgreSQL of DATABASE_URL"
        return
    embedded = EmbeddedPostgres(settings.data_directory / _EMBEDDED)
    dsn = await embedded.start()
    atexit.register(embedded.stop_at_exit)
    try:
        yield dsn, f"embedded PostgreSQL in {settings.data_directory} (set DATABASE_URL to use your own)"
    finally:
        await embedded.stop()
        atexit.unregister(embedded.stop_at_exit)


async def bring_up_to_date(dsn: str, *, migrating: bool) -> None:
    """Migrate, or only see that nothing is missing. Raises Clash."""
    if migrating:
        await migrate(dsn)
    else:
        await verify(dsn)


@asynccontextmanager
async def _pool(dsn: str, settings: Settings) -> AsyncIterator[Database]:
    database = Database(
        DatabaseSettings(
            dsn=dsn,
            pool_max=settings.pool_max,
            pool_min=settings.pool_min,
            idle=settings.pool_idle_seconds,
            connect=settings.connect_seconds,
            acquire=settings.acquire_seconds,
            transaction_pooler=settings.transaction_pooler,
        )
    )
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _bus(settings: Settings, *, clock: Clock, instance: str, log: Log, on_death: OnDeath) -> Bus:
    if settings.redis_url is None:
        return LocalBus()
    bus = RedisBus(settings.redis_url.get_secret_value(), instance=instance, clock=clock, log=log)
    bus.on_task_death = on_death
    return bus
