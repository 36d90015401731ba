"""One client_id has one writer: its newest socket, on whichever instance."""

from __future__ import annotations

from typing import Any

from sync.identity import TreeKey
from tests.clocks import settle
from tests.hubs import Deployment, Socket, root


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


def notices(socket: Socket) -> list[str]:
    return [message["code"] for message in socket.outbox.take("notice")]


async def refused(socket: Socket, key: TreeKey) -> bool:
    socket.outbox.take()
    socket.edit(key, title("x"))
    await settle()
    (answer,) = [message for message in socket.outbox.messages if message["type"] in ("error", "outcome")]
    return bool(answer.get("code") == "replaced")


async def test_the_newest_socket_writes(one: Deployment) -> None:
    """[HS10] The older one is told once, still reads, and does not take the pen back."""
    key = await one.tree(root())
    older = one.socket("ada", "queue")
    await older.open(key)
    newer = one.socket("ada", "queue")
    assert notices(older) == ["replaced"]
    await newer.open(key)
    newest = one.socket("ada", "queue")
    await newest.open(key)
    assert notices(older) == []
    assert await refused(older, key)
    assert await refused(newer, key)
    assert not await refused(newest, key)
    assert older.outbox.take("ops")
    await older.open(key)
    assert not await refused(newest, key)
    one.hubs[0].leave(older.session)
    assert one.hubs[0].sessions() == 2


async def test_on_another_instance_too(two: Deployment) -> None:
    """[HS10]"""
    key = await two.tree(root())
    older = two.socket("ada", "queue")
    await older.open(key)
    await two.clock.advance(1)
    newer = two.socket("ada", "queue", hub=1)
    await newer.open(key)
    await settle()
    assert notices(older) == ["replaced"]
    assert not await refused(newer, key)
    assert await refused(older, key)
    await older.open(key)
    await settle()
    assert not await refused(newer, key)


async def test_the_order_of_opening_does_not_make_an_older_socket_newer(two: Deployment) -> None:
    """[HS10] Exactly one of them writes."""
    key = await two.tree(root())
    older = two.socket("ada", "queue")
    await two.clock.advance(1)
    newer = two.socket("ada", "queue", hub=1)
    await newer.open(key)
    await settle()
    await older.open(key)
    await settle()
    assert notices(newer) == []
    assert notices(older) == ["replaced"]
    assert await refused(older, key)
    assert not await refused(newer, key)


async def test_two_that_open_at_once_do_not_put_each_other_out(two: Deployment) -> None:
    """[HS10]"""
    key = await two.tree(root())
    sockets = [two.socket("ada", "queue", hub=hub) for hub in (0, 1)]
    for socket in sockets:
        socket.send({"type": "open", "tree": key.tree})
    await settle(60)
    assert sorted([await refused(socket, key) for socket in sockets]) == [False, True]


async def test_other_clients_and_other_people_are_others(one: Deployment) -> None:
    """[HS10, CL4]"""
    key = await one.tree(root())
    sockets = [one.socket("ada", "queue"), one.socket("ada", "other"), one.socket("bo", "queue")]
    for socket in sockets:
        await socket.open(key)
        assert not await refused(socket, key)
    one.hubs[0].leave(sockets[0].session)
    one.hubs[0].leave(sockets[0].session)
    again = one.socket("ada", "queue")
    await again.open(key)
    assert notices(sockets[0]) == []
