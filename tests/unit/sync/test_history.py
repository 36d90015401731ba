"""A tree as it was."""

from __future__ import annotations

from typing import Any

import pytest

from storage.memory import MemoryStore
from sync.errors import NotFound
from sync.history import History, tree_of_state, tree_of_version
from sync.identity import TreeKey
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity, root
from tests.trees import live


async def written(one: Deployment) -> tuple[TreeKey, Socket, list[Any]]:
    """A tree, and what was live after each of its commits."""
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    room = one.hubs[0].places()[0].room
    seen = [live(room.tree)]
    here = {"x": 1, "y": 2}
    for op in (
        {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "A"},
        {"op": "insert", "node": "b", "parent": "a", "type": "metric", "title": "B"},
        {"op": "connect", "connection": "c", "from": "a", "to": "b"},
        {"op": "delete", "node": "a"},
        {"op": "update", "node": "b", "set": {"title": "in the trash"}},
        {"op": "restore", "node": "a"},
        {"op": "move", "node": "b", "parent": "root", "position": here},
        {"op": "configure", "set": {"name": "Later"}},
    ):
        assert (await ada.ask(key, op))[0]["status"] == "applied", op
        seen.append(live(room.tree))
    return key, ada, seen


@pytest.mark.parametrize("kept", [None, 5, 6, 10])
async def test_every_seq_is_read_as_it_was(one: Deployment, kept: int | None) -> None:
    """[HT6] From the log alone, or from a version before it."""
    key, _, seen = await written(one)
    hub = one.hubs[0]
    if kept is not None:
        state, position, _ = await hub.state(identity("ada"), key.tree, kept)
        from sync.codec import JSON
        from sync.versions import TreeVersion

        version = TreeVersion(number=0, seq=position.seq, epoch="e1", state=JSON.encode_value(state))
        assert await MemoryStore(one.database).keep_version(key, version)
    for seq, expected in enumerate(seen, start=2):
        state, position, role = await hub.state(identity("ada"), key.tree, seq)
        assert live(tree_of_state(state)) == expected
        assert (position.seq, role) == (seq, "owner")
        assert position.mark == await MemoryStore(one.database).mark_at(key, seq)
    state, position, _ = await hub.state(identity("ada"), key.tree, 0)
    assert (state.nodes, position.mark) == ([], "")
    assert live(tree_of_version(None))[0] == {}


async def test_a_seq_the_tree_has_not_come_to_is_not_found(one: Deployment) -> None:
    """[HT6]"""
    key, _, _ = await written(one)
    for seq in (-1, 11, 2**53):
        with pytest.raises(NotFound):
            await one.hubs[0].state(identity("ada"), key.tree, seq)


async def test_a_log_that_does_not_reach_back_is_not_found(one: Deployment) -> None:
    key, _, _ = await written(one)
    del one.database.trees[key].log[-3:]
    with pytest.raises(NotFound, match="reach back"):
        await History(MemoryStore(one.database)).at(key, "e1", 9)


async def test_now_is_what_is_confirmed(one: Deployment) -> None:
    """[HT6]"""
    key, _, seen = await written(one)
    state, position, _ = await one.hubs[0].state(identity("bo"), key.tree)
    assert live(tree_of_state(state)) == seen[-1]
    assert position.seq == 10
    await settle()
