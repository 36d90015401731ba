"""Search through the Python client, against a real server."""

from __future__ import annotations

import pytest

from sync.errors import ClientFault
from tests.commands import Command
from tests.integration.test_client_rescue import server, two

__all__ = ["server"]


async def test_what_was_just_edited_is_found_page_by_page(server: Command) -> None:
    """[SE7] [SE8] [SE9]"""
    async with two(server) as (ada, mine, _):
        for number in range(5):
            await mine.insert(f"z{number}", type="metric", title=f"Zebra {number}")
        found = [hit["node"] async for hit in ada.search("zebra", limit=2)]
        assert sorted(found) == [f"z{number}" for number in range(5)]
        await mine.delete("z0")
        assert "z0" not in [hit["node"] async for hit in ada.search("zeb", tree=mine.number)]
        assert [hit async for hit in ada.search("zebra", type="research")] == []
        with pytest.raises(ClientFault, match="200 characters"):
            _ = [hit async for hit in ada.search("x" * 201)]
