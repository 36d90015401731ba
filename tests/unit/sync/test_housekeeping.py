"""What a hub does by the clock."""

from __future__ import annotations

from typing import Any

import pytest

from sync.housekeeping import IDLE_SECONDS, SWEEP_SECONDS
from sync.identity import TreeKey
from sync.inbox import KEPT_CLIENTS
from tests.clocks import settle
from tests.hubs import Deployment, Socket, root
from tests.trouble import Trouble


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def opened(one: Deployment, key: TreeKey, user: str, hub: int = 0) -> Socket:
    socket = one.socket(user, hub=hub)
    await socket.open(key)
    return socket


async def test_an_idle_room_is_closed_after_a_minute(one: Deployment) -> None:
    """[OP10] And opened again where somebody comes."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    await one.clock.advance(IDLE_SECONDS + 5)
    assert len(one.hubs[0].places()) == 1
    one.hubs[0].leave(ada.session)
    await one.clock.advance(IDLE_SECONDS - 5)
    assert len(one.hubs[0].places()) == 1
    await one.clock.advance(10)
    assert one.hubs[0].places() == []
    assert one.hubs[0]._bus._keys == set()  # type: ignore[attr-defined]
    assert (await one.socket("ada").open(key))["type"] == "snapshot"
    assert one.hubs[0]._bus._keys == {key}  # type: ignore[attr-defined]


async def test_a_room_that_is_read_by_http_stays_as_long(one: Deployment) -> None:
    from tests.hubs import identity

    key = await one.tree(root())
    await one.hubs[0].state(identity("ada"), key.tree)
    for _ in range(3):
        await one.clock.advance(IDLE_SECONDS - 5)
        await one.hubs[0].role(identity("ada"), key.tree)
    assert len(one.hubs[0].places()) == 1
    await one.clock.advance(IDLE_SECONDS + 5)
    assert one.hubs[0].places() == []


async def test_a_room_whose_edits_wait_for_storage_is_not_idle(one: Deployment, trouble: Trouble) -> None:
    """[ED19]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    trouble.always = {"commit": "before", "exclusive": "before"}
    ada.edit(key, title("x"))
    await settle()
    one.hubs[0].leave(ada.session)
    assert not one.hubs[0].places()[0].idle
    trouble.always = {}
    await one.clock.advance(1)
    assert one.hubs[0].places()[0].idle


@pytest.mark.parametrize("users", [0, 3])
async def test_who_was_put_out_is_told_to_the_others(two: Deployment, users: int) -> None:
    """[PR1] By the sweep, on every instance."""
    key = await two.tree(root())
    ada = await opened(two, key, "ada", hub=1)
    bo = await opened(two, key, "bo")
    for number in range(users):
        await opened(two, key, f"u{number}")
    await two.clock.advance(1)
    ada.outbox.take()
    await two.directory.set_visibility(key, "private")
    two.hubs[0].rights_changed(key)
    await two.clock.advance(2 * SWEEP_SECONDS)
    assert bo.session.opened == {}
    assert {message["type"] for message in ada.outbox.messages} == {"presence"}
    assert sum(len(message["left"]) for message in ada.outbox.messages) == users + 1


async def test_a_tree_that_many_pages_have_had_open_remembers_few_of_them(one: Deployment) -> None:
    """[ED2] A client that comes back after that goes on where it was."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    for number in range(3 * KEPT_CLIENTS):
        bo = one.socket("bo", f"page-{number}")
        await bo.open(key)
        if number == 0:
            assert [result["status"] for result in await bo.ask(key, title("bo's"))] == ["applied"]
        one.hubs[0].leave(bo.session)
    (place,) = one.hubs[0].places()
    assert len(place.room.inbox.counters) > 3 * KEPT_CLIENTS
    await one.clock.advance(SWEEP_SECONDS)
    assert len(place.room.inbox.counters) <= KEPT_CLIENTS + 1
    assert place.room.last_n(("ada", "ada-1")) == 0
    assert ("ada", "ada-1") in place.room.inbox.counters
    bo = one.socket("bo", "page-0")
    assert (await bo.open(key))["last_n"] == 1
    bo.n = 1
    assert [result["status"] for result in await bo.ask(key, title("again"))] == ["applied"]
    assert [result["status"] for result in await ada.ask(key, title("ada's"))] == ["applied"]
