"""A long queue that lands whole or not at all, by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync.nodes import Point
from sync.ops import ImportedNode
from tests.commands import Command, treesync
from tests.postgres_servers import PostgresServers
from treesync_client import Landed, connect

TOP = ImportedNode(id="root", type="objective", title="Grow", position=Point(0, 0))
OPS = 3_000  # more than a socket may have unanswered


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, postgres_servers: PostgresServers) -> AsyncIterator[Command]:
    database = await (await postgres_servers.get("18")).fresh()
    async with treesync("serve", directory=tmp_path_factory.mktemp("server"), DATABASE_URL=database) as command:
        await command.until_ready()
        yield command


@pytest.mark.parametrize("kept", [True, False])
async def test_it_lands_whole_or_waits_whole(server: Command, tmp_path: Path, kept: bool) -> None:
    """[CF12] [HT3] One title that somebody changed keeps 3,000 ops back; without it all of them land at once."""
    store = tmp_path / "queue.db" if kept else None
    async with (
        connect(server.url, server.token("ada"), store=store) as ada,
        connect(server.url, server.token("bo")) as bo,
    ):
        number = await ada.create_tree("Strategy", visibility="tenant_edit", nodes=[TOP])
        mine, theirs = await ada.open(number), await bo.open(number)
        mine.hold()
        async with ada.offline():
            mine.update("root", title="mine")
            answers = [mine.insert(f"k{place}", parent="root", type="metric", title="K") for place in range(OPS)]
            mine.splice("root", "description", 0, insert="typed")
            await theirs.update("root", title="theirs")
        await mine.reached(theirs.seq)
        assert len(mine.unanswered) == OPS + 2
        blocked = await mine.land_whole()
        assert blocked.counts == {"conflict": 1}
        assert blocked.conflicts[0].op.set == {"title": "mine"}  # type: ignore[union-attr]
        assert len(mine.unanswered) == OPS + 2
        assert "k0" not in theirs.nodes
        assert await mine.conflicts() == []
        given_up = mine.discard()
        assert len(given_up) == OPS + 2
        for op in given_up[1:]:
            mine.edit(op)
        report = await mine.land_whole()
        assert report.counts == {"applied": OPS + 1}
        assert mine.unanswered == []
        await asyncio.wait_for(mine.reached(theirs.seq), 30)
        assert (await mine.update("root", title="goes on")).status == "applied"
        assert isinstance(await theirs.update("k0", title="seen"), Landed)
        assert not answers[0].cancelled()
