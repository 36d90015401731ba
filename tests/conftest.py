"""Fixtures for every test that needs PostgreSQL. Each runs on 18 (embedded) and on 15 (skipped loudly where missing).

postgres_servers     all versions; `await postgres_servers.get("15")` for one without being run on both
postgres_server      one version: .shared and .fresh() are DSNs, .embedded can be stopped and started
postgres_url         DSN of a migrated database that this test alone uses
postgres_database    an open Database on a migrated database shared by tests: keep to tenants of your own
postgres_store       a PostgresStore on it
postgres_directory   a PostgresDirectory on it
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from storage.database import Database
from storage.directory import PostgresDirectory
from storage.postgres import PostgresStore
from tests.ordering import longest_first
from tests.postgres_servers import VERSIONS, PostgresServer, PostgresServers, opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[PostgresServers]:
    servers = PostgresServers()
    yield servers
    servers.stop()


@pytest.fixture(params=VERSIONS)
async def postgres_server(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> PostgresServer:
    return await postgres_servers.get(request.param)


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer) -> str:
    return await postgres_server.fresh()


@pytest.fixture
async def postgres_database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    async with opened(postgres_server.shared) as database:
        yield database


@pytest.fixture
def postgres_store(postgres_database: Database) -> PostgresStore:
    return PostgresStore(postgres_database)


@pytest.fixture
def postgres_directory(postgres_database: Database) -> PostgresDirectory:
    return PostgresDirectory(postgres_database)
