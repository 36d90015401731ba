"""The embedded PostgreSQL: started, stopped, found again, never served twice."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres
from sync.errors import Unavailable

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from storage.embedded import EmbeddedPostgres
print(asyncio.run(EmbeddedPostgres(Path(sys.argv[1])).start()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's: that is closed to the account the server runs as."""
    with tempfile.TemporaryDirectory(prefix="treesync-embedded-") as path:
        yield Path(path) / "deep" / "postgres"


async def answered(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_data_is_kept_from_one_start_to_the_next(folder: Path) -> None:
    first = EmbeddedPostgres(folder)
    dsn = await first.start()
    await answered(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    assert await answered(dsn, "SHOW listen_addresses") == ""
    await first.stop()
    with pytest.raises(OSError, match=r"."):
        await answered(dsn, "SELECT 1")
    second = EmbeddedPostgres(folder)
    try:
        assert await answered(await second.start(), "SELECT number FROM kept") == 7
    finally:
        await second.stop()


async def test_a_folder_has_one_owner(folder: Path) -> None:
    owner = EmbeddedPostgres(folder)
    dsn = await owner.start()
    try:
        with pytest.raises(Unavailable, match=r"another process .* stop it first, or set DATABASE_URL"):
            await EmbeddedPostgres(folder).start()
        assert await answered(dsn, "SELECT 1") == 1
    finally:
        await owner.stop()


async def test_a_server_left_behind_by_a_killed_owner_is_taken_over(folder: Path) -> None:
    command = (sys.executable, "-c", START_AND_WAIT, str(folder))
    pipe = asyncio.subprocess.PIPE
    owner = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert owner.stdout is not None
    dsn = (await owner.stdout.readline()).decode().strip()
    await answered(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    owner.kill()
    await owner.wait()
    heir = EmbeddedPostgres(folder)
    assert await heir.start() == dsn
    assert await answered(dsn, "SELECT number FROM kept") == 7
    await heir.stop()
    with pytest.raises(OSError, match=r"."):
        await answered(dsn, "SELECT 1")


async def test_a_start_that_was_cut_short_leaves_no_half_of_a_cluster(folder: Path) -> None:
    (folder / "making").mkdir(parents=True)
    (folder / "making" / "PG_VERSION").write_text("18\n")
    embedded = EmbeddedPostgres(folder)
    try:
        assert await answered(await embedded.start(), "SELECT 1") == 1
    finally:
        await embedded.stop()


async def test_a_crash_loses_nothing_that_was_committed(folder: Path) -> None:
    embedded = EmbeddedPostgres(folder)
    dsn = await embedded.start()
    await answered(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    await embedded.stop(immediately=True)
    try:
        assert await answered(await embedded.start(), "SELECT number FROM kept") == 7
    finally:
        await embedded.stop()


async def test_a_socket_with_too_long_a_path_lies_elsewhere_and_is_cleared_away(folder: Path) -> None:
    embedded = EmbeddedPostgres(folder / ("long" * 25))
    assert len(str(embedded.sockets)) < 90
    assert await answered(await embedded.start(), "SELECT 1") == 1
    await embedded.stop()
    assert not embedded.sockets.exists()


async def test_a_folder_that_cannot_be_made_is_told() -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        await EmbeddedPostgres(Path("/dev/null/postgres")).start()


async def test_why_it_does_not_start_is_told(folder: Path) -> None:
    broken = folder / "half" / "initdb"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    broken.chmod(0o755)
    for binaries, why in (("/nowhere", "initdb cannot be run"), (folder / "half", "initdb failed: it is broken")):
        with pytest.raises(Unavailable, match=why):
            await EmbeddedPostgres(folder, binaries=Path(binaries)).start()
