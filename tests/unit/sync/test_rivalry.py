"""Two instances that write one tree let each other go first."""

from __future__ import annotations

from typing import Any

from sync.identity import TreeKey
from sync.rivalry import YIELD_SECONDS
from tests.clocks import settle
from tests.faults import LossyExchange
from tests.hubs import Deployment, Socket, root


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def rivals(deaf: Deployment) -> tuple[TreeKey, Socket, Socket]:
    """The first instance has just lost to the second, and committed then."""
    key = await deaf.tree(root())
    here, there = deaf.socket("here", hub=0), deaf.socket("there", hub=1)
    for socket in (here, there):
        await socket.open(key)
    await there.ask(key, title("first"))
    await here.ask(key, title("second"))
    assert deaf.hubs[0].stats.lost == 1
    return key, here, there


def hear(deaf: Deployment) -> None:
    """The bus delivers all that it has kept, in order."""
    assert isinstance(deaf.exchange, LossyExchange)
    while deaf.exchange.kept:
        deaf.exchange.hand_over(0)


async def edited(socket: Socket, key: TreeKey, text: str) -> bool:
    """Whether an edit was committed at once."""
    socket.outbox.take()
    socket.edit(key, title(text))
    await settle()
    return any(message["type"] == "outcome" for message in socket.outbox.messages)


async def test_who_has_lost_lets_the_other_go_first(deaf: Deployment) -> None:
    key, here, there = await rivals(deaf)
    hear(deaf)
    assert not await edited(here, key, "waits")
    assert await edited(there, key, "goes first")
    hear(deaf)
    await settle()
    assert any(message["type"] == "outcome" for message in here.outbox.messages)
    assert deaf.hubs[0].stats.lost == 1


async def test_a_rival_that_says_nothing_is_not_waited_for_twice(deaf: Deployment) -> None:
    key, here, _ = await rivals(deaf)
    assert not await edited(here, key, "waits")
    await deaf.clock.advance(YIELD_SECONDS)
    assert any(message["type"] == "outcome" for message in here.outbox.messages)
    assert await edited(here, key, "does not wait")


async def test_nobody_waits_who_has_not_lost(two: Deployment) -> None:
    key = await two.tree(root())
    sockets = [two.socket("here", hub=0), two.socket("there", hub=1)]
    for socket in sockets:
        await socket.open(key)
    for number in range(4):
        for socket in (*sockets, sockets[1]):
            assert await edited(socket, key, f"T{number}")
