"""Which instances may share a database: those with a bus between them, or one alone (DESIGN §7).

An advisory lock, shared by instances that have a bus and exclusive to one that has none, held by a connection of its
own: it ends with the process, however that ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

from storage.database import translated
from sync.errors import Clash, Unavailable
from sync.ports import Clock

TAKE_SHARED = "SELECT pg_try_advisory_lock_shared($1)"
TAKE_ALONE = "SELECT pg_try_advisory_lock($1)"

_LOCK = 0x696E7374616E6365  # "instance" in ASCII, to meet no other key (migrations have "treesync")
_PATIENCE_SECONDS = 5.0  # the connection of an instance that was killed may outlive it for a moment
_ANSWER_SECONDS = 5.0
_RETRY_SECONDS = 0.25
_WATCH_SECONDS = 5.0  # how soon a lock lost with a restarted database is taken again


class InstanceLock:
    """`take` it before anything is served, `start` to watch over it, `close` to let go."""

    def __init__(self, dsn: str, clock: Clock, *, shared: bool) -> None:
        self._dsn = dsn
        self._clock = clock
        self._take = TAKE_SHARED if shared else TAKE_ALONE
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Raises Clash where another instance is in the way, Unavailable where the database does not answer."""
        deadline = self._clock.monotonic() + _PATIENCE_SECONDS
        while not await self._try():
            if self._clock.monotonic() >= deadline:
                raise Clash(
                    "another instance serves this database, and without a bus between them they would not see each "
                    "other's edits in time: set REDIS_URL for all of them, or stop the other one"
                )
            await self._clock.sleep(_RETRY_SECONDS)

    def start(self, on_death: Callable[[str, BaseException], None]) -> None:
        """Take the lock again whenever its connection is lost. `on_death` hears it where another instance was first."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                on_death(task.get_name(), error)

        self._task = asyncio.create_task(self._watch(), name="instance-lock")
        self._task.add_done_callback(ended)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._let_go()

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(_WATCH_SECONDS)
            if self._connection is None or self._connection.is_closed():
                try:
                    await self.take()
                except Unavailable:
                    continue  # the database is away: nobody else can take it either

    async def _try(self) -> bool:
        await self._let_go()
        with translated():
            connection: Any = await asyncpg.connect(self._dsn, timeout=_ANSWER_SECONDS)
            taken = False
            try:
                taken = bool(await connection.fetchval(self._take, _LOCK, timeout=_ANSWER_SECONDS))
            finally:
                if not taken:
                    connection.terminate()
        if taken:
            self._connection = connection
        return taken

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()  # the server frees the lock when the line is cut
