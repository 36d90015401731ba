"""PostgreSQL crashes and comes back under running writers; no process of ours is started again (P1, ED19)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres, bundled_binaries
from tests.commands import Command, treesync
from tests.postgres_servers import DEBIAN_15
from tests.writers import Writers, all_replicas_agree, made, told_the_truth, writers

WRITERS = 12
PAUSE = 0.01
RESUME_SECONDS = 5.0  # issue 2: from the database's first answer to the first acknowledged op of everybody
DOWN_SECONDS = 1.0  # long enough for every client to be told, and to try again


@pytest.fixture(params=["18", "15"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedPostgres]:
    """A server of this test's own, to be crashed."""
    if request.param == "15" and not (DEBIAN_15 / "postgres").exists():
        pytest.skip(f"POSTGRESQL 15 IS NOT TESTED: no server binaries in {DEBIAN_15}")
    folder = Path(tempfile.mkdtemp(prefix="treesync-restart-"))
    server = EmbeddedPostgres(folder, binaries=bundled_binaries() if request.param == "18" else DEBIAN_15)
    await server.start()
    yield server
    await server.stop(immediately=True)
    shutil.rmtree(folder)


async def until_ready_says(instance: Command, status: int) -> None:
    """/readyz asks the database once a second, however often it is asked itself."""
    async with asyncio.timeout(3.0):
        while (await instance.ask("GET", "/readyz")).status_code != status:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.05)


async def test_a_crash_of_the_database_under_load(
    database: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """[ED8] [ED19] Nothing is acknowledged that is not there, and everybody goes on by himself."""
    dsn = database.dsn()
    async with treesync("serve", directory=tmp_path, DATABASE_URL=dsn) as instance:
        await instance.until_ready()
        tree = await made(instance)
        async with writers([instance], tree, WRITERS) as group:
            group.start(pause=PAUSE)
            await group.until_answers(10, each=True)

            await database.stop(immediately=True)
            await asyncio.sleep(DOWN_SECONDS / 2)  # what was committed before is answered by now
            answers = group.answers
            assert (await instance.ask("GET", "/livez")).status_code == 200
            await until_ready_says(instance, 503)
            await asyncio.sleep(DOWN_SECONDS / 2)
            assert group.answers == answers

            accepts = asyncio.create_task(until_it_accepts(dsn), name="asks whether the database accepts")
            await database.start()
            accepted = await accepts
            await group.until_answers(1, each=True)
            resumed = [first_after(group, accepted, place) - accepted for place in range(WRITERS)]
            assert max(resumed) <= RESUME_SECONDS

            await group.until_answers(5, each=True)
            await until_ready_says(instance, 200)
            await group.stop()
            await group.settle()
            await all_replicas_agree(group, [instance])
            await told_the_truth(group, dsn)
            assert [writer.client.reconnects for writer in group.everyone] == [0] * WRITERS
        assert instance.process.returncode is None
        assert await instance.stop() == 0, instance.said()
        assert '"level":"error"' not in instance.said(), instance.said()
    with capsys.disabled():
        print(f"\nwrites resumed {min(resumed):.2f} to {max(resumed):.2f} s after the database accepted", end=" ")


async def until_it_accepts(dsn: str) -> float:
    """When the database first answered."""
    while True:
        try:
            connection = await asyncpg.connect(dsn)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.005)
            continue
        await connection.close()
        return time.monotonic()


def first_after(group: Writers, moment: float, place: int) -> float:
    """When that writer had its first answer since then."""
    return min(at for at in group.everyone[place].answered.values() if at >= moment)
