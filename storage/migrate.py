"""Forward-only migrations: numbered SQL files, each in a transaction of its own, remembered with its checksum.

They run as the role that connects, which then owns the tables; the server itself works as `treesync_app`. One process
migrates at a time (an advisory lock), the others wait and find it done.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import asyncpg
import msgspec

from storage.database import translated
from sync.errors import Clash

FOLDER = Path(__file__).parent / "migrations"

# the lock's number is "treesync" in ASCII
LOCK = "SELECT pg_advisory_lock(8391162072223444579)"
UNLOCK = "SELECT pg_advisory_unlock(8391162072223444579)"
MAKE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
HAVE_TABLE = "SELECT to_regclass('schema_migrations') IS NOT NULL"
APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
REMEMBER = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"
SERVER_VERSION = "SELECT current_setting('server_version_num')::integer"

_CONNECT_SECONDS = 10.0
_OTHERS_SECONDS = 600.0  # for the lock: another process may be migrating a large database

OLDEST_SERVER = 150_000  # UNIQUE NULLS NOT DISTINCT came with 15

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    version: int
    name: str
    checksum: str
    sql: str


class MigrationState(msgspec.Struct, frozen=True):
    """What a database has and lacks. `changed` were applied with another content than they have now, `unknown` come
    from a newer release."""

    applied: list[str]
    pending: list[str]
    changed: list[str]
    unknown: list[str]

    @property
    def current(self) -> bool:
        return not (self.pending or self.changed or self.unknown)


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """In order; numbered 1, 2, 3 without a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        named = _NAME.fullmatch(path.name)
        if named is None or int(named[1]) != len(found) + 1:
            raise ValueError(f"{path.name} is not the next migration: they are numbered 0001, 0002, … without a gap")
        sql = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(sql.encode()).hexdigest()
        found.append(Migration(int(named[1]), path.stem, checksum, sql))
    return found


async def migrate(dsn: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is pending; answers the names. Raises Clash where that cannot lead to this release."""
    with translated():
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
        try:
            await connection.execute(LOCK, timeout=_OTHERS_SECONDS)
            state = await _state(connection, folder)
            _refuse_strangers(state)
            await connection.execute(MAKE_TABLE)
            for migration in migrations(folder)[len(state.applied) :]:
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(REMEMBER, migration.version, migration.name, migration.checksum)
            await connection.execute(UNLOCK)
            return state.pending
        finally:
            await connection.close(timeout=_CONNECT_SECONDS)


async def check(dsn: str, folder: Path = FOLDER) -> MigrationState:
    """Compare a database with the files; changes nothing."""
    with translated():
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
        try:
            return await _state(connection, folder)
        finally:
            await connection.close(timeout=_CONNECT_SECONDS)


async def verify(dsn: str, folder: Path = FOLDER) -> None:
    """Raises Clash unless exactly these migrations, with this content, were applied."""
    state = await check(dsn, folder)
    _refuse_strangers(state)
    if state.pending:
        raise _mismatch(f"the database lacks {', '.join(state.pending)}: run `treesync migrate`")


async def _state(connection: asyncpg.Connection, folder: Path) -> MigrationState:
    if await connection.fetchval(SERVER_VERSION) < OLDEST_SERVER:
        raise _mismatch("PostgreSQL 15 or newer is needed")
    rows = await connection.fetch(APPLIED) if await connection.fetchval(HAVE_TABLE) else []
    known = {migration.version: migration for migration in migrations(folder)}
    applied = {row["version"] for row in rows}
    return MigrationState(
        applied=[row["name"] for row in rows],
        pending=[migration.name for version, migration in known.items() if version not in applied],
        changed=[
            row["name"] for row in rows if row["version"] in known and row["checksum"] != known[row["version"]].checksum
        ],
        unknown=[row["name"] for row in rows if row["version"] not in known],
    )


def _refuse_strangers(state: MigrationState) -> None:
    if state.unknown:
        raise _mismatch(f"the database is of a newer release: it has {', '.join(state.unknown)}")
    if state.changed:
        raise _mismatch(f"applied with another content than they have now: {', '.join(state.changed)}")


def _mismatch(why: str) -> Clash:
    """The database is not what this release's migrations make, and must not be served from."""
    return Clash(why, code="not_migrated")
