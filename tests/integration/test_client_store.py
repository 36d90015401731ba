"""The file of a queue against a real server: kills, restarts, a second process, a copy."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from sync.nodes import Point
from sync.ops import ImportedNode
from tests.commands import ROOT, Command, treesync
from tests.postgres_servers import PostgresServers
from tests.waiting import until
from treesync_client import LiveTree, connect

WITHIN = 30.0
TOP = ImportedNode(id="root", type="objective", title="Grow", position=Point(0, 0))


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers) -> AsyncIterator[Command]:
    database = await (await postgres_servers.get("18")).fresh()
    async with treesync("serve", directory=tmp_path_factory.mktemp("server"), DATABASE_URL=database) as command:
        await command.until_ready()
        yield command


class Worker:
    """`tests.queue_worker` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []
        self.reading = asyncio.create_task(self._read(), name="test:worker")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode().strip())

    def made(self) -> list[int]:
        return [int(line.split()[1]) for line in self.said if line.startswith("made")]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()
        await self.reading

    async def ended(self) -> int:
        status = await asyncio.wait_for(self.process.wait(), WITHIN)
        await self.reading
        return status


@asynccontextmanager
async def worker(
    server: Command, store: Path, number: int, rounds: int = 10_000, pause: float = 0.001
) -> AsyncIterator[Worker]:
    arguments = [server.url, server.token("ada"), str(store), str(number), str(rounds), str(pause)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.queue_worker",
        *arguments,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    made = Worker(process)
    try:
        yield made
    finally:
        if process.returncode is None:
            await made.kill()


@asynccontextmanager
async def watching(server: Command) -> AsyncIterator[LiveTree]:
    async with connect(server.url, server.token("bo")) as bo:
        number = await bo.create_tree("Strategy", visibility="tenant_edit", nodes=[TOP])
        yield await bo.open(number)


def each_once(tree: LiveTree, made: set[int]) -> None:
    """Every round that was said to be made is there, and no round is there in halves or twice."""
    marks = Counter(int(k) for k in re.findall(r"<(\d+)>", tree.nodes["root"].description))
    nodes = {int(node[1:]) for node in tree.nodes if node[0] == "k"}
    assert made <= nodes
    assert marks == Counter(nodes)


async def test_a_process_killed_while_it_sends_goes_on_and_each_op_lands_once(server: Command, tmp_path: Path) -> None:
    """[ED3] [RP6] [RP9] `kill -9` at six moments, each time the next process on the same file."""
    chance = Random(5)
    made: set[int] = set()
    ids: set[str] = set()
    async with watching(server) as tree:
        for _ in range(6):
            async with worker(server, tmp_path / "queue.db", tree.number) as one:
                some = chance.randrange(5, 60)
                await until(lambda: len(one.made()) >= some, "rounds are made", seconds=WITHIN)  # noqa: B023
                await one.kill()
                made.update(one.made())
                ids.add(one.said[0].split()[2])
        async with worker(server, tmp_path / "queue.db", tree.number, rounds=3) as last:
            assert await last.ended() == 0, last.said
            made.update(last.made())
        await tree.reached(int(last.said[-1].split()[1]))
        each_once(tree, made)
        assert len(ids) == 1, "the queue kept its client_id"
        assert tree.core.resyncs == 0


async def test_a_second_process_on_the_file_is_refused_and_the_first_goes_on(server: Command, tmp_path: Path) -> None:
    """[HS10] [RP9]"""
    async with watching(server) as tree, worker(server, tmp_path / "queue.db", tree.number) as first:
        await until(lambda: len(first.made()) >= 3, "rounds are made", seconds=WITHIN)
        async with worker(server, tmp_path / "queue.db", tree.number) as second:
            assert await second.ended() == 3
        assert second.said[0].startswith("refused store_in_use")
        assert "is in use by another process" in second.said[0]
        before = len(first.made())
        await until(lambda: len(first.made()) >= before + 3, "the first goes on", seconds=WITHIN)


async def test_a_copied_file_takes_its_own_client_id_and_both_go_on(server: Command, tmp_path: Path) -> None:
    """[RP7] [RP9]"""
    file, copy = tmp_path / "queue.db", tmp_path / "copy.db"
    async with watching(server) as tree:
        async with worker(server, file, tree.number, rounds=5) as original:
            assert await original.ended() == 0
        shutil.copy(file, copy)
        for store in (copy, file, copy):
            async with worker(server, store, tree.number, rounds=4) as one:
                assert await one.ended() == 0, one.said
        await tree.reached(int(one.said[-1].split()[1]))
        each_once(tree, set(range(1, 18)))
