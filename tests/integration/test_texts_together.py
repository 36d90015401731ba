"""Two processes on one PostgreSQL and one Redis, and people who type in one description on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.commands import Command, treesync
from tests.postgres_servers import PostgresServers
from tests.redis_server import RedisServer
from tests.writers import ROOT, made
from treesync_client import Client, Landed, LiveTree

TYPISTS = 6
LETTERS = 40  # of each
SETTLE_SECONDS = 20.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def instances(
    tmp_path: Path, postgres_servers: PostgresServers, redis: RedisServer
) -> AsyncIterator[list[Command]]:
    shared: dict[str, Any] = {
        "DATABASE_URL": await (await postgres_servers.get("18")).fresh(),
        "REDIS_URL": redis.url,
    }
    async with (
        treesync("serve", directory=tmp_path, **shared) as one,
        treesync("serve", directory=tmp_path, **shared) as two,
    ):
        await asyncio.gather(one.until_ready(), two.until_ready())
        yield [one, two]
        for instance in (one, two):
            assert await instance.stop() == 0, instance.said()
            assert "Traceback" not in instance.said(), instance.said()


async def type_away(tree: LiveTree, first: int) -> list[Any]:
    """So many letters of one's own, one behind the other where one's last one stands now; the answers."""
    hands = Random(first)
    answers = []
    for number in range(LETTERS):
        shown = tree.nodes[ROOT].description
        at = shown.find(chr(first + number - 1)) + 1 if number else hands.randint(0, len(shown))
        answers.append(asyncio.ensure_future(tree.splice(ROOT, "description", at, insert=chr(first + number))))
        await asyncio.sleep(hands.uniform(0, 0.03))  # a person's hands
    return await asyncio.gather(*answers)


async def test_everyone_types_in_one_description(instances: list[Command]) -> None:
    """[TX8, TX9, TX11, TX13, BR2] Everyone's letters stand there once and in order, and everyone sees the same."""
    tree = await made(instances[0])
    async with AsyncExitStack() as stack:
        trees = []
        for place in range(TYPISTS):
            instance = instances[place % 2]
            client = Client(f"ws://127.0.0.1:{instance.port}/ws", instance.token(f"u{place}"))
            await stack.enter_async_context(client)
            trees.append(await client.open(tree))
        firsts = [0x4E00 + 0x100 * place for place in range(TYPISTS)]
        typed = await asyncio.gather(*(type_away(*one) for one in zip(trees, firsts, strict=True)))
        answers = [answer for answers in typed for answer in answers]
        assert {type(answer) for answer in answers} == {Landed}
        assert {answer.status for answer in answers} == {"applied", "merged"}
        async with asyncio.timeout(SETTLE_SECONDS):
            head = max(answer.seq for answer in answers)
            await asyncio.gather(*(one.reached(head) for one in trees))
        assert len({(one.seq, one.digest) for one in trees}) == 1
        description = trees[0].nodes[ROOT].description
        assert len(description) == TYPISTS * LETTERS
        for first in firsts:
            own = [letter for letter in description if first <= ord(letter) < first + 0x100]
            assert own == [chr(first + number) for number in range(LETTERS)]
