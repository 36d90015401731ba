"""Two `treesync serve` processes on one PostgreSQL, with a Redis between them, and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.embedded import EmbeddedPostgres
from tests.commands import OPERATOR, Command, treesync
from tests.redis_server import RedisServer

TREE = {"name": "Strategy", "nodes": [{"id": "root", "type": "objective", "title": "Grow"}]}
FOLLOWED_SECONDS = 5.0  # without a bus: the comparison of heads comes every two


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[str]:
    embedded = EmbeddedPostgres(tmp_path / "postgres")
    yield await embedded.start()
    await embedded.stop(immediately=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


async def edit(command: Command, tree: int, client: str, n: int, title: str) -> None:
    op = {"n": n, "base": 0, "op": "update", "node": "root", "set": {"title": title}}
    body = {"client_id": client, "mode": "force", "ops": [op]}
    answer = await command.ask("POST", f"/api/v1/trees/{tree}/edits", body)
    assert answer.json()["results"][0]["status"] == "applied", answer.text


async def until_title(command: Command, tree: int, title: str) -> None:
    async with asyncio.timeout(FOLLOWED_SECONDS):
        while await read_title(command, tree) != title:  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.02)


async def read_title(command: Command, tree: int) -> Any:
    state = (await command.ask("GET", f"/api/v1/trees/{tree}")).json()["state"]
    return state["nodes"][0]["title"]


async def how_far(command: Command) -> Any:
    """Ada, in all."""
    return (await command.ask("GET", "/api/v1/users/ada/progress")).json()["completion_rate"]


async def until_complete(command: Command, tree: int, share: float) -> None:
    async with asyncio.timeout(20):
        while True:
            told = (await command.ask("GET", f"/api/v1/trees/{tree}/progress")).json()
            if told["summary"]["completion_rate"] == share:
                return
            await asyncio.sleep(0.02)


async def until_bus(command: Command, state: str) -> None:
    async with asyncio.timeout(20):
        while True:
            report = (await command.ask("GET", "/health", bearer=OPERATOR)).json()
            if {one["name"]: one["state"] for one in report["dependencies"]}["bus"] == state:
                return
            await asyncio.sleep(0.05)


async def test_each_follows_the_other_with_a_bus_and_without(database: str, redis: RedisServer, tmp_path: Path) -> None:
    async with (
        treesync("serve", directory=tmp_path, DATABASE_URL=database, REDIS_URL=redis.url) as here,
        treesync("serve", directory=tmp_path, DATABASE_URL=database, REDIS_URL=redis.url) as there,
    ):
        await here.until_ready()
        await there.until_ready()
        tree = (await here.ask("POST", "/api/v1/trees", TREE)).json()["id"]
        await until_title(there, tree, "Grow")
        await edit(here, tree, "a", 1, "from here")
        await until_title(there, tree, "from here")
        await edit(there, tree, "b", 1, "from there")
        await until_title(here, tree, "from there")

        assert [await how_far(one) for one in (here, there)] == [0.0, 0.0]
        for n, (status, share) in enumerate((("done", 1.0), ("todo", 0.0)), 1):
            await until_complete(there, tree, 1.0 - share)
            op = {"n": n, "base": 0, "op": "update", "node": "root", "set": {"template_data.completion_status": status}}
            await here.ask("POST", f"/api/v1/trees/{tree}/edits", {"client_id": "s", "mode": "force", "ops": [op]})
            assert await how_far(there) == share, "what is kept there is asked for under another stamp now"
            await until_complete(there, tree, share)

        redis.stop()
        await until_bus(here, "away")
        await edit(here, tree, "a", 2, "without a bus")
        await until_title(there, tree, "without a bus")

        redis.start()
        await until_bus(here, "ok")
        await until_bus(there, "ok")
        await edit(there, tree, "b", 2, "with it again")
        await until_title(here, tree, "with it again")
        position = (await here.ask("GET", f"/api/v1/trees/{tree}")).json()["position"]
        assert position == (await there.ask("GET", f"/api/v1/trees/{tree}")).json()["position"]
        assert await here.stop() == 0
        assert await there.stop() == 0


async def test_without_a_bus_the_second_one_is_refused(database: str, tmp_path: Path) -> None:
    async with treesync("serve", directory=tmp_path, DATABASE_URL=database) as first:
        await first.until_ready()
        async with treesync("serve", directory=tmp_path, DATABASE_URL=database) as second:
            assert await second.ended() == 1
            assert "set REDIS_URL for all of them" in second.said()
            assert "Traceback" not in second.said()
        assert await first.stop() == 0
