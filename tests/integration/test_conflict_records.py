"""Conflict records on two processes, one PostgreSQL and one Redis: decided once, told everywhere, after a crash too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.commands import Command, treesync
from tests.redis_server import RedisServer
from tests.speakers import Message, Speaker, speaking

RECORDS = 20
NODES = [{"id": f"n{number}", "type": "metric", "title": "Start"} for number in range(RECORDS)]
DECISIONS = "SELECT client_id, count(*) FROM tree_ops WHERE client_id LIKE 'resolve:%' GROUP BY 1"
Answer = tuple[str, Any]
Told = dict[int, Message]  # how a record was closed, by its id, as its parties are told


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def instances(tmp_path: Path, postgres_url: str, redis: RedisServer) -> AsyncIterator[list[Command]]:
    shared: dict[str, Any] = {"DATABASE_URL": postgres_url, "REDIS_URL": redis.url}
    async with (
        treesync("serve", directory=tmp_path, **shared) as one,
        treesync("serve", directory=tmp_path, **shared) as two,
    ):
        await asyncio.gather(one.until_ready(), two.until_ready())
        yield [one, two]
        for instance in (one, two):
            if instance.process.returncode is None:
                assert await instance.stop() == 0, instance.said()
            assert "Traceback" not in instance.said(), instance.said()


async def contested(one: Command, two: Command) -> int:
    """A tree with a record per node: bo has overwritten what ada had set."""
    body = {"name": "Strategy", "visibility": "tenant_edit", "nodes": NODES}
    tree: int = (await one.ask("POST", "/api/v1/trees", body)).json()["id"]
    for instance, user in ((one, "ada"), (two, "bo")):
        ops = [
            {"n": n, "base": 2, "op": "update", "node": node["id"], "set": {"title": user}}
            for n, node in enumerate(NODES, 1)
        ]
        edit = {"client_id": f"{user}s", "ops": ops}
        answer = await instance.ask("POST", f"/api/v1/trees/{tree}/edits", edit, bearer=instance.token(user))
        assert {result["status"] for result in answer.json()["results"]} == {"applied"}
    return tree


async def by_http(instance: Command, tree: int, number: int, choice: str) -> Answer:
    path, body = f"/api/v1/trees/{tree}/conflicts/{number}/resolve", {"base": 42, "choice": choice}
    answer = await instance.ask("POST", path, body, bearer=instance.token("bo"))
    return answer.json().get("type", answer.text), answer.json().get("closed")


async def by_socket(speaker: Speaker, tree: int, told: Told) -> list[Answer]:
    for number in range(1, RECORDS + 1):
        await speaker.say(
            {"type": "resolve", "ref": number, "tree": tree, "conflict": number, "base": 42, "choice": "mine"}
        )
    heard: dict[int, Answer] = {}
    while len(heard) < RECORDS:
        message = await speaker.hear("resolved", "error", "conflict")
        if message["type"] == "conflict":
            note(message, told)
        else:
            heard[message["ref"]] = message["type"], message.get("closed")
    return [heard[number] for number in sorted(heard)]


def note(message: Message, told: Told) -> None:
    record = message["conflict"]
    told[record["id"]] = record["closed"]


async def decisions(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return {row[0]: row[1] for row in await connection.fetch(DECISIONS)}
    finally:
        await connection.close()


async def test_two_instances_decide_the_same_records_at_once(instances: list[Command], postgres_url: str) -> None:
    """[CR14, CR16, CR17] By socket here, by HTTP there; each record once, and both are answered alike."""
    one, two = instances
    tree = await contested(one, two)
    async with speaking(one, one.token("ada"), client="a") as ada, speaking(two, two.token("bo"), client="b") as bo:
        assert (await ada.open(tree))["conflicts"] == (await bo.open(tree))["conflicts"] == RECORDS
        asked = (by_http(two, tree, number, "theirs") for number in range(1, RECORDS + 1))
        told: tuple[Told, Told] = ({}, {})
        mine, theirs = await asyncio.gather(by_socket(ada, tree, told[0]), asyncio.gather(*asked))
        assert {kind for kind, _ in (*mine, *theirs)} == {"resolved"}
        assert mine == theirs
        ours = [f"resolve:{number}" for number, (_, closed) in enumerate(mine, 1) if closed["choice"] == "mine"]
        assert await decisions(postgres_url) == dict.fromkeys(ours, 1)
        for speaker, heard in zip((ada, bo), told, strict=True):
            while len(heard) < RECORDS:
                note(await speaker.hear("conflict"), heard)
            assert heard == {number: closed for number, (_, closed) in enumerate(mine, 1)}
    left = (await one.ask("GET", "/api/v1/conflicts")).json()
    assert left == {"conflicts": [], "next": None}


async def test_an_instance_that_is_killed_has_decided_or_not(instances: list[Command], postgres_url: str) -> None:
    """[CR14] Whoever asks again, elsewhere, is answered what was done, and it is done once."""
    one, two = instances
    tree = await contested(one, two)
    async with speaking(one, one.token("ada"), client="a") as ada:
        await ada.open(tree)
        for number in range(1, RECORDS + 1):
            decision = {"type": "resolve", "tree": tree, "conflict": number, "base": 42, "choice": "mine"}
            await ada.say({**decision, "ref": number})
        first = await ada.hear("resolved")
        one.process.kill()
        await one.ended()
        heard, _ = await ada.closed()
        known = {message["ref"]: message["closed"] for message in (first, *heard) if message["type"] == "resolved"}
    async with speaking(two, two.token("ada"), client="a2") as again:
        await again.open(tree)
        answers = await by_socket(again, tree, {})
    assert {kind for kind, _ in answers} == {"resolved"}
    assert {number: answers[number - 1][1] for number in known} == known
    assert await decisions(postgres_url) == {f"resolve:{number}": 1 for number in range(1, RECORDS + 1)}
    state = (await two.ask("GET", f"/api/v1/trees/{tree}")).json()["state"]
    assert {node["title"] for node in state["nodes"]} == {"ada"}, json.dumps(state)[:500]
