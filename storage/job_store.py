"""Runs of jobs in PostgreSQL: the primary key (job, period) lets one instance begin each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import msgspec

from storage.database import Connection, Database, translated
from storage.jobs import ATTEMPTS, RETRY_AFTER, Counts, JobRun, Standing

_COLUMNS = "job, period, state, attempts, instance, started_at, alive_at, finished_at, result::text AS result, error"

# One statement, so that of all who ask at once one wins: it inserts, or takes over what stands still
CLAIM = f"""
INSERT INTO job_runs AS r (job, period, instance) VALUES ($1, $2, $3)
ON CONFLICT (job, period) DO UPDATE SET
    state = 'running', attempts = r.attempts + 1, instance = excluded.instance, started_at = now(), alive_at = now(),
    finished_at = NULL, result = '{{}}', error = ''
WHERE r.attempts < $5 AND (
    r.state = 'running' AND r.alive_at < now() - $4::interval
    OR r.state = 'failed' AND r.finished_at < now() - $6::interval)
RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns

# Only the newest attempt is a caller's own
ALIVE = """
UPDATE job_runs SET alive_at = now()
WHERE job = $1 AND period = $2 AND instance = $3 AND attempts = $4 AND state = 'running' RETURNING true
"""

FINISH = """
UPDATE job_runs SET state = 'done', finished_at = now(), result = $5::text::jsonb
WHERE job = $1 AND period = $2 AND instance = $3 AND attempts = $4 AND state = 'running' RETURNING true
"""

FAIL = """
UPDATE job_runs SET state = 'failed', finished_at = now(), error = $5
WHERE job = $1 AND period = $2 AND instance = $3 AND attempts = $4 AND state = 'running' RETURNING true
"""

# Runs by hand are no whole minutes (storage.jobs.by_hand)
NEWEST = "SELECT max(period) FROM job_runs WHERE job = $1 AND date_trunc('minute', period) = period"

UNFINISHED = """
SELECT period FROM job_runs
WHERE job = $1 AND state <> 'done' AND attempts < $2 AND date_trunc('minute', period) = period ORDER BY period
"""

HISTORY = f"""
SELECT {_COLUMNS} FROM job_runs WHERE $2::text IS NULL OR job = $2
ORDER BY started_at DESC, job DESC, period DESC LIMIT $1
"""  # noqa: S608 - a constant list of columns


class PostgresJobStore:
    """`storage.jobs.JobStore` over the database's own clock, which all instances share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._database.connection() as connection:
            with translated():
                yield connection

    async def claim(self, job: str, period: datetime, instance: str, lease: timedelta) -> JobRun | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(CLAIM, job, period, instance, lease, ATTEMPTS, RETRY_AFTER)
        return _run(row) if row is not None else None

    async def alive(self, run: JobRun) -> bool:
        return await self._change(ALIVE, run)

    async def finish(self, run: JobRun, result: Counts) -> bool:
        return await self._change(FINISH, run, msgspec.json.encode(result).decode())

    async def fail(self, run: JobRun, error: str) -> bool:
        return await self._change(FAIL, run, error)

    async def standing(self, job: str) -> Standing:
        async with self._connection() as connection:
            newest = await connection.fetchval(NEWEST, job)
            unfinished = await connection.fetch(UNFINISHED, job, ATTEMPTS)
        return Standing(newest, [row["period"] for row in unfinished])

    async def history(self, limit: int, job: str | None = None) -> list[JobRun]:
        async with self._connection() as connection:
            return [_run(row) for row in await connection.fetch(HISTORY, limit, job)]

    async def _change(self, statement: str, run: JobRun, *more: str) -> bool:
        async with self._connection() as connection:
            changed = await connection.fetchval(statement, run.job, run.period, run.instance, run.attempts, *more)
        return changed is True


def _run(row: asyncpg.Record) -> JobRun:
    return msgspec.convert(dict(row) | {"result": msgspec.json.decode(row["result"])}, JobRun)
