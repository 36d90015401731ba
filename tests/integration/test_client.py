"""The client against real servers: processes of their own, sockets, PostgreSQL, Redis; kills and restarts."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.bodies import TreeView
from server.load import Load, Plan, of_users
from sync.nodes import Point
from sync.ops import ImportedNode
from tests.commands import Command, free_port, treesync
from tests.postgres_servers import PostgresServers
from tests.redis_server import RedisServer
from tests.waiting import until
from treesync_client import Client, Landed, LiveTree, NotFound, Rejected, connect
from treesync_client.results import Answer

WITHIN = 30.0
ROOT = ImportedNode(id="root", type="objective", title="Grow", position=Point(0, 0))


class Site:
    """Two instances on one database and one Redis."""

    def __init__(self, directory: Path, environment: dict[str, str], stack: AsyncExitStack) -> None:
        self.ports = [free_port(), free_port()]
        self.commands: list[Command] = []
        self._directory = directory
        self._environment = environment
        self._stack = stack

    async def start(self, place: int) -> Command:
        command = await self._stack.enter_async_context(
            treesync("serve", directory=self._directory, port=self.ports[place], **self._environment)
        )
        await command.until_ready()
        if place < len(self.commands):
            self.commands[place] = command
        else:
            self.commands.append(command)
        return command

    async def kill(self, place: int) -> None:
        assert await self.commands[place].stop(signal.SIGKILL) == -signal.SIGKILL

    def client(self, user: str, place: int = 0, **options: Any) -> Client:
        options = {"longest_wait": 0.3, **options}
        return connect(f"ws://127.0.0.1:{self.ports[place]}/ws", self.commands[place].token(user), **options)


@asynccontextmanager
async def opened(directory: Path, postgres: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        redis = RedisServer(directory)
        redis.start()
        stack.callback(redis.stop)
        site = Site(directory, {"DATABASE_URL": postgres, "REDIS_URL": redis.url}, stack)
        await site.start(0)
        await site.start(1)
        yield site


@pytest.fixture
async def site(tmp_path: Path, postgres_url: str) -> AsyncIterator[Site]:
    """Instances that a test may kill, on either PostgreSQL."""
    async with opened(tmp_path, postgres_url) as made:
        yield made


@pytest.fixture(scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers) -> AsyncIterator[Site]:
    """Instances that stand through the whole module."""
    server = await postgres_servers.get("18")
    async with opened(tmp_path_factory.mktemp("standing"), await server.fresh()) as made:
        yield made


async def landed(answer: asyncio.Future[Answer]) -> Landed:
    result = await asyncio.wait_for(answer, WITHIN)
    assert isinstance(result, Landed), result
    return result


async def agree(*trees: LiveTree) -> None:
    await until(lambda: len({tree.seq for tree in trees}) == 1, "all have the same seq", seconds=WITHIN)
    assert len({tree.digest for tree in trees}) == 1
    assert not any(tree.core.resyncs for tree in trees)


async def test_two_instances_edits_conflicts_rights_and_large_edits(standing: Site) -> None:
    """[BR2] [BR11] [OP7] [HT2] Over real sockets, both codecs."""
    async with standing.client("ada", 0) as ada, standing.client("bo", 1, codec="json") as bo:
        number = await ada.create_tree("Strategy", visibility="tenant_edit", nodes=[ROOT])
        tree, other = await ada.open(number), await bo.open(number)
        changes = other.changes()
        answers = [tree.insert(f"a{turn}", parent="root", type="metric", title="A") for turn in range(20)]
        answers += [other.insert(f"b{turn}", parent="root", type="metric", title="B") for turn in range(20)]
        assert {(await landed(answer)).status for answer in answers} == {"applied"}
        await agree(tree, other)
        seqs = [(await anext(changes)).seq for _ in range(40)]
        assert seqs == list(range(seqs[0], seqs[0] + 40))
        large = "x" * 100_000  # more than a message may have: it goes by HTTP, in its turn
        before, big, after = (
            tree.update("a0", title="before"),
            tree.update("a0", description=large),
            tree.update("a0", title="after"),
        )
        assert [(await landed(answer)).n for answer in (before, big, after)] == [21, 22, 23]
        await agree(tree, other)
        assert other.nodes["a0"].description == large
        with pytest.raises(Rejected):
            await other.move("root", parent="a0")
        await ada.request("PATCH", f"/trees/{number}", {"visibility": "private"})
        await until(lambda: other.core.status == "gone", "bo may not see it any more")
        with pytest.raises(NotFound):
            await bo.open(number)


async def test_a_killed_server_loses_nothing_and_clients_come_back_by_themselves(site: Site) -> None:
    """[ED3] [ED8] [RP6] `kill -9` under load, twice, on either instance; everything acknowledged is there once."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(site.client(f"user-{one}", one % 2)) for one in range(6)]
        number = await clients[0].create_tree("Strategy", visibility="tenant_edit", nodes=[ROOT])
        trees = [await client.open(number) for client in clients]
        start = trees[0].seq
        acknowledged: list[str] = []
        stop = asyncio.Event()
        writers = [
            asyncio.create_task(write(tree, f"w{place}", acknowledged, stop), name=f"writer:{place}")
            for place, tree in enumerate(trees)
        ]
        for turn in range(2):
            await until(lambda: len(acknowledged) > 100 * (turn + 1), "edits land", seconds=WITHIN)  # noqa: B023
            await site.kill(turn)
            await site.start(turn)
        known = len(acknowledged)
        await until(lambda: len(acknowledged) > known + 100, "edits land again", seconds=WITHIN)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*writers), WITHIN)
        await agree(*trees)
        assert len(acknowledged) == len(set(acknowledged))
        assert set(trees[0].nodes) == {"root", *acknowledged}
        assert trees[0].seq == start + len(acknowledged), "an op is in the log twice, or one nobody was told of"
        assert any(client.reconnects for client in clients)
        await fresh_agrees(site, number, trees[0])


async def write(tree: LiveTree, name: str, acknowledged: list[str], stop: asyncio.Event) -> None:
    count = 0
    while not stop.is_set():
        batch = []
        for _ in range(5):
            count += 1
            node = f"{name}-{count}"
            batch.append((node, tree.insert(node, parent="root", type="metric", title=node)))
        for node, answer in batch:
            assert (await landed(answer)).status == "applied"
            acknowledged.append(node)


async def fresh_agrees(site: Site, number: int, tree: LiveTree) -> None:
    """A newcomer on the other instance has the same tree."""
    async with site.client("newcomer", 1) as client:
        fresh = await client.open(number)
        await agree(fresh, tree)


async def test_a_stopping_server_sends_its_clients_away_and_they_resume(site: Site) -> None:
    """[CL1] [OP2]"""
    async with site.client("ada", 0) as ada, site.client("bo", 1) as bo:
        number = await ada.create_tree("Strategy", visibility="tenant_edit", nodes=[ROOT])
        tree, other = await ada.open(number), await bo.open(number)
        assert await site.commands[0].stop() == 0
        answer = tree.update("root", title="Without a server")
        await landed(other.insert("n1", parent="root", type="metric", title="Meanwhile"))
        assert tree.nodes["root"].title == "Without a server"
        await site.start(0)
        assert (await landed(answer)).status == "applied"
        await agree(tree, other)
        assert "n1" in tree.nodes


async def test_load_ends_by_itself_and_without_divergence(standing: Site) -> None:
    """The load command's engine, on one instance."""
    plan = Plan(url=f"http://127.0.0.1:{standing.ports[0]}", rooms=2, clients=3, tenants=2, seconds=2.0, rate=60.0)
    report = await asyncio.wait_for(
        Load(plan, lambda tenant, user: standing.commands[0].token(user, tenant)).run(), 3 * WITHIN
    )
    assert report.is_good, report.differing
    assert report.clients == 6
    assert report.edits > 60
    assert report.durable.samples > 0
    assert report.seen.samples > report.durable.samples
    assert report.resyncs == 0


async def test_people_edit_at_their_pace_and_everything_is_saved_and_seen(standing: Site) -> None:
    """`treesync load --users`, with few."""
    plan = of_users(f"http://127.0.0.1:{standing.ports[0]}", 15, 3.0, tenants=1, seed=1, codec="json")
    load = Load(plan, lambda tenant, user: standing.commands[0].token(user, tenant))
    report = await asyncio.wait_for(load.run(), 3 * WITHIN)
    assert report.errors == 0, report
    assert sorted(len(room.trees) for room in load.rooms) == [7, 8]
    assert len({client.user for room in load.rooms for client, _ in room.trees}) == 15
    assert report.edits < 15 * 3, "faster than people"
    assert report.durable.samples > 0
    assert report.seen.samples >= report.durable.samples


async def test_the_load_command_brings_a_server_of_its_own_for_its_users(tmp_path: Path) -> None:
    async with treesync("load", "--users", "3", "--seconds", "2", "--json", directory=tmp_path) as command:
        assert await command.ended() == 0, command.said()
    said = command.said()
    report = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert (report["clients"], report["rooms"], report["unanswered"], report["divergence"]) == (3, 1, 0, 0)


async def test_the_demo_command_makes_one_tree_and_its_bots_edit_it(standing: Site, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{standing.ports[0]}"
    numbers = []
    for arguments in ((), ("--bots", "2", "--seconds", "2")):
        async with treesync("demo", "--url", url, *arguments, directory=tmp_path) as command:
            assert await command.ended() == 0, command.said()
            assert "Traceback" not in command.said()
            numbers.append(int(command.said().split("#tree=")[1].split("&")[0]))
    assert len(set(numbers)) == 1
    async with connect(url, standing.commands[0].token("ada", "demo")) as client:
        view = msgspec.convert(await client.request("GET", f"/trees/{numbers[0]}"), TreeView)
        assert view.position.seq > 2
        tree = await client.open(numbers[0])
        assert len(tree.nodes) >= 60
        assert len({node.type for node in tree.nodes.values()}) == 7
