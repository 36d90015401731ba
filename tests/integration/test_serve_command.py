"""`treesync serve` with an embedded database, from the first start to a kill."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.embedded import EmbeddedPostgres
from tests.commands import OPERATOR, SECRET, Command, treesync

TREE = {"name": "Strategy", "nodes": [{"id": "root", "type": "objective", "title": "Grow"}]}


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Path]:
    """A fresh directory; a database that a killed server left behind is stopped at the end."""
    yield tmp_path
    database = EmbeddedPostgres(tmp_path / ".treesync" / "postgres")
    await database.start()
    await database.stop(immediately=True)


async def titles(command: Command, tree: int) -> list[str]:
    state = (await command.ask("GET", f"/api/v1/trees/{tree}")).json()["state"]
    return [node["title"] for node in state["nodes"]]


async def retitle(command: Command, tree: int, n: int, title: str) -> None:
    op = {"n": n, "base": 0, "op": "update", "node": "root", "set": {"title": title}}
    body = {"client_id": "script", "mode": "force", "ops": [op]}
    answer = await command.ask("POST", f"/api/v1/trees/{tree}/edits", body)
    assert [result["status"] for result in answer.json()["results"]] == ["applied"], answer.text


async def test_it_serves_stops_and_goes_on_where_it_was(directory: Path) -> None:
    async with treesync("serve", directory=directory) as first:
        await first.until_ready()
        tree = (await first.ask("POST", "/api/v1/trees", TREE)).json()["id"]
        await retitle(first, tree, 1, "Grow 20%")
        health = (await first.ask("GET", "/health", bearer=OPERATOR)).json()
        assert health["status"] == "ok"
        assert await first.stop() == 0
        assert SECRET not in first.said()
        assert OPERATOR not in first.said()
        assert "eyJ" not in first.said()
        assert "Traceback" not in first.said()
    async with treesync("serve", directory=directory) as second:
        await second.until_ready()
        assert await titles(second, tree) == ["Grow 20%"]
        assert await second.stop(signal.SIGINT) == 0


async def test_a_kill_loses_nothing_that_was_acknowledged(directory: Path) -> None:
    async with treesync("serve", directory=directory) as first:
        await first.until_ready()
        tree = (await first.ask("POST", "/api/v1/trees", TREE)).json()["id"]
        for n in range(1, 21):
            await retitle(first, tree, n, f"Grow {n}%")
        assert await first.stop(signal.SIGKILL) == -signal.SIGKILL
    async with treesync("serve", directory=directory) as second:
        await second.until_ready()
        assert await titles(second, tree) == ["Grow 20%"]
        assert await second.stop() == 0


async def test_the_demo_is_open_to_guests_of_this_machine(directory: Path) -> None:
    async with treesync("serve", "--demo", directory=directory, TREESYNC_JWT_SECRET="") as command:
        await command.until_ready()
        given = (await command.ask("GET", "/demo/token", bearer="none")).json()
        state = (await command.ask("GET", f"/api/v1/trees/{given['tree']}", bearer=given["token"])).json()["state"]
        assert len(state["nodes"]) >= 60
        assert await command.stop() == 0
        assert f"{command.url}/" in command.said()


async def test_a_port_in_use_is_told_in_a_line(directory: Path) -> None:
    async with treesync("serve", directory=directory) as first:
        await first.until_ready()
        async with treesync("serve", directory=directory, port=first.port) as second:
            assert await second.ended() == 1
            assert "cannot listen on" in second.said()
            assert "Traceback" not in second.said()
        assert await first.stop() == 0


async def test_a_second_one_without_a_bus_is_refused(directory: Path) -> None:
    async with treesync("serve", directory=directory) as first:
        await first.until_ready()
        async with treesync("serve", directory=directory) as second:
            assert await second.ended() == 1
            assert "another" in second.said()
            assert "Traceback" not in second.said()
        assert await first.stop() == 0


async def test_the_schema_can_be_checked_before_it_is_made(directory: Path) -> None:
    async with treesync("migrate", "--check", directory=directory) as command:
        assert await command.ended() == 1
        assert "pending  0001_" in command.said()
    async with treesync("serve", directory=directory, TREESYNC_MIGRATE="false") as command:
        assert await command.ended() == 1
        assert "treesync migrate" in command.said()
    async with treesync("migrate", directory=directory) as command:
        assert await command.ended() == 0
        assert "applied 0001_" in command.said()
    async with treesync("migrate", "--verify", directory=directory) as command:
        assert await command.ended() == 0


async def test_jobs_are_listed_run_and_remembered(directory: Path) -> None:
    async with treesync("jobs", "list", directory=directory) as command:
        assert await command.ended() == 0
        assert "partitions" in command.said()
        assert "purge-trash" in command.said()
    async with treesync("jobs", "run", "expired-results", directory=directory) as command:
        assert await command.ended() == 0
    async with treesync("jobs", "run", "purge-trash", directory=directory) as command:
        assert await command.ended() == 0
        assert "0 trees, 0 nodes, 0 refused" in command.said()
    async with treesync("jobs", "run", "nothing", directory=directory) as command:
        assert await command.ended() == 1
        assert "no such job" in command.said()
    async with treesync("jobs", "history", directory=directory) as command:
        assert await command.ended() == 0
        assert "expired-results" in command.said()
        assert "done" in command.said()
