"""A serving process is killed, or asked to stop, while people write: nothing they were told is lost (P1, P2)."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.commands import STOP_SECONDS, Command, free_port, treesync
from tests.postgres_servers import PostgresServers
from tests.writers import Writers, all_replicas_agree, made, told_the_truth, writers

WRITERS = 12
PAUSE = 0.01  # seconds between two ops of a writer: most of the time something is in flight
ENOUGH = 10  # ops of each writer before the process goes, and again after it


@pytest.fixture
async def dsn(postgres_servers: PostgresServers) -> str:
    return await (await postgres_servers.get("18")).fresh()


class Place:
    """One port, and whichever process serves there now."""

    def __init__(self, dsn: str, directory: Path, stack: AsyncExitStack) -> None:
        self._dsn = dsn
        self._directory = directory
        self._stack = stack
        self._port = free_port()

    async def start(self) -> Command:
        serving = treesync("serve", directory=self._directory, port=self._port, DATABASE_URL=self._dsn)
        command = await self._stack.enter_async_context(serving)
        await command.until_ready()
        return command


@pytest.fixture
async def place(dsn: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        yield Place(dsn, tmp_path, stack)


async def goes_on(group: Writers, second: Command, dsn: str) -> None:
    """After a process is gone and another one came: all is there once, and everybody goes on by himself."""
    await group.until_answers(ENOUGH, each=True)
    await group.stop()
    await group.settle()
    assert [len(writer.tree.unanswered) for writer in group.everyone] == [0] * WRITERS
    await all_replicas_agree(group, [second])
    await told_the_truth(group, dsn)


def instances_of(group: Writers) -> set[str]:
    return {writer.client.instance for writer in group.everyone}


async def test_a_kill_under_load_loses_nothing(place: Place, dsn: str) -> None:
    """[ED3] [ED8] [OP2] [RP6] Clients come back, resume where they were and send again what had no answer."""
    first = await place.start()
    tree = await made(first)
    async with writers([first], tree, WRITERS) as group:
        before = instances_of(group)
        group.start(pause=PAUSE)
        await group.until_answers(ENOUGH, each=True)
        assert await first.stop(signal.SIGKILL) == -signal.SIGKILL
        second = await place.start()
        await goes_on(group, second, dsn)
        assert len(instances_of(group)) == 1
        assert instances_of(group) != before
        for writer in group.everyone:
            assert writer.client.failure is None
            assert writer.losses()[0].close_code is None  # cut, without a close
        assert await second.stop() == 0, second.said()


async def test_a_stop_under_load_loses_nothing(place: Place, dsn: str) -> None:
    """[CL1] What was taken is committed and answered, everybody is told to come back, and the process ends in time."""
    first = await place.start()
    tree = await made(first)
    async with writers([first], tree, WRITERS) as group:
        before = instances_of(group)
        group.start(pause=PAUSE)
        await group.until_answers(ENOUGH, each=True)
        began = time.monotonic()
        assert await first.stop(signal.SIGTERM) == 0, first.said()
        assert time.monotonic() - began <= STOP_SECONDS
        assert "Traceback" not in first.said(), first.said()
        assert "drain took too long" not in first.said(), first.said()
        second = await place.start()
        await goes_on(group, second, dsn)
        assert len(instances_of(group)) == 1
        assert instances_of(group) != before
        for writer in group.everyone:
            assert writer.losses()[0].close_code == 1012
        assert await second.stop() == 0, second.said()


async def test_kill_after_kill_while_people_write(place: Place, dsn: str) -> None:
    """[ED2] [ED3] Kill upon kill, some in the middle of a resend."""
    current = await place.start()
    tree = await made(current)
    async with writers([current], tree, WRITERS) as group:
        group.start(pause=PAUSE)
        for _ in range(2):
            await group.until_answers(WRITERS)
            assert await current.stop(signal.SIGKILL) == -signal.SIGKILL
            current = await place.start()
        await goes_on(group, current, dsn)
        assert await current.stop() == 0, current.said()
