"""Deciding conflict records on several instances, and when the database does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from storage.memory import MemoryStore
from sync.identity import TreeKey
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity, root
from tests.trouble import Trouble


class Pair:
    """Ada on one instance, bo on another, in one tree with a record of ada's."""

    def __init__(self, two: Deployment, sockets: tuple[Socket, Socket], key: TreeKey) -> None:
        self.two = two
        self.ada, self.bo = sockets
        self.key = key
        self.tree = key.tree

    def say(self, socket: Socket, choice: str) -> None:
        decision = {"type": "resolve", "ref": 9, "conflict": 1, "base": 4, "choice": choice}
        socket.send({**decision, "tree": self.tree})


@pytest.fixture
async def pair(two: Deployment) -> Pair:
    return await paired(two)


async def paired(two: Deployment) -> Pair:
    key = await two.tree(root())
    sockets = two.socket("ada"), two.socket("bo", hub=1)
    for socket in sockets:
        await socket.open(key)
    await sockets[0].ask(key, {"op": "update", "node": "root", "set": {"title": "Ada's"}, "base": 2})
    await sockets[1].ask(key, {"op": "update", "node": "root", "set": {"title": "Bo's"}, "base": 2})
    return Pair(two, sockets, key)


def answers(socket: Socket) -> list[dict[str, Any]]:
    return [message for message in socket.outbox.take() if message.get("ref") == 9]


async def test_the_other_instance_tells_its_people(pair: Pair) -> None:
    """[CR16]"""
    assert [one["conflict"]["id"] for one in pair.ada.outbox.take("conflict")] == [1]
    pair.say(pair.bo, "theirs")
    await settle()
    (told,) = pair.ada.outbox.take("conflict")
    assert told["conflict"]["closed"] == {"choice": "theirs", "by": "bo", "seq": 0}
    assert (await pair.two.socket("ada", "ada-9").open(pair.two.hubs[0].places()[0].key))["conflicts"] == 0


async def test_two_instances_that_decide_at_once_do_it_once(pair: Pair) -> None:
    """[CR14]"""
    pair.say(pair.ada, "mine")
    pair.say(pair.bo, "theirs")
    await settle(50)
    (one,), (other,) = answers(pair.ada), answers(pair.bo)
    assert one["type"] == other["type"] == "resolved"
    assert one["closed"] == other["closed"]
    state, _, _ = await pair.two.hubs[1].state(identity("bo"), pair.tree)
    assert state.nodes[0].title == ("Ada's" if one["closed"]["choice"] == "mine" else "Bo's")


async def test_a_decision_is_remembered_by_an_instance_that_begins_anew(pair: Pair) -> None:
    """[CR14] As after a crash: the answer never came, and the client asks again elsewhere."""
    pair.say(pair.ada, "mine")
    await settle()
    (first,) = answers(pair.ada)
    late = pair.two._hub("i9", pair.two.hubs[0].limits)
    await late.start()
    try:
        pair.two.hubs.append(late)
        socket = pair.two.socket("ada", hub=2)
        assert (await socket.open(pair.two.hubs[0].places()[0].key))["conflicts"] == 0
        socket.outbox.take()
        pair.say(socket, "theirs")
        await settle()
        assert answers(socket) == [first]
    finally:
        pair.two.hubs.remove(late)
        await late.close()


async def test_a_record_too_large_for_the_bus_is_read_from_the_database(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[CR16]"""
    monkeypatch.setattr("sync.exchange.FRAME_BYTES", 10)
    pair.ada.outbox.take()
    pair.say(pair.bo, "mine")
    await settle(50)
    (told,) = pair.ada.outbox.take("conflict")
    assert told["conflict"]["closed"]["choice"] == "mine"
    assert pair.two.hubs[0].stats.refills > 0


async def test_an_answer_that_was_lost_is_found_again(pair: Pair, trouble: Trouble) -> None:
    """[CR14] The commit happened, and the instance could not know."""
    trouble.once["commit"] = ["after"]
    pair.say(pair.ada, "mine")
    await settle()
    await pair.two.clock.advance(1.0)
    await settle(50)
    (answer,) = answers(pair.ada)
    assert (answer["type"], answer["closed"]) == ("resolved", {"choice": "mine", "by": "ada", "seq": 5})
    assert len(await MemoryStore(pair.two.database).log(pair.key, 4, 99)) == 1


async def test_a_database_that_is_away_leaves_the_record(pair: Pair, trouble: Trouble) -> None:
    """[CR10]"""
    for call in ("commit", "conflict", "exclusive"):
        trouble.always[call] = "before"
    pair.say(pair.ada, "mine")
    for _ in range(15):
        await pair.two.clock.advance(0.25)
    (answer,) = answers(pair.ada)
    assert (answer["type"], answer["code"]) == ("error", "unavailable")
    trouble.always.clear()
    await pair.two.clock.advance(1.0)
    pair.say(pair.ada, "mine")
    await settle(50)
    assert [one["type"] for one in answers(pair.ada)] == ["resolved"]


async def test_one_that_only_the_other_instance_knows_is_decided(deaf: Deployment) -> None:
    """[CR14] The bus has not told yet."""
    one = await paired(deaf)
    one.ada.outbox.take()
    one.say(one.ada, "mine")
    await settle(50)
    assert [answer["type"] for answer in answers(one.ada)] == ["resolved"]


async def test_a_stopping_instance_decides_nothing_more(pair: Pair) -> None:
    """[CL1]"""
    pair.two.hubs[0].draining = True
    pair.say(pair.ada, "mine")
    (answer,) = answers(pair.ada)
    assert (answer["type"], answer["code"]) == ("error", "unavailable")
