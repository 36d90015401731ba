"""What one op may touch: a whole tree, whose rows must not hold up the rooms beside it."""

from __future__ import annotations

import asyncio

import pytest

from sync import commit
from tests.clocks import settle
from tests.hubs import Deployment, identity, root
from tests.trouble import Trouble


@pytest.mark.parametrize("most", [2, 1_000])
async def test_one_op_over_many_rows_goes_alone(
    one: Deployment, trouble: Trouble, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """SEMANTICS 6: over 1,000 rows. A delete and a purge are one op each, however much they take."""
    monkeypatch.setattr(commit, "BATCH_ROWS", most)
    key, other = await one.tree(root(), *(root(f"n{number}") for number in range(5))), await one.tree(root())
    ada, bo = one.socket("ada"), one.socket("bo")
    await ada.open(key)
    await bo.open(other)
    first = [{"op": "move", "node": f"n{place}", "parent": "root", "position": {"x": 1, "y": 1}} for place in range(5)]
    await ada.ask(key, *first)
    await bo.ask(other, {"op": "update", "node": "root", "set": {"title": "first"}})
    for place in range(2):
        trouble.calls.clear()
        if place == 0:
            ada.edit(key, {"op": "delete", "node": "root"})
        else:
            purged = asyncio.create_task(one.hubs[0].purge(identity("ada"), key.tree, ["root"], "1"))
            await asyncio.sleep(0)
        bo.edit(other, {"op": "update", "node": "root", "set": {"title": f"T{place}"}})
        await settle(100)
        assert trouble.calls.count("commit") == (2 if most == 2 else 1)
    assert [result.status for result in (await purged).results] == ["applied"]
