"""Versions and the way through the log, over PostgreSQL: see `sync.versions`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from storage import versions as kept
from storage.database import Connection, Database
from storage.op_log import read_head, read_of_node, read_page
from sync.identity import TreeKey
from sync.ports import LoggedOp
from sync.versions import Edited, TreeVersion


class PostgresPast:
    """`VersionStore` and `PastReader` over a Database; a part of PostgresStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def _living(self, key: TreeKey, *, readonly: bool = True) -> AsyncIterator[Connection]:
        """A transaction on a tree that is there."""
        async with self._database.transaction(key.tenant, readonly=readonly) as connection:
            await read_head(connection, key)
            yield connection

    async def keep_version(self, key: TreeKey, version: TreeVersion) -> TreeVersion | None:
        async with self._living(key, readonly=False) as connection:
            return await kept.keep_version(connection, key, version)

    async def version_before(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        async with self._living(key) as connection:
            return await kept.version_before(connection, key, epoch, seq)

    async def version(self, key: TreeKey, number: int) -> TreeVersion | None:
        async with self._living(key) as connection:
            return await kept.version(connection, key, number)

    async def version_at(self, key: TreeKey, epoch: str, seq: int) -> TreeVersion | None:
        async with self._living(key) as connection:
            return await kept.version_at(connection, key, epoch, seq)

    async def versions(self, key: TreeKey, *, limit: int, before: int | None = None) -> list[TreeVersion]:
        async with self._living(key) as connection:
            return await kept.versions(connection, key, limit, before)

    async def rename_version(self, key: TreeKey, version: TreeVersion, *, first: bool = False) -> TreeVersion | None:
        async with self._living(key, readonly=False) as connection:
            return await kept.rename_version(connection, key, version, first)

    async def unname_version(self, key: TreeKey, number: int) -> TreeVersion | None:
        async with self._living(key, readonly=False) as connection:
            return await kept.unname_version(connection, key, number)

    async def edited(self, key: TreeKey, epoch: str, seq: int) -> list[Edited]:
        async with self._living(key) as connection:
            return await kept.edited(connection, key, epoch, seq)

    async def seq_at(self, key: TreeKey, moment: datetime) -> int:
        async with self._living(key) as connection:
            return await kept.seq_at(connection, key, moment)

    async def log_page(self, key: TreeKey, after: int, through: int) -> list[LoggedOp]:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            return await read_page(connection, key, after, through)

    async def node_ops(self, key: TreeKey, node: str, *, before: int, limit: int) -> tuple[list[LoggedOp], int]:
        async with self._database.transaction(key.tenant, readonly=True) as connection:
            return await read_of_node(connection, key, node, before, limit)

    async def ops_span(self, key: TreeKey, user: str, client: str) -> tuple[int, int, int]:
        async with self._living(key) as connection:
            return await kept.ops_span(connection, key, user, client)
