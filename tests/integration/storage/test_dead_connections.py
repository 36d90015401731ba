"""A database whose host is gone without a word: its connections stay up and nothing comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage.database import Database, DatabaseSettings
from sync.errors import Unavailable
from tests.postgres_servers import PostgresServer
from tests.torture.proxy import Proxy, unix

COMMAND_SECONDS = 0.5
_ONE = "SELECT 1 AS one"


@pytest.fixture
async def way(postgres_server: PostgresServer) -> AsyncIterator[Proxy]:
    proxy = Proxy(unix(f"{postgres_server.embedded.sockets}/.s.PGSQL.5432"))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def database(postgres_server: PostgresServer, way: Proxy) -> AsyncIterator[Database]:
    dsn = f"postgresql://postgres@127.0.0.1:{way.port}/shared?sslmode=disable"
    made = Database(DatabaseSettings(dsn=dsn, pool_min=4, pool_max=4, command=COMMAND_SECONDS))
    await made.open()
    yield made
    await made.close()


async def test_one_that_does_not_answer_condemns_them_all(database: Database, way: Proxy) -> None:
    """[ED19] Whoever asks after the first that waited in vain is answered, on new connections."""
    await asyncio.gather(*(database.ping() for _ in range(4)), *(database.run_in_lane(_ONE, []) for _ in range(2)))
    way.half_open()
    with pytest.raises(Unavailable):
        await database.ping()
    await asyncio.gather(*(database.ping() for _ in range(4)))
    assert (await database.run_in_lane(_ONE, []))["one"] == 1


async def test_nor_does_a_lane_that_is_not_answered_wait_for_the_others(database: Database, way: Proxy) -> None:
    """[ED19]"""
    await asyncio.gather(*(database.ping() for _ in range(4)), *(database.run_in_lane(_ONE, []) for _ in range(2)))
    way.half_open()
    with pytest.raises(Unavailable):
        await database.run_in_lane(_ONE, [])
    assert (await database.run_in_lane(_ONE, []))["one"] == 1
    await asyncio.gather(*(database.ping() for _ in range(4)))
