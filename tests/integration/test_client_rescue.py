"""Conflicts, decisions, reports and the trash through the Python client, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sync.nodes import Point
from sync.ops import ImportedNode
from sync.protocol import ConflictDetail
from tests.commands import Command, treesync
from tests.postgres_servers import PostgresServers
from tests.waiting import until
from treesync_client import Client, Forbidden, Landed, LiveTree, NotFound, TreesyncError, connect

WITHIN = 30.0
NODES = [
    ImportedNode(id="root", type="objective", title="Grow", position=Point(0, 0)),
    ImportedNode(id="a", parent="root", type="outcome", title="A", position=Point(0, 9)),
    ImportedNode(id="b", parent="root", type="outcome", title="B", position=Point(9, 9)),
]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers) -> AsyncIterator[Command]:
    database = await (await postgres_servers.get("18")).fresh()
    async with treesync("serve", directory=tmp_path_factory.mktemp("server"), DATABASE_URL=database) as command:
        await command.until_ready()
        yield command


@asynccontextmanager
async def two(server: Command) -> AsyncIterator[tuple[Client, LiveTree, LiveTree]]:
    """Ada with her tree, and Bo in it."""
    async with connect(server.url, server.token("ada")) as ada, connect(server.url, server.token("bo")) as bo:
        number = await ada.create_tree("Strategy", visibility="tenant_edit", nodes=NODES)
        yield ada, await ada.open(number), await bo.open(number)


async def agree(*trees: LiveTree, seq: int = 0) -> None:
    """All of them come to that seq, and are equal there."""
    for tree in trees:
        await asyncio.wait_for(tree.reached(seq), WITHIN)
    await until(lambda: len({tree.seq for tree in trees}) == 1, "all have the same seq", seconds=WITHIN)
    assert len({tree.digest for tree in trees}) == 1


async def set_aside(ada: Client, mine: LiveTree, theirs: LiveTree) -> ConflictDetail:
    """Two titles for one node: Ada's waits."""
    async with ada.offline():
        mine.update("a", title="mine")
        await theirs.update("a", title="theirs")
    await mine.drained()
    (record,) = await mine.conflicts()
    return record


async def test_a_conflict_is_told_counted_listed_and_decided(server: Command) -> None:
    """[RP10] Both parties are told; `mine` sets the value that waited."""
    async with two(server) as (ada, mine, theirs):
        told: list[ConflictDetail] = []
        ended = theirs.on_conflict(told.append)
        record = await set_aside(ada, mine, theirs)
        assert (record.kind, record.node, record.user) == ("aside", "a", "ada")
        assert (record.paths["title"].mine, record.paths["title"].theirs) == ("mine", "theirs")
        assert mine.last_report is not None
        assert mine.last_report.counts == {"conflict": 1}
        assert mine.open_conflicts == 1
        assert [one.id for one in await ada.conflicts()] == [record.id]
        closed = await mine.resolve(record.id, "mine")
        assert (closed.choice, closed.by) == ("mine", "ada")
        await agree(mine, theirs, seq=closed.seq)
        assert theirs.nodes["a"].title == "mine"
        assert await mine.conflicts() == []
        await until(lambda: mine.open_conflicts == 0 and len(told) >= 2, "everyone is told", seconds=WITHIN)
        ended()
        again = await mine.resolve(record.id, "theirs")  # twice: what was done, and nothing more
        assert again == closed
        assert theirs.nodes["a"].title == "mine"


async def test_a_decision_by_value_and_one_that_is_not_ours(server: Command) -> None:
    async with two(server) as (ada, mine, theirs):
        record = await set_aside(ada, mine, theirs)
        async with connect(server.url, server.token("cleo")) as cleo:
            strange = await cleo.open(mine.number)
            with pytest.raises(NotFound):
                await strange.resolve(record.id, "mine")
            with pytest.raises(NotFound):
                await mine.resolve(record.id + 1000, "mine")
        closed = await mine.resolve(record.id, "value", value="both")
        assert closed.choice == "value"
        await agree(mine, theirs, seq=closed.seq)
        assert theirs.nodes["a"].title == "both"


async def test_a_decision_waits_for_the_socket(server: Command) -> None:
    async with two(server) as (ada, mine, theirs):
        record = await set_aside(ada, mine, theirs)
        async with ada.offline():
            decided = mine.resolve(record.id, "theirs")
            await asyncio.sleep(0)
            assert not decided.done()
        assert (await asyncio.wait_for(decided, WITHIN)).choice == "theirs"


async def test_a_deletion_is_listed_restored_and_purged(server: Command) -> None:
    """[TR29] [TR30]"""
    async with two(server) as (_, mine, theirs):
        await theirs.insert("below", parent="b", type="metric", title="Below")
        await theirs.delete("b")
        await agree(mine, theirs)
        (taken,) = await mine.trash()
        assert (taken.node, taken.nodes, taken.by, taken.title) == ("b", 2, "bo", "B")
        assert isinstance(await mine.restore("b"), Landed)
        assert await mine.trash() == []
        await mine.delete("b")
        with pytest.raises(Forbidden):
            await theirs.purge("b")
        await mine.purge("b")
        assert await mine.trash() == []
        await agree(mine, theirs)
        with pytest.raises(TreesyncError, match="node_missing"):
            await mine.restore("b")
