"""Real PostgreSQL servers for tests: the embedded 18, and 15, the oldest that is supported.

Each is started when the first test asks for it and stopped with the session. A database is a copy of one that the
migrations made, so that a test has its own in some 50 ms.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.database import Database, DatabaseSettings
from storage.embedded import EmbeddedPostgres, bundled_binaries
from storage.migrate import migrate

VERSIONS = ("18", "15")
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
# what a killed server left is in the memory of the operating system, which no test kills
FORGETFUL = "fsync = off\nfull_page_writes = off\n"
TEMPLATE = "migrated"
SHARED = "shared"


class PostgresServer:
    """One server, its template and the databases made from it."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version = version
        self.binaries = bundled_binaries() if version == "18" else DEBIAN_15
        self.embedded = EmbeddedPostgres(folder, binaries=self.binaries, configuration=FORGETFUL)
        self._numbers = count(1)

    async def start(self) -> None:
        await self.embedded.start()
        await self.make(TEMPLATE)
        await migrate(self.embedded.dsn(TEMPLATE))
        await self.make(SHARED, template=TEMPLATE)

    async def make(self, name: str, *, template: str = "template0") -> str:
        """A new database; its DSN."""
        connection = await asyncpg.connect(self.embedded.dsn("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        finally:
            await connection.close()
        return self.embedded.dsn(name)

    async def fresh(self, *, migrated: bool = True) -> str:
        """The DSN of a database that nobody else uses."""
        return await self.make(f"test_{next(self._numbers)}", template=TEMPLATE if migrated else "template0")

    @property
    def shared(self) -> str:
        """The DSN of a migrated database for tests that keep to tenants of their own."""
        return self.embedded.dsn(SHARED)


class PostgresServers:
    """All versions, each started at most once."""

    def __init__(self) -> None:
        # not pytest's folder: that is closed to the account the servers run as
        self._folder = Path(tempfile.mkdtemp(prefix="treesync-postgres-"))
        self._started: dict[str, PostgresServer] = {}

    async def get(self, version: str) -> PostgresServer:
        server = self._started.get(version)
        if server is None:
            if version == "15" and not (DEBIAN_15 / "postgres").exists():
                pytest.skip(f"POSTGRESQL 15 IS NOT TESTED: no server binaries in {DEBIAN_15}")
            server = PostgresServer(version, self._folder / version)
            await server.start()
            self._started[version] = server
        return server

    def stop(self) -> None:
        for server in self._started.values():
            in_thread(server.embedded.stop(immediately=True))
        shutil.rmtree(self._folder)


@asynccontextmanager
async def opened(dsn: str, *, transaction_pooler: bool = False) -> AsyncIterator[Database]:
    """A Database with a small pool, closed at the end."""
    settings = DatabaseSettings(dsn=dsn, pool_min=1, pool_max=8, transaction_pooler=transaction_pooler)
    database = Database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def in_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine from where no loop runs, without touching the loop that pytest keeps for this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
