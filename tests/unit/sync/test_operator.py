"""What operators do to rooms, here and on other instances."""

from __future__ import annotations

from typing import Any

from sync.identity import TreeKey
from sync.reconnecting import ASKED_BACK_MS
from tests.clocks import settle
from tests.hubs import Deployment, Socket, root

NOWHERE = TreeKey("acme", 999)


async def opened(one: Deployment, key: TreeKey, user: str, hub: int = 0) -> Socket:
    socket = one.socket(user, hub=hub)
    await socket.open(key)
    await one.clock.advance(0.2)
    socket.outbox.take()
    return socket


def kinds(socket: Socket) -> list[str]:
    return [message["type"] for message in socket.outbox.messages]


def participant(socket: Socket, key: TreeKey) -> str:
    one = socket.session.opened[key.tree]
    assert one is not None
    return one.id


async def test_a_kick_reaches_whichever_instance_he_is_on(two: Deployment) -> None:
    """[PR1, CL4]"""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    who = participant(bo, key)
    two.hubs[0].kick(key, who)
    await settle()
    (error,) = bo.outbox.take("error")
    assert (error["code"], error["tree"]) == ("forbidden", key.tree)
    assert bo.session.opened == {}
    assert bo.outbox.closed is None
    await two.clock.advance(0.2)
    assert [message["left"] for message in ada.outbox.take("presence") if message["left"]] == [[who]]
    two.hubs[0].kick(key, "nobody")
    two.hubs[0].kick(NOWHERE, who)
    await settle()
    assert "error" not in kinds(ada)
    assert (await bo.open(key))["type"] == "snapshot"


async def test_a_resync_gives_everyone_a_snapshot(two: Deployment) -> None:
    """[OP11]"""
    key = await two.tree(root())
    sockets = [await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)]
    two.hubs[0].resync(key)
    two.hubs[0].resync(NOWHERE)
    await settle()
    for socket in sockets:
        (snapshot,) = socket.outbox.take("snapshot")
        assert snapshot["reason"] == "resync"
        assert "ref" not in snapshot
    title: dict[str, Any] = {"op": "update", "node": "root", "set": {"title": "New"}}
    assert (await sockets[0].ask(key, title))[0]["status"] == "applied"


async def test_a_room_is_drained_here_alone(two: Deployment) -> None:
    """[CL1, PR1] They come back later, to another instance if the balancer says so."""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    two.hubs[0].drain_room(key)
    two.hubs[0].drain_room(NOWHERE)
    await settle()
    (notice,) = ada.outbox.take("notice")
    assert (notice["code"], notice["tree"]) == ("draining", key.tree)
    assert ASKED_BACK_MS[0] <= notice["retry_ms"] < ASKED_BACK_MS[1]
    assert ada.session.opened == {}
    assert "notice" not in kinds(bo)
    await two.clock.advance(1.5)
    assert any(message["left"] for message in bo.outbox.take("presence"))
