"""Working without a server: by choice, by misfortune, and from a file before any server was reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sync.identity import TreeKey
from tests.hubs import Deployment
from tests.lines import Network, agree, landed
from tests.waiting import until
from treesync_client import Disconnected, Report, StoreInUse, StoreOfAnother, Unavailable


async def test_offline_edits_show_queue_and_go_when_the_block_ends(network: Network, key: TreeKey) -> None:
    """[RP10]"""
    async with network.client() as client, network.client("bo") as bo:
        tree, other = await client.open(key.tree), await bo.open(key.tree)
        events = tree.events()
        async with client.offline():
            assert not client.is_connected
            answers = [tree.insert("m1", parent="root", type="metric", title="M"), tree.update("root", title="mine")]
            answers.append(tree.write("root", "description", "typed offline"))
            assert tree.nodes["root"].description == "typed offline"
            await landed(other.update("root", title="theirs"))
            assert [one.done() for one in answers] == [False] * 3
            assert await client.open(key.tree) is tree
        report = await asyncio.wait_for(_report(events), 5)
        assert report.counts == {"applied": 2, "conflict": 1}
        assert report == tree.last_report
        assert str(report) == "2 applied, 1 conflict"
        assert (await answers[1]).status == "conflict"
        await agree(tree, other)
        assert tree.nodes["root"].title == "theirs"


async def _report(events: object) -> Report:
    async for event in events:  # type: ignore[attr-defined]
        if isinstance(event, Report):
            return event
    raise AssertionError("no report")


async def test_a_tree_opens_from_the_file_without_a_server(network: Network, key: TreeKey, tmp_path: Path) -> None:
    """[RP9] [RP6]"""
    store = tmp_path / "queue.db"
    async with network.client(store=store) as client:
        tree = await client.open(key.tree)
        await landed(tree.insert("m1", parent="root", type="metric", title="M"))
    network.down = True
    async with network.client(store=store) as client:
        assert not client.is_connected
        tree = await client.open(key.tree)
        assert tree.nodes["m1"].title == "M"
        assert tree.role == "owner"
        dropped = tree.update("m1", title="typed on a train")
        tree.splice("m1", "description", 0, insert="and more")
        await asyncio.sleep(0)  # to the end of the turn: from here on it is in the file
    assert isinstance(dropped.exception(), Disconnected)
    network.down = False
    async with network.client(store=store) as client:  # the queue goes on by itself: nobody opens the tree
        (tree,) = client.trees.values()
        await asyncio.wait_for(tree.drained(), 5)
        assert tree.nodes["m1"].title == "typed on a train"
        assert tree.nodes["m1"].description == "and more"
        assert tree.last_report is not None
        assert tree.last_report.counts == {"applied": 2}


async def test_without_a_server_a_tree_that_was_never_here_is_waited_for(
    network: Network, key: TreeKey, tmp_path: Path
) -> None:
    network.down = True
    with pytest.raises(Unavailable):
        async with network.client(store=tmp_path / "queue.db", open_timeout=0.05):
            raise AssertionError("nobody has said who we are")


async def test_one_file_one_client_one_person(network: Network, key: TreeKey, tmp_path: Path) -> None:
    store = tmp_path / "queue.db"
    async with network.client(store=store):
        with pytest.raises(StoreInUse):
            await network.client(store=store).__aenter__()
    with pytest.raises(StoreOfAnother):
        await network.client("bo", store=store).__aenter__()


async def test_a_queue_that_may_not_be_sent_stays_and_can_be_taken_along(
    deployment: Deployment, network: Network, key: TreeKey, tmp_path: Path
) -> None:
    """[RP9] SEMANTICS 23"""
    store = tmp_path / "queue.db"
    async with network.client("bo", store=store) as client:
        tree = await client.open(key.tree)
        async with client.offline():
            tree.update("root", title="never sent")
            await asyncio.sleep(0)
        await asyncio.wait_for(tree.drained(), 5)
        async with client.offline():
            tree.update("root", title="nobody may read this")
            await asyncio.sleep(0)
            await deployment.directory.trash_tree(key)
        await until(lambda: tree.core.status == "gone", "the tree is gone")
        (exported,) = client.export()["trees"]
        assert exported["unanswered"][0]["set"] == {"title": "nobody may read this"}
    network.down = True
    async with network.client("bo", store=store) as client:
        (tree,) = client.trees.values()
        assert [op.set for op in tree.unanswered] == [{"title": "nobody may read this"}]  # type: ignore[union-attr]
        assert len(tree.discard()) == 1
        assert tree.unanswered == []
    async with network.client("bo", store=store) as client:
        assert client.trees == {}
