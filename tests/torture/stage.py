"""The real stack of a torture: PostgreSQL, a Redis-compatible server, server processes, and a proxy on every way
between them and to their clients."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import msgspec

from storage.embedded import SUPERUSER, EmbeddedPostgres
from tests.commands import Command, free_port, treesync
from tests.redis_server import RedisServer
from tests.torture.oracles import LogRow
from tests.torture.postgres_line import PostgresEar
from tests.torture.proxy import Proxy, tcp, unix

LOG = "SELECT seq, user_id, client_id, n, op FROM tree_ops WHERE tree_id = $1 ORDER BY seq"
TENANT = "acme"
START_SECONDS = 120.0  # a night's run is niced, and a machine that does much else lets it wait
_STARTS = 5
_SAID = 3_000  # characters
_TRIES = 25  # more than a pool has connections


class Instance:
    """A server process that can be killed and started again on its port, and the proxy its clients come through."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.door = Proxy(tcp(self.port))
        self._directory = directory
        self._environment = environment
        self._stack = AsyncExitStack()
        self._command: Command | None = None
        self.frozen = False

    @property
    def command(self) -> Command:
        assert self._command is not None, "it runs"
        return self._command

    async def launch(self, module: str = "server", **more: str) -> None:
        """Start the process, or one that stands in for it, without waiting until it serves."""
        environment = self._environment | more
        serving = treesync("serve", directory=self._directory, port=self.port, module=module, **environment)
        self._command = await self._stack.enter_async_context(serving)

    async def start(self) -> None:
        """As a supervisor does it: what ends because its database does not answer in time is started again."""
        for _ in range(_STARTS):
            await self.launch()
            with suppress(AssertionError):
                return await self.command.until_ready(START_SECONDS)
            await self._stack.aclose()
        raise AssertionError(self.command.said())

    async def kill(self) -> None:
        self.thaw()
        await self.command.stop(signal.SIGKILL)
        await self._stack.aclose()

    async def restart(self) -> int:
        """As a deploy does it; answers the exit status of the process that went."""
        status = await self.command.stop()
        await self._stack.aclose()
        await self.start()
        return status

    async def close(self) -> None:
        self.thaw()
        await self._stack.aclose()
        await self.door.stop()

    def freeze(self) -> None:
        if self.command.process.returncode is None:
            self.command.process.send_signal(signal.SIGSTOP)
            self.frozen = True

    def thaw(self) -> None:
        if self.frozen and self.command.process.returncode is None:
            self.command.process.send_signal(signal.SIGCONT)
        self.frozen = False

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, once one comes: a pooled connection that died in a fault is found out by whoever uses it next."""
        answer = None
        for _ in range(_TRIES):
            with suppress(httpx2.TimeoutException):
                answer = await self.command.ask(method, path, body)
                if answer.status_code != 503:
                    break
        assert answer is not None, f"{method} {path} was never answered"
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


class Stage:
    """All of it."""

    def __init__(
        self,
        postgres: EmbeddedPostgres,
        redis: RedisServer,
        to_postgres: Proxy,
        to_redis: Proxy,
        instances: list[Instance],
        heard: PostgresEar,
    ) -> None:
        self.postgres = postgres
        self.redis = redis
        self.to_postgres = to_postgres
        self.to_redis = to_redis
        self.instances = instances
        self.heard = heard  # on the way to PostgreSQL

    async def calm(self) -> None:
        """No fault goes on, and every instance says that it is ready."""
        self.to_postgres.release()
        self.to_redis.release()
        for instance in self.instances:
            await instance.command.until_ready(START_SECONDS)

    def ended(self) -> list[str]:
        """What the instances said last that are not running."""
        commands = [instance.command for instance in self.instances]
        return [one.said()[-_SAID:] for one in commands if one.process.returncode is not None]

    async def log(self, tree: int) -> list[LogRow]:
        """The tree's log, past every proxy."""
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            rows = await connection.fetch(LOG, tree)
        finally:
            await connection.close()
        return [LogRow(r["seq"], r["user_id"], r["client_id"], r["n"], msgspec.json.decode(r["op"])) for r in rows]


@asynccontextmanager
async def staged(instances: int = 2, **settings: str) -> AsyncIterator[Stage]:
    """Everything started, and ended afterwards. `settings` are variables of the instances' environment."""
    folder = Path(tempfile.mkdtemp(prefix="treesync-torture-"))
    os.chmod(folder, 0o755)  # the database's own account must reach its folder
    postgres, redis = EmbeddedPostgres(folder / "postgres"), RedisServer(folder)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        await postgres.start()
        stack.push_async_callback(postgres.stop, immediately=True)
        await asyncio.to_thread(redis.start)
        stack.callback(redis.stop)
        to_postgres, to_redis = Proxy(unix(f"{postgres.sockets}/.s.PGSQL.5432")), Proxy(tcp(redis.port))
        to_postgres.ear = heard = PostgresEar()
        for proxy in (to_postgres, to_redis):
            await proxy.start()
            stack.push_async_callback(proxy.stop)
        environment = {
            "DATABASE_URL": f"postgresql://{SUPERUSER}@127.0.0.1:{to_postgres.port}/treesync?sslmode=disable",
            "REDIS_URL": f"redis://127.0.0.1:{to_redis.port}/0",
            "TREESYNC_CONNECT_SECONDS": "2",
            **settings,
        }
        serving = [Instance(folder, environment) for _ in range(instances)]
        for instance in serving:
            stack.push_async_callback(instance.close)
            await instance.door.start()
            await instance.start()
        yield Stage(postgres, redis, to_postgres, to_redis, serving, heard)
