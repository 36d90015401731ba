"""A tree's past through the Python client, against a real server."""

from __future__ import annotations

import pytest

from sync.errors import NotFound
from tests.commands import Command
from tests.integration.test_client_rescue import agree, server, two

__all__ = ["server"]


async def test_versions_differences_and_going_back(server: Command) -> None:
    """[HI2] [HI6] [HI7] [HI10] [HI12] [HI16] [HI23]"""
    async with two(server) as (_, mine, theirs):
        kept = await mine.past.keep("Start")
        before = {node: one.title for node, one in mine.nodes.items()}
        await theirs.update("b", {"title": "Bo's"})
        await agree(mine, theirs)
        assert [line["name"] async for line in mine.past.versions()] == ["Start"]
        found = await mine.past.diff({"version": kept["number"]})
        assert found["sentences"] == [
            "The title of \u201cBo's\u201d was changed from \u201cB\u201d to \u201cBo's\u201d."
        ]
        assert (await mine.past.of_node("b"))["events"][0]["what"] == "changed"
        moment = {"version": kept["number"]}
        rehearsed = await mine.past.restore(moment, dry_run=True)
        done = await mine.past.restore(moment, seq=rehearsed["seq"])
        assert done["count"] == rehearsed["count"] == 1
        await agree(mine, theirs)
        assert {node: one.title for node, one in mine.nodes.items()} == before
        await mine.past.revert(**done["undo"])
        await agree(mine, theirs)
        assert mine.nodes["b"].title == "Bo's"
        for moment in ({"version": kept["number"]}, {"seq": kept["seq"]}, {"at": kept["at"]}):
            state = (await mine.past.at(moment))["state"]
            assert {node["id"]: node["title"] for node in state["nodes"]} == before
        assert (await mine.past.rename(kept["number"], "First"))["name"] == "First"
        assert (await mine.past.unname(kept["number"]))["kind"] == "automatic"
        with pytest.raises(NotFound):
            await mine.past.diff({"seq": 10**9})
