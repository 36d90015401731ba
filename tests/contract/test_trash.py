"""The trash in storage: what is listed of it, what has lain there long enough, and rows that go for good.

Written through a hub, so that what storage is given is what rooms make.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from storage.bus_local import LocalBus
from sync.codec import Decoded
from sync.errors import NotFound
from sync.hub import Hub
from sync.identity import TreeKey
from sync.limits import Limits
from sync.ops import Op
from sync.protocol import Edit
from sync.trash import Trashed
from tests.clocks import RealClock
from tests.contract.conftest import Bench, raised

SOON = datetime(2099, 1, 1, tzinfo=UTC)
HERE = {"x": 1, "y": 2}


class Gardener:
    """Someone who edits a tree through a hub over the storage under test; the tree has root, left, right and a link."""

    def __init__(self, bench: Bench, hub: Hub, key: TreeKey) -> None:
        self.bench = bench
        self.hub = hub
        self.key = key
        self.clients = 0
        self.requests = 0

    async def do(self, *ops: dict[str, Any], user: str = "ada") -> list[str]:
        """Edit; the statuses, or codes, of the results. Every edit is a client of its own."""
        self.clients += 1
        asked = [msgspec.convert({"n": n, "base": 1, **op}, Op) for n, op in enumerate(ops, 1)]
        identity = self.bench.identity(user, tenant=self.key.tenant)
        outcome = await self.hub.submit(
            identity, self.key.tree, f"g{self.clients}", Decoded(Edit(ops=asked, mode="force"))
        )
        return [result.code or result.status for result in outcome.results]

    async def purge(self, *nodes: str) -> list[str]:
        self.requests += 1
        identity = self.bench.identity(tenant=self.key.tenant)
        outcome = await self.hub.purge(identity, self.key.tree, nodes, f"r{self.requests}")
        return [result.code or result.status for result in outcome.results]

    async def grow(self) -> None:
        """left: (low: (deep)), with a connection from deep to right."""
        assert (
            await self.do(
                insert("low", "left"),
                insert("deep", "low"),
                connect("d-r", "deep", "right"),
                connect("l-l", "low", "left"),
            )
            == ["applied"] * 4
        )

    async def nodes(self) -> set[str]:
        return {row.node.id for row in (await self.bench.store.load(self.key)).nodes}

    async def connections(self) -> set[str]:
        return {row.connection.id for row in (await self.bench.store.load(self.key)).connections}

    async def lines(self, limit: int = 50, before: tuple[int, str] | None = None) -> list[Trashed]:
        return await self.bench.directory.trash(self.key, limit=limit, before=before)

    async def overdue(self, moment: datetime = SOON, *, limit: int = 50, but: tuple[TreeKey, ...] = ()) -> list[str]:
        found = await self.bench.directory.overdue_trash(moment, limit=limit, but=but)
        return [node for one in found if one.key == self.key for node in one.nodes]


def insert(node: str, parent: str) -> dict[str, Any]:
    return {"op": "insert", "node": node, "parent": parent, "type": "metric", "title": node.upper()}


def connect(connection: str, source: str, target: str) -> dict[str, Any]:
    return {"op": "connect", "connection": connection, "from": source, "to": target}


def delete(node: str) -> dict[str, Any]:
    return {"op": "delete", "node": node}


@pytest.fixture
async def hub(bench: Bench) -> AsyncIterator[Hub]:
    hub = Hub(bench.store, LocalBus(), RealClock(), instance="i1", limits=Limits(), log=lambda *_, **__: None)
    await hub.start()
    yield hub
    await hub.close()


@pytest.fixture
async def gardener(bench: Bench, hub: Hub) -> Gardener:
    key = (await bench.create(visibility="tenant_edit")).key
    gardener = Gardener(bench, hub, key)
    await gardener.grow()
    return gardener


async def test_purged_rows_are_gone_with_their_commit(gardener: Gardener) -> None:
    """[TR27] The subtree, what an earlier deletion took of it, and every connection that touched them."""
    other = Gardener(gardener.bench, gardener.hub, (await gardener.bench.create(visibility="tenant_edit")).key)
    await other.grow()
    await gardener.do(delete("deep"), delete("left"))
    assert await gardener.purge("left") == ["applied"]
    assert await gardener.nodes() == {"root", "right"}
    assert await gardener.connections() == set()
    head = (await gardener.bench.store.heads([gardener.key]))[gardener.key]
    rows = await gardener.bench.store.log(gardener.key, head.seq - 1, head.seq)
    assert [(type(row.effect).__name__, row.author.client, row.author.via) for row in rows] == [
        ("Purge", "purge:r1", "server")
    ]
    assert await gardener.do(insert("left", "root"), insert("deep", "left")) == ["applied", "applied"]
    assert await other.nodes() == {"root", "left", "right", "low", "deep"}
    assert await other.connections() == {"link", "d-r", "l-l"}


async def test_what_moves_out_in_the_same_commit_stays(gardener: Gardener) -> None:
    """[TR21, TR27] Rows are written before others go, so that nothing hangs on what is gone."""
    await gardener.do(delete("left"))
    commit = (await gardener.bench.store.heads([gardener.key]))[gardener.key].commit
    out = {"op": "move", "node": "deep", "parent": "right", "position": HERE}
    moved, purged, made = await asyncio.gather(
        gardener.do(out), gardener.purge("left"), gardener.do(insert("low", "right"))
    )
    assert (moved, purged, made) == (["applied"], ["applied"], ["applied"])
    assert (await gardener.bench.store.heads([gardener.key]))[gardener.key].commit == commit + 1
    assert await gardener.nodes() == {"root", "right", "deep", "low"}
    assert await gardener.connections() == {"d-r"}


async def test_a_lost_batch_purges_nothing(gardener: Gardener) -> None:
    """[TR27]"""
    writer = await gardener.bench.writer(gardener.key)
    batch = writer.cut()
    batch.commit = 99
    batch.purged_nodes, batch.purged_connections = ["deep"], ["d-r"]
    assert not (await gardener.bench.commit(batch)).committed
    assert "deep" in await gardener.nodes()
    assert "d-r" in await gardener.connections()


async def test_what_a_row_still_stands_on_is_not_purged(gardener: Gardener) -> None:
    """A fault of a room's would be found by the database, not written. In memory nobody looks."""
    writer = await gardener.bench.writer(gardener.key)
    batch = writer.cut()
    batch.purged_nodes = ["low"]
    if not type(gardener.bench.store).__name__.startswith("Memory"):
        assert await raised(gardener.bench.commit(batch)) is not None
        assert "low" in await gardener.nodes()


async def test_the_trash_is_listed_by_deletion_newest_first(gardener: Gardener) -> None:
    """[TR29]"""
    assert await gardener.lines() == []
    await gardener.do(delete("deep"))
    await gardener.do(delete("left"), user="bo")
    await gardener.do(insert("late", "low"))
    await gardener.do(delete("right"))
    right, left, deep = await gardener.lines()
    assert [(line.node, line.title, line.nodes, line.by) for line in (right, left, deep)] == [
        ("right", right.title, 1, "ada"),
        ("left", left.title, 3, "bo"),
        ("deep", "DEEP", 1, "ada"),
    ]
    assert (left.type, deep.type) == ("opportunity", "metric")
    assert right.seq > left.seq > deep.seq
    assert right.at >= left.at >= deep.at > "2000"
    assert await gardener.lines(2) == [right, left]
    assert await gardener.lines(2, (left.seq, left.node)) == [deep]
    assert await gardener.lines(2, (deep.seq, deep.node)) == []
    await gardener.do({"op": "restore", "node": "left"})
    assert [line.node for line in await gardener.lines()] == ["right", "deep"]
    await gardener.purge("right")
    assert [line.node for line in await gardener.lines()] == ["deep"]
    foreign = TreeKey("somebody-else", gardener.key.tree)
    assert await raised(gardener.bench.directory.trash(foreign, limit=9)) is NotFound


async def test_only_what_has_lain_long_enough_is_overdue(gardener: Gardener) -> None:
    """[TR28]"""
    await gardener.do(delete("deep"))
    [first] = await gardener.lines()
    await gardener.bench.pass_time(60.0)
    await gardener.do(delete("low"))
    second = (await gardener.lines())[0]
    just_after = datetime.fromisoformat(first.at) + timedelta(microseconds=1)
    assert await gardener.overdue(datetime.fromisoformat(first.at)) == []
    assert await gardener.overdue(just_after) == ["deep"]
    assert await gardener.overdue(datetime.fromisoformat(second.at) + timedelta(microseconds=1)) == ["low"]
    assert await gardener.overdue() == ["low"]


async def test_a_search_for_what_is_overdue_is_bounded(gardener: Gardener) -> None:
    """[TR28] And leaves out whom it is told to, and trees that nobody may write."""
    await gardener.do(delete("left"), delete("right"))
    assert await gardener.overdue(limit=10_000) == ["left", "right"]
    assert sum(len(one.nodes) for one in await gardener.bench.directory.overdue_trash(SOON, limit=1)) == 1
    assert await gardener.overdue(limit=10_000, but=(gardener.key,)) == []
    await gardener.bench.directory.set_frozen(gardener.key, True)
    assert await gardener.overdue(limit=10_000) == []
    await gardener.bench.directory.set_frozen(gardener.key, False)
    await gardener.bench.directory.trash_tree(gardener.key)
    assert await gardener.overdue(limit=10_000) == []
