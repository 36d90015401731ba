"""Connections to PostgreSQL: the pool, the dedicated ones that commit, and the one border where errors are translated.

Every connection runs as `treesync_app`, which owns nothing and is bound by row-level security, and every transaction
names its tenant before it reads or writes. A connection that died is replaced when it is next asked for, so a database
that comes back is used again without anyone's help.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from sync.errors import Unavailable, Unstorable

Connection = PoolConnectionProxy | asyncpg.Connection
Isolation = Literal["read_committed", "repeatable_read"]

RUNTIME_ROLE = "treesync_app"
LISTER_ROLE = "treesync_lister"

ENTER = "SELECT set_config('app.tenant', $1, true)"
ENTER_AS = "SELECT set_config('role', $2, true), set_config('app.tenant', $1, true)"
TENANTS = "SELECT tenant_id FROM tenants ORDER BY tenant_id"

# data exceptions, violated constraints, program limits (an index row or a statement too large)
_REFUSALS = ("22", "23", "54")
_CHECK = "23514"
_DISTRUSTED = (asyncpg.ReadOnlySQLTransactionError, TimeoutError)
# a bug of ours, which no retry cures: syntax, missing objects and rights
_BUGS = ("42", "0A", "2F")


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and times are spec 002's, seconds; lanes are the connections that commit.

    `transaction_pooler` is for PgBouncer in transaction mode: no prepared statement outlives a transaction, and
    nothing is left to the session, the role included.
    """

    dsn: str
    pool_max: int = 20
    pool_min: int = 5
    idle: float = 30.0
    connect: float = 2.0
    acquire: float = 60.0
    command: float = 30.0  # longer than the largest import takes, shorter than anyone waits for a dead network
    lanes: int = 2  # one commits while the other's batch is cut
    transaction_pooler: bool = False


@contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg and the network raise into the project's errors."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = str(error.sqlstate or "")
        if state == _CHECK and error.constraint_name is None:
            # not a column's check but a partition's: it was made while this transaction was writing to its month
            raise Unavailable("a partition was made meanwhile") from error
        if state.startswith(_REFUSALS):
            raise Unstorable(f"the database refused the data ({state})") from error
        if state.startswith(_BUGS):
            raise
        raise Unavailable(f"the database cannot answer now ({state})") from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # an argument that could not be encoded
            raise Unstorable("a value cannot be stored") from error
        raise Unavailable("the database cannot be reached") from error
    except (OSError, EOFError, asyncpg.InternalClientError) as error:
        # the last: a connection whose server ended it while it was idle, when it is used before that is noticed
        raise Unavailable("the database cannot be reached") from error


class Database:
    """Opened and closed by whoever composes the process."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool | None = None
        self._lanes = [Lane(settings) for _ in range(settings.lanes)]
        self._free = list(self._lanes)
        self._turn = asyncio.Semaphore(settings.lanes)  # first come, first served, which asyncio.Queue is not

    async def open(self) -> None:
        """Raises Unavailable."""
        with translated():
            self._pool = await asyncpg.create_pool(
                min_size=self._settings.pool_min,
                max_size=self._settings.pool_max,
                max_inactive_connection_lifetime=self._settings.idle,
                reset=_nothing_to_reset,
                **_connect_arguments(self._settings),
            )

    async def close(self) -> None:
        for lane in self._lanes:
            lane.drop()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), self._settings.connect)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool, outside any transaction. Raises Unavailable."""
        if self._pool is None:
            raise Unavailable("the database is not open")
        with translated():
            connection = await self._pool.acquire(timeout=self._settings.acquire)
        try:
            yield connection
        except Unavailable as error:
            await self._distrust(error)
            raise
        finally:
            with translated():
                await self._pool.release(connection)

    async def _distrust(self, error: Unavailable) -> None:
        """Make every connection anew when it is next asked for, wherever the name points by then. What took no writes
        may be a standby now, which nobody will cut off; what did not answer in time may be a host that is gone, and
        the other connections to it would be found out one by one, each after as long."""
        if isinstance(error.__cause__, _DISTRUSTED) and self._pool is not None:
            for lane in self._free:
                lane.drop()
            await self._pool.expire_connections()

    @asynccontextmanager
    async def transaction(
        self, tenant: str, *, isolation: Isolation = "read_committed", readonly: bool = False
    ) -> AsyncIterator[Connection]:
        """A transaction that sees one tenant. Errors are translated, also those of its commit."""
        async with self.connection() as connection:
            with translated():
                async with connection.transaction(isolation=isolation, readonly=readonly):
                    await self.enter(connection, tenant)
                    yield connection

    @property
    def pooled(self) -> bool:
        """Whether connections come without the runtime role, which each transaction has to take."""
        return self._settings.transaction_pooler

    async def enter(self, connection: Connection, tenant: str) -> None:
        """Name the tenant of the transaction that has begun."""
        if self._settings.transaction_pooler:
            await connection.execute(ENTER_AS, tenant, RUNTIME_ROLE)
        else:
            await connection.execute(ENTER, tenant)

    async def ping(self) -> None:
        """Raises Unavailable."""
        async with self.connection() as connection:
            with translated():
                await connection.fetchval("SELECT 1")

    async def connect(self) -> asyncpg.Connection:
        """A connection of one's own, outside the pool; whoever asked closes it. Raises Unavailable."""
        with translated():
            return await asyncpg.connect(**_connect_arguments(self._settings))

    async def tenants(self) -> list[str]:
        """Every tenant of the installation, for jobs that go from one to the next. Read under a role of its own."""
        async with self.connection() as connection:
            with translated():
                async with connection.transaction(readonly=True):
                    await connection.execute(ENTER_AS, "", LISTER_ROLE)
                    return [row["tenant_id"] for row in await connection.fetch(TENANTS)]

    async def run_in_lane(self, statement: str, arguments: Sequence[Any]) -> asyncpg.Record:
        """Run a statement that answers one row on a dedicated connection; waits for a free one. Errors as everywhere;
        after Unavailable only the database knows whether it happened."""
        async with self._turn:
            lane = self._free.pop()
            try:
                with translated():
                    return await lane.run(statement, arguments)
            except Unavailable as error:
                await self._distrust(error)
                raise
            finally:
                self._free.append(lane)


class Lane:
    """A connection that does one thing: prepared once, 10 µs a call where the pool takes 34 (asyncpg 0.32)."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._connection: asyncpg.Connection | None = None
        self._prepared: dict[str, Any] = {}

    async def run(self, statement: str, arguments: Sequence[Any]) -> asyncpg.Record:
        try:
            connection = await self._alive()
            if self._settings.transaction_pooler:
                return await self._run_pooled(connection, statement, arguments)
            prepared = self._prepared.get(statement)
            if prepared is None:
                prepared = self._prepared[statement] = await connection.prepare(statement)
            return _only(await prepared.fetchrow(*arguments, timeout=self._settings.command))
        except asyncpg.ReadOnlySQLTransactionError:
            self.drop()  # see Database._distrust
            raise
        except asyncpg.PostgresError:
            raise  # the connection says no and lives on, or is found closed next time
        except BaseException:
            # cancelled, timed out or cut: what the connection is still doing is not known, so it is not used again
            self.drop()
            raise

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
        self._prepared.clear()

    async def _alive(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self.drop()
            self._connection = await asyncpg.connect(**_connect_arguments(self._settings))
        return self._connection

    async def _run_pooled(
        self, connection: asyncpg.Connection, statement: str, arguments: Sequence[Any]
    ) -> asyncpg.Record:
        async with connection.transaction():
            await connection.execute(ENTER_AS, "", RUNTIME_ROLE)
            return _only(await connection.fetchrow(statement, *arguments, timeout=self._settings.command))


def _only(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise asyncpg.InterfaceError("a statement that answers one row answered none")
    return row


def _connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    named = {"application_name": "treesync"}
    session = {
        "role": RUNTIME_ROLE,
        "timezone": "UTC",
        "jit": "off",  # compiling a plan takes longer than any statement of ours
    }
    return {
        "dsn": settings.dsn,
        "timeout": settings.connect,
        "command_timeout": settings.command,
        # never a standby: what it answers is old, and it takes no writes (Jepsen saw long forks on RDS readers, 2025)
        "target_session_attrs": "read-write",
        "statement_cache_size": 0 if settings.transaction_pooler else 100,
        "server_settings": named if settings.transaction_pooler else named | session,
    }


async def _nothing_to_reset(connection: Connection) -> None:
    """A pool's reset costs a round trip per use (34 against 20 µs); nothing here outlives its transaction."""
