"""Three storms on one stack: the network is gone for a moment, the server is killed, a deploy replaces the server.

After each: when everyone was back, how they came (attempts a second), what the server bore meanwhile; at the end the
oracles O1 and O3. The coming back is that of our client: full jitter, doubling from 0.25 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil

from storage.embedded import EmbeddedPostgres
from tests.commands import Command, free_port, treesync
from tests.reconnect.crowd import Crowd
from tests.soak.watch import MEBIBYTE, metrics
from tests.torture.oracles import LogRow
from tests.torture.stage import LOG

BACK_SECONDS = 30.0  # reliability B 26
STOP_SECONDS = 10.0  # reliability B 25
PEAK = 3.0  # times the mean of those who come (reliability B 26)
START_SECONDS = 120.0  # of a busy machine
LOOK_SECONDS = 0.1
POOL_MAX = 20 + 2 + 1  # connections to the database: of the pool, of the commit lanes, and the one that is the instance
ACTIVITY = """
SELECT count(*), count(*) FILTER (WHERE state = 'active') FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


class Told(msgspec.Struct, kw_only=True):
    """What came of one storm. Memory in MiB, times in seconds; peaks are of samples LOOK_SECONDS apart."""

    name: str
    clients: int
    back: float = 0.0
    half_back: float = 0.0
    stop: float = 0.0  # that the server took to end by itself; 0 where it was killed or stayed
    attempts: int = 0
    attempts_peak: int = 0  # in one second; where no server is there they end at once
    reached_peak: int = 0  # the same of those that reached a server
    reached_mean: float = 0.0  # a second, from the first of them to the last
    in_flight: int = 0  # edits without an answer when it began
    server_cpu: float = 0.0  # of the process that is there in the end
    clients_cpu: float = 0.0
    memory_before: float = 0.0
    memory_peak: float = 0.0
    handshakes_peak: int = 0  # sockets that were connected and had not been welcomed
    database_connections: int = 0
    database_active: int = 0
    transactions_peak: int = 0  # of the database, in one second
    resumed: int = 0
    snapshots: int = 0


class Stack:
    """A server that can be killed and replaced on its port, and its database."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres) -> None:
        self.dsn = postgres.dsn()
        self._folder = folder
        self._port = free_port()
        self._stack = AsyncExitStack()
        self.instance: Command

    async def start(self) -> None:
        environment = {"DATABASE_URL": self.dsn, "LOG_LEVEL": "warning"}
        serving = treesync("serve", directory=self._folder, port=self._port, **environment)
        self.instance = await self._stack.enter_async_context(serving)
        await self.instance.until_ready(START_SECONDS)

    async def end(self, how: signal.Signals) -> float:
        """Seconds until it was gone."""
        began = time.monotonic()
        await self.instance.stop(how, seconds=4 * STOP_SECONDS)
        seconds = time.monotonic() - began
        assert "Traceback" not in self.instance.said(), self.instance.said()
        await self._stack.aclose()
        return seconds

    async def log(self, trees: set[int]) -> dict[int, list[LogRow]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            rows = {tree: await connection.fetch(LOG, tree) for tree in trees}
        finally:
            await connection.close()
        return {
            tree: [LogRow(r["seq"], r["user_id"], r["client_id"], r["n"], msgspec.json.decode(r["op"])) for r in found]
            for tree, found in rows.items()
        }


@asynccontextmanager
async def stacked() -> AsyncIterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="treesync-storm-"))
    os.chmod(folder, 0o755)  # the database's own account must reach its folder
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = EmbeddedPostgres(folder / "postgres")
        await postgres.start()
        stack.push_async_callback(postgres.stop, immediately=True)
        made = Stack(folder, postgres)
        await made.start()
        yield made
        await made.end(signal.SIGTERM)


class Storm:
    """Drives them. `say` is called with each that is over."""

    def __init__(self, stack: Stack, crowd: Crowd, say: Callable[[Told], None]) -> None:
        self._stack = stack
        self._crowd = crowd
        self._say = say
        self.told: list[Told] = []

    async def run(self) -> list[str]:
        """All three, with edits going on; what is wrong at the end."""
        writing = asyncio.create_task(self._crowd.keep_writing(per_second=50.0), name="storm:writers")
        try:
            for name, befall in (("cut", self._cut), ("kill", self._kill), ("deploy", self._deploy)):
                await self._storm(name, befall)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await self._crowd.answered()
        trees = {member.tree.number for member in self._crowd.members}
        wrong = self._crowd.lost(await self._stack.log(trees))
        wrong += await self._crowd.differing(self._stack.instance)
        return wrong + [
            f"{one.name}: {one.database_connections} connections to the database"
            for one in self.told
            if one.database_connections > POOL_MAX
        ]

    def late(self) -> list[str]:
        """What took longer than was promised for a machine that is not busy otherwise."""
        late = [f"{one.name}: back after {one.back:.1f} s" for one in self.told if one.back > BACK_SECONDS]
        late += [
            f"{one.name}: {one.reached_peak} came in one second, {one.reached_mean:.0f} in the mean of them"
            for one in self.told
            if one.reached_peak > PEAK * one.reached_mean
        ]
        return late + [f"{one.name}: stopped in {one.stop:.1f} s" for one in self.told if one.stop > STOP_SECONDS]

    async def _cut(self, told: Told) -> None:
        self._crowd.cut()

    async def _kill(self, told: Told) -> None:
        await self._stack.end(signal.SIGKILL)
        await self._stack.start()

    async def _deploy(self, told: Told) -> None:
        told.stop = await self._stack.end(signal.SIGTERM)
        await self._stack.start()

    async def _storm(self, name: str, befall: Callable[[Told], Awaitable[None]]) -> None:
        crowd = self._crowd
        told = Told(name=name, clients=len(crowd.members))
        for member in crowd.members[:: max(len(crowd.members) // 400, 1)]:  # some edits are always on their way
            crowd.write(member)
        told.in_flight = len(crowd.flying)
        told.memory_before = memory(self._stack.instance)
        answered = await answers(self._stack.instance)
        before, spent, own = self._stack.instance, cpu(self._stack.instance.process.pid), cpu(os.getpid())
        watch = Watch(self._stack, crowd, told)
        watching = asyncio.create_task(watch.run(), name="storm:watch")
        crowd.begin()
        began = time.monotonic()
        await befall(told)
        while not told.back:
            now, back = time.monotonic() - began, crowd.back
            assert now < 4 * BACK_SECONDS, f"{told.clients - back} are not back"
            told.half_back = told.half_back or (now if back * 2 >= told.clients else 0.0)
            told.back = now if back == told.clients else 0.0
            await asyncio.sleep(LOOK_SECONDS / 2)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        watch.conclude()
        told.resumed, told.snapshots = await answers(self._stack.instance)
        if self._stack.instance is before:
            told.resumed, told.snapshots = told.resumed - answered[0], told.snapshots - answered[1]
        told.server_cpu = cpu(self._stack.instance.process.pid) - (spent if self._stack.instance is before else 0.0)
        told.clients_cpu = cpu(os.getpid()) - own
        self.told.append(told)
        self._say(told)


class Watch:
    """Samples the server and its database while a storm lasts."""

    def __init__(self, stack: Stack, crowd: Crowd, told: Told) -> None:
        self._stack = stack
        self._crowd = crowd
        self._told = told
        self._attempts = [(time.monotonic(), self._attempted())]
        self._reached = [(time.monotonic(), self._let_in())]
        self._transactions: list[tuple[float, int]] = []

    def _attempted(self) -> int:
        return sum(member.dial.attempts for member in self._crowd.members)

    def _let_in(self) -> int:
        return sum(member.dial.reached for member in self._crowd.members)

    async def run(self) -> None:
        connection = await asyncpg.connect(self._stack.dsn)
        try:
            while True:
                self._attempts.append((time.monotonic(), self._attempted()))
                self._reached.append((time.monotonic(), self._let_in()))
                await self._look(connection)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()

    async def _look(self, connection: asyncpg.Connection[Any]) -> None:
        told = self._told
        row = await connection.fetchrow(ACTIVITY)
        assert row is not None
        told.database_connections = max(told.database_connections, row[0])
        told.database_active = max(told.database_active, row[1])
        self._transactions.append((time.monotonic(), await connection.fetchval(TRANSACTIONS)))
        with contextlib.suppress(psutil.Error):
            told.memory_peak = max(told.memory_peak, memory(self._stack.instance))
        connected = sum(
            1 for one in self._crowd.members if one.dial.line is not None and not one.dial.line.transport.is_closing()
        )
        welcomed = sum(1 for member in self._crowd.members if member.client.is_connected)
        told.handshakes_peak = max(told.handshakes_peak, connected - welcomed)

    def conclude(self) -> None:
        told = self._told
        told.attempts = self._attempted() - self._attempts[0][1]
        told.attempts_peak = busiest_second(self._attempts)
        told.reached_peak, told.reached_mean = busiest_second(self._reached), mean_of(self._reached)
        told.transactions_peak = busiest_second(self._transactions)


def busiest_second(counted: list[tuple[float, int]]) -> int:
    """The most that a growing count grew within one second."""
    most = start = 0
    for at, count in counted:
        while at - counted[start][0] > 1.0:
            start += 1
        most = max(most, count - counted[start][1])
    return most


def mean_of(counted: list[tuple[float, int]]) -> float:
    """How much a count grew a second while it grew, a second at least."""
    grew = [after for before, after in pairwise(counted) if after[1] > before[1]]
    if not grew:
        return 0.0
    begin = max(at for at, count in counted if count == counted[0][1])
    return (counted[-1][1] - counted[0][1]) / max(grew[-1][0] - begin, 1.0)


def memory(instance: Command) -> float:
    return float(psutil.Process(instance.process.pid).memory_info().rss) / MEBIBYTE


def cpu(process: int) -> float:
    """Seconds of a core that a process has used."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


async def answers(instance: Command) -> tuple[int, int]:
    """(returns answered with the missing ops, with a snapshot) since that server began."""
    told = await metrics(instance)
    return int(told["resumes_total"]), int(told.get("snapshots_total", 0))
