"""Opening rooms: once each, subscribed before they are loaded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync import lobby
from sync.errors import NotFound, Unavailable
from sync.identity import TreeKey
from tests.clocks import settle
from tests.faults import LossyExchange
from tests.hubs import Deployment, identity, root
from tests.trouble import Trouble


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def test_a_room_is_loaded_once_for_all_who_come(one: Deployment, trouble: Trouble) -> None:
    key = await one.tree(root())
    trouble.gates["load"] = asyncio.Event()
    asked = [asyncio.ensure_future(one.hubs[0].role(identity(user), key.tree)) for user in ("ada", "bo", "eve")]
    await settle()
    asked[1].cancel()
    trouble.gates.pop("load").set()
    await settle()
    assert [await asked[0], await asked[2]] == ["owner", "editor"]
    assert trouble.calls.count("load") == 1


async def test_a_commit_that_comes_while_a_room_is_loaded_is_not_lost(two: Deployment, trouble: Trouble) -> None:
    """[BR11] Subscribe first, then load, then serve."""
    key = await two.tree(root())
    ada = two.socket("ada")
    await ada.open(key)
    trouble.gates["load"] = asyncio.Event()
    bo = two.socket("bo", hub=1)
    bo.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    await ada.ask(key, title("New"))
    await settle()
    trouble.gates.pop("load").set()
    await settle(60)
    assert two.hubs[1].places()[0].room.seq == 3


async def test_so_many_messages_may_come_meanwhile(
    two: Deployment, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lobby, "EARLY_MESSAGES", 1)
    key = await two.tree(root())
    ada = two.socket("ada")
    await ada.open(key)
    trouble.gates["load"] = asyncio.Event()
    two.socket("bo", hub=1).send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    for number in range(3):
        await ada.ask(key, title(f"T{number}"))
    trouble.gates.pop("load").set()
    await settle(60)
    await two.clock.advance(2.5)
    assert two.hubs[1].places()[0].room.seq == 5


async def test_a_room_that_cannot_be_loaded_leaves_nothing_behind(one: Deployment, trouble: Trouble) -> None:
    key = await one.tree(root())
    trouble.once = {"load": ["before"]}
    with pytest.raises(Unavailable):
        await one.hubs[0].role(identity("ada"), key.tree)
    with pytest.raises(NotFound):
        await one.hubs[0].role(identity("ada"), 999)
    assert one.hubs[0]._bus._keys == set()  # type: ignore[attr-defined]
    assert await one.hubs[0].role(identity("ada"), key.tree) == "owner"


async def test_a_room_that_is_opened_again_while_it_is_unsubscribed_stays_subscribed(one: Deployment) -> None:
    key = await one.tree(root())
    hub = one.hubs[0]
    await hub.role(identity("ada"), key.tree)
    place = hub.places()[0]
    unsubscribe = hub._bus.unsubscribe

    async def slowly(key: TreeKey) -> None:
        await hub.role(identity("ada"), key.tree)
        await unsubscribe(key)

    hub._bus.unsubscribe = slowly  # type: ignore[method-assign]
    hub._lobby.drop(place)
    hub._lobby.drop(place)
    await settle()
    assert hub._bus._keys == {key}  # type: ignore[attr-defined]
    hub._bus.unsubscribe = unsubscribe  # type: ignore[method-assign]
    place = hub.places()[0]
    hub._lobby.drop(place)
    await hub.role(identity("ada"), key.tree)
    await settle()
    assert hub._bus._keys == {key}  # type: ignore[attr-defined]


async def test_closing_does_not_wait_for_what_is_being_loaded(trouble: Trouble) -> None:
    """[CL1]"""
    one = Deployment(around=trouble.around, exchange=LossyExchange())
    await one.start()
    key = await one.tree(root())
    trouble.gates["load"] = asyncio.Event()
    asked = asyncio.ensure_future(one.hubs[0].role(identity("ada"), key.tree))
    await settle()
    await one.close()
    with pytest.raises(asyncio.CancelledError):
        await asked
