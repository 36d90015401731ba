"""The ways in which docs/operations.md says to back up and to restore, as an operator goes them by PostgreSQL's own
programs. Each restores into a cluster that is made anew, as on another machine."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Protocol

import asyncpg

from storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.torture.stage import Stage
from tests.waiting import until

_ARCHIVED_SECONDS = 30.0
_RECOVERY = """
restore_command = 'cp {archive}/%f %p'
recovery_target_time = '{until}'
recovery_target_action = 'promote'
"""


class Backup(Protocol):
    """`make` it while the servers run; `restore` it when they are stopped."""

    made: float  # seconds that it took
    restored: float

    async def make(self) -> None: ...

    async def restore(self) -> None: ...


class BaseBackup:
    """A copy of the data folder, with the log that was written meanwhile (PostgreSQL manual, 25.3)."""

    made = restored = 0.0

    def __init__(self, stage: Stage) -> None:
        self._postgres = stage.postgres
        self._kept = stage.postgres._folder / "backup"

    async def make(self) -> None:
        began = time.monotonic()
        await asyncio.to_thread(shutil.rmtree, self._kept, ignore_errors=True)
        where = ["-h", str(self._postgres.sockets), "-U", SUPERUSER]
        await self._postgres._run("pg_basebackup", *where, "-D", str(self._kept), "-X", "stream", "-c", "fast")
        self.made = time.monotonic() - began

    async def restore(self) -> None:
        began = time.monotonic()
        await self._postgres.stop(immediately=True)
        await asyncio.to_thread(shutil.rmtree, self._postgres._data)
        await asyncio.to_thread(self._kept.rename, self._postgres._data)
        await self._postgres.start()
        self.restored = time.monotonic() - began


class Dump:
    """pg_dump, and the roles, which no dump of a database holds (PostgreSQL manual, 25.1)."""

    made = restored = 0.0

    def __init__(self, stage: Stage) -> None:
        self._postgres = stage.postgres
        self._dump, self._roles = stage.postgres._folder / "dump", stage.postgres._folder / "roles.sql"
        self._where = ["-h", str(stage.postgres.sockets), "-U", SUPERUSER]

    async def make(self) -> None:
        began = time.monotonic()
        await self._postgres._run("pg_dumpall", *self._where, "--roles-only", "-f", str(self._roles))
        await self._postgres._run("pg_dump", *self._where, "--format=custom", "-f", str(self._dump), "treesync")
        self.made = time.monotonic() - began

    async def restore(self) -> None:
        began = time.monotonic()
        await _anew(self._postgres)
        await self._postgres._run(
            "psql", *self._where, "-q", "-f", str(self._roles), "treesync"
        )  # its own role is there
        strictly = ["--exit-on-error", "--single-transaction"]
        await self._postgres._run("pg_restore", *self._where, *strictly, "-d", "treesync", str(self._dump))
        self.restored = time.monotonic() - began


class PointInTime:
    """A base backup and every segment of the log since, played to a moment (PostgreSQL manual, 25.3)."""

    made = restored = 0.0

    def __init__(self, stage: Stage) -> None:
        self._postgres = stage.postgres
        self._archive = stage.postgres._folder / "archive"
        self._base = BaseBackup(stage)
        self._until = ""

    async def begin(self) -> None:
        """Archive from now on; needs a restart."""
        self._archive.mkdir()
        shutil.chown(self._archive, *_owner(self._postgres._folder))
        await self._tell("ALTER SYSTEM SET archive_mode = on")
        await self._tell(
            f"ALTER SYSTEM SET archive_command = 'test ! -f {self._archive}/%f && cp %p {self._archive}/%f'"
        )
        await self._postgres.stop()
        await self._postgres.start()

    async def make(self) -> None:
        await self._base.make()
        self.made = self._base.made

    async def mark(self) -> None:
        """This is the moment to which `restore` goes."""
        self._until = str(await self._tell("SELECT clock_timestamp()"))
        await asyncio.sleep(1.0)  # what is committed from here on is lost, and known to be
        last = str(await self._tell("SELECT pg_walfile_name(pg_switch_wal())"))
        await until((self._archive / last).exists, "the segment is archived", seconds=_ARCHIVED_SECONDS)

    async def restore(self) -> None:
        began = time.monotonic()
        recovery = _RECOVERY.format(archive=self._archive, until=self._until)
        with (self._base._kept / "postgresql.auto.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(recovery)
        signal = self._base._kept / "recovery.signal"
        signal.touch()
        shutil.chown(signal, *_owner(self._postgres._folder))
        await self._base.restore()
        while await self._tell("SELECT pg_is_in_recovery()"):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.1)
        self.restored = time.monotonic() - began

    async def _tell(self, statement: str) -> object:
        connection = await asyncpg.connect(self._postgres.dsn())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


async def _anew(postgres: EmbeddedPostgres) -> None:
    """A cluster with an empty database and no role but the superuser's."""
    await postgres.stop(immediately=True)
    await asyncio.to_thread(shutil.rmtree, postgres._data)
    await postgres.start()


def _owner(folder: Path) -> tuple[int, int]:
    known = folder.stat()
    return known.st_uid, known.st_gid
