"""Restores and reverts are worked out beside the room, while others get their turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync.errors import Invalid
from sync.identity import TreeKey
from sync.moments import Moment
from sync.planning import Planning
from sync.restoring import same_content
from tests.hubs import Deployment, Socket, root
from tests.unit.sync.test_past import restore, revert, room_of, then


async def many(one: Deployment, nodes: int) -> tuple[TreeKey, Socket]:
    """A tree whose nodes bo has all given another title."""
    key = await one.tree(root())
    bo = one.socket("bo")
    await bo.open(key)
    made = [{"id": f"n{at}", "type": "metric", "title": "N"} for at in range(nodes)]
    await bo.ask(key, {"op": "import", "parent": "root", "nodes": made, "connections": []})
    await bo.ask(key, *({"op": "update", "node": f"n{at}", "set": {"title": "Bo's"}} for at in range(nodes)))
    return key, bo


@pytest.mark.parametrize("way", ["restore", "revert"])
async def test_others_get_their_turn_while_it_is_worked_out(
    one: Deployment, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """And what was worked out beside the room is carried out as it is, where the room still stands there."""
    key, _ = await many(one, 200)
    planned: list[int] = []
    ask = Planning.ask

    def counted(plan: Planning, kind: Any, **fields: Any) -> None:
        planned.append(plan.seq)
        ask(plan, kind, **fields)

    monkeypatch.setattr(Planning, "ask", counted)
    seq = room_of(one).seq
    wanted: dict[str, Any] = {"to": Moment(seq=3)} if way == "restore" else {"since": Moment(seq=3)}
    work = asyncio.create_task(restore(one, key, **wanted) if way == "restore" else revert(one, key, **wanted))
    turns = 0
    while len(planned) < 100:
        await asyncio.sleep(0)
        turns += 1
        assert not work.done()
    assert len(planned) <= 120
    assert turns > 5
    assert (await work).count == 200
    assert (len(planned), room_of(one).seq) == (200, seq + 200)


async def test_a_room_that_went_on_meanwhile_has_it_worked_out_again(one: Deployment) -> None:
    """[HI12] What came between is taken back with the rest."""
    key, bo = await many(one, 100)
    work = asyncio.create_task(restore(one, key, to=Moment(seq=3)))
    for _ in range(8):
        await asyncio.sleep(0)
    await bo.ask(key, {"op": "update", "node": "root", "set": {"title": "Meanwhile"}})
    assert (await work).count == 101
    assert same_content(room_of(one).tree, await then(one, key, 3))


@pytest.mark.parametrize("way", ["restore", "revert"])
async def test_what_is_refused_beside_the_room_is_not_tried_in_it(
    one: Deployment, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """[HI25] It would hold everyone up to be refused again."""
    key, _ = await many(one, 50)
    monkeypatch.setattr("sync.planning.MOST_OPS", 10)
    cuts = one.database.trees[key].head.commit
    asked: list[int] = []
    ask = Planning.ask

    def counted(plan: Planning, kind: Any, **fields: Any) -> None:
        asked.append(plan.seq)
        ask(plan, kind, **fields)

    monkeypatch.setattr(Planning, "ask", counted)
    with pytest.raises(Invalid) as refused:
        await (restore(one, key, to=Moment(seq=3)) if way == "restore" else revert(one, key, since=Moment(seq=3)))
    assert refused.value.code == "too_large"
    assert len(asked) == 11
    assert one.database.trees[key].head.commit == cuts


async def test_an_undo_lands_while_somebody_types_in_what_it_touches(one: Deployment) -> None:
    """[HI16] However often: what is worked out beside the room is behind each time, so it is worked out in it."""
    key, bo = await many(one, 100)
    done = await restore(one, key, to=Moment(seq=3))
    assert done.undo is not None
    undoing = asyncio.create_task(revert(one, key, undo=done.undo.undo))
    typed = 0
    while not undoing.done() and typed < 100:
        await bo.ask(key, {"op": "update", "node": "n7", "set": {"description": f"{typed}"}})
        typed += 1
    assert (await undoing).count == 100
    assert typed < 100


async def test_a_dry_run_is_made_while_somebody_types(one: Deployment) -> None:
    """[HI14]"""
    key, bo = await many(one, 100)
    told = asyncio.create_task(revert(one, key, since=Moment(seq=3), dry_run=True))
    for typed in range(5):
        await bo.ask(key, {"op": "update", "node": "n7", "set": {"description": f"{typed}"}})
    assert (await told).count == 100
