"""Every implementation of every port, each test in tenants of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import msgspec
import pytest

from storage.database import Database
from storage.directory import PostgresDirectory
from storage.memory import MemoryDatabase, MemoryStore
from storage.memory_directory import MemoryDirectory
from storage.postgres import PostgresStore
from sync.errors import TreesyncError
from sync.identity import Identity, TreeKey
from sync.ports import Batch, Directory, Receipt, Store, Visibility
from tests.batches import Writer, author, first_batch
from tests.clocks import ManualClock
from tests.postgres_servers import VERSIONS, PostgresServers, opened

ACTIVITIES = "SELECT activity_type, node_id FROM user_activities WHERE tenant_id = $1 AND tree_id = $2 ORDER BY id"

THIN = """
UPDATE tree_versions SET tree_snapshot = NULL, thinned_at = now()
WHERE tenant_id = $1 AND tree_id = $2 AND version_number = $3
"""

_tenants = count(1)
NOWHERE = 999_999_999  # the number of no tree


class Bench:
    """An implementation under test, with what the ports do not show."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        activities: Callable[[TreeKey], Awaitable[list[tuple[str, str]]]],
        pass_time: Callable[[float], Awaitable[None]],
        thin: Callable[[TreeKey, int], Awaitable[None]] | None = None,
    ) -> None:
        self.store = store
        self.directory = directory
        self.activities = activities  # (kind, node) of every activity row of a tree, oldest first
        self.pass_time = pass_time  # lets the implementation's own clock run; real ones run by themselves
        self._thin = thin
        self.tenant = f"tenant-{next(_tenants)}"

    async def thin(self, key: TreeKey, version: int) -> None:
        """As the job does."""
        assert self._thin is not None, "this bench has none"
        await self._thin(key, version)

    def identity(self, user: str = "ada", *, tenant: str = "", admin: bool = False) -> Identity:
        role: str = "admin" if admin else "member"
        return Identity(
            tenant=tenant or self.tenant,
            user=user,
            name=user.title(),
            email=f"{user}@example.org",
            role="admin" if role == "admin" else "member",
            expires_at=4e9,
        )

    async def create(
        self, user: str = "ada", *, tenant: str = "", visibility: Visibility = "private", name: str = "Strategy"
    ) -> Writer:
        """A new tree, and a writer that stands at its head with a client of its own."""
        identity = self.identity(user, tenant=tenant)
        await self.directory.admit(identity)
        first = first_batch(identity.tenant, user=user, name=name)
        key = await self.directory.create(identity, first, visibility, author(user, "create:1"))
        return await self.writer(key, user)

    async def writer(self, key: TreeKey, user: str = "ada", client: str = "c1") -> Writer:
        loaded = await self.store.load(key)
        recalled = await self.store.recall(key, user, client, [])
        writer = Writer(key, loaded.head, author(user, client), last_n=recalled.last_n)
        writer.nodes = {row.node.id: row for row in loaded.nodes}
        writer.connections = {row.connection.id: row for row in loaded.connections}
        return writer

    async def land(self, writer: Writer) -> Batch:
        """Commit what the writer has made, which must succeed."""
        batch = writer.cut()
        writer.settle(batch, await self.commit(batch))
        return batch

    async def commit(self, batch: Batch) -> Receipt:
        return (await self.store.commit([batch]))[0]


async def raised(attempt: Awaitable[object]) -> type[TreesyncError] | None:
    """The class of the project's error that an attempt raises."""
    try:
        await attempt
    except TreesyncError as error:
        return type(error)
    return None


def memory_bench(database: MemoryDatabase, clock: ManualClock) -> Bench:

    async def activities(key: TreeKey) -> list[tuple[str, str]]:
        return [(row.kind, row.node) for row in database.activities if row.key == key]

    async def thin(key: TreeKey, number: int) -> None:
        versions = database.trees[key].versions
        versions[number - 1] = msgspec.structs.replace(versions[number - 1], state=b"", thinned=True)

    return Bench(MemoryStore(database), MemoryDirectory(database), activities, clock.advance, thin)


def postgres_bench(database: Database, store: Store, directory: Directory) -> Bench:
    async def activities(key: TreeKey) -> list[tuple[str, str]]:
        async with database.transaction(key.tenant) as connection:
            rows = await connection.fetch(ACTIVITIES, key.tenant, key.tree)
        return [(row["activity_type"], row["node_id"] or "") for row in rows]

    async def pass_time(_seconds: float) -> None:
        """PostgreSQL's clock runs by itself."""

    async def thin(key: TreeKey, number: int) -> None:
        async with database.transaction(key.tenant) as connection:
            await connection.execute(THIN, *key, number)

    return Bench(store, directory, activities, pass_time, thin)


@pytest.fixture(params=["memory", *VERSIONS])
async def bench(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> AsyncIterator[Bench]:
    if request.param == "memory":
        clock = ManualClock()
        yield memory_bench(MemoryDatabase(clock), clock)
        return
    server = await postgres_servers.get(request.param)
    async with opened(server.shared) as database:
        yield postgres_bench(database, PostgresStore(database), PostgresDirectory(database))
