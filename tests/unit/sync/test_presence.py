"""Who is here, what they do, and when they are gone."""

from __future__ import annotations

from typing import Any

from sync import presence
from sync.bus_messages import PresenceShared
from sync.identity import TreeKey
from sync.limits import Limits
from sync.open_room import OpenRoom
from sync.presence import FADE_SECONDS, FLUSH_SECONDS, SHARE_SECONDS, STATE_BYTES
from sync.protocol import ParticipantView
from sync.room import Room
from tests.hubs import Deployment, Socket, root
from tests.rooms import loaded
from tests.unit.sync.test_cut import reader


async def opened(one: Deployment, key: TreeKey, user: str, hub: int = 0) -> Socket:
    socket = one.socket(user, hub=hub)
    answer = await socket.open(key)
    socket.n = 0
    assert answer["type"] == "snapshot"
    await one.clock.advance(2 * FLUSH_SECONDS)
    return socket


def cursor(key: TreeKey, **state: Any) -> dict[str, Any]:
    return {"type": "presence", "tree": key.tree, "state": state}


def heard(socket: Socket) -> tuple[dict[str, Any], list[str]]:
    """The newest state of each participant that was told, by user, and who left."""
    told: dict[str, Any] = {}
    left: list[str] = []
    for message in socket.outbox.take("presence"):
        told |= {one["user"]: one["state"] for one in message["participants"]}
        left += message["left"]
    return told, left


async def test_who_comes_moves_and_leaves_is_told_on_every_instance(two: Deployment) -> None:
    """[PR1, PR2]"""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    assert heard(ada)[0] == {"ada": {}, "bo": {}}
    bo.outbox.take()
    eve = await opened(two, key, "eve", hub=1)
    for socket in (ada, bo):
        assert heard(socket)[0] == {"eve": {}}
    assert sorted(one["user"] for one in eve.outbox.messages[0]["participants"]) == ["ada", "bo"]
    stored = len(two.database.activities)
    eve.send(cursor(key, x=1))
    await two.clock.advance(2 * FLUSH_SECONDS)
    assert heard(ada) == heard(bo) == ({"eve": {"x": 1}}, [])
    two.hubs[1].leave(eve.session)
    await two.clock.advance(2 * FLUSH_SECONDS)
    gone = [heard(socket) for socket in (ada, bo)]
    assert gone[0] == gone[1]
    assert gone[0][0] == {}
    assert len(gone[0][1]) == 1
    assert len(two.database.activities) == stored


async def test_only_the_newest_state_need_arrive(one: Deployment) -> None:
    """[PR5, PR3]"""
    key = await one.tree(root())
    ada, bo = await opened(one, key, "ada"), await opened(one, key, "bo")
    ada.outbox.take()
    for x in range(10):
        bo.send(cursor(key, x=x))
    await one.clock.advance(2 * FLUSH_SECONDS)
    (message,) = ada.outbox.take("presence")
    assert [one_of["state"] for one_of in message["participants"]] == [{"x": 9}]
    assert one.hubs[0].places()[0].room.seq == 2


async def test_a_state_has_a_size(one: Deployment) -> None:
    """[PR4] Viewers may send one too."""
    key = await one.tree(root())
    await one.directory.set_visibility(key, "tenant_view")
    bo = await opened(one, key, "bo")
    bo.outbox.take()
    bo.send(cursor(key, text="x" * STATE_BYTES))
    (error,) = bo.outbox.take("error")
    assert (error["code"], error["tree"]) == ("too_large", key.tree)
    bo.send(cursor(key, text="x" * (STATE_BYTES - 20)))
    assert bo.outbox.take("error") == []
    bo.send(cursor(TreeKey("acme", 99), x=1))
    assert [message["code"] for message in bo.outbox.take("error")] == ["not_open"]


async def test_a_slow_reader_is_told_what_he_missed_once_he_has_read(one: Deployment) -> None:
    """[BR10, PR1]"""
    key = await one.tree(root())
    ada, bo = await opened(one, key, "ada"), await opened(one, key, "bo")
    eve = await opened(one, key, "eve")
    ada.outbox.take()
    ada.outbox.full = True
    bo.send(cursor(key, x=1))
    await one.clock.advance(2 * FLUSH_SECONDS)
    one.hubs[0].leave(eve.session)
    await bo.ask(key, {"op": "update", "node": "root", "set": {"title": "New"}})
    await one.clock.advance(2 * FLUSH_SECONDS)
    assert ada.outbox.take("presence") == []
    ada.outbox.full = False
    one.hubs[0].drained(ada.session)
    await one.clock.advance(2 * FLUSH_SECONDS)
    told, left = heard(ada)
    assert told == {"bo": {"x": 1}}
    assert len(left) == 1


async def test_people_of_a_silent_instance_fade(deaf: Deployment) -> None:
    """[PR3]"""
    key = await deaf.tree(root())
    ada = await opened(deaf, key, "ada")
    place = deaf.hubs[0].places()[0]
    shared = PresenceShared(instance="i9", participants=[ParticipantView(id="p9", user="z", name="Z", kind="human")])
    presence.hear(place, shared, deaf.clock.monotonic())
    await deaf.clock.advance(FADE_SECONDS - 5)
    assert "i9" in place.elsewhere
    ada.outbox.take()
    await deaf.clock.advance(10)
    assert place.elsewhere == {}
    assert heard(ada)[1] == ["p9"]


async def test_an_instance_repeats_who_is_there(two: Deployment) -> None:
    """[PR1] One that missed it hears it again, and nobody fades."""
    key = await two.tree(root())
    await opened(two, key, "ada")
    await opened(two, key, "bo", hub=1)
    there = two.hubs[1].places()[0]
    there.elsewhere.clear()
    await two.clock.advance(SHARE_SECONDS + 2)
    assert [view.user for view in there.elsewhere["i0"].participants.values()] == ["ada"]
    await two.clock.advance(2 * FADE_SECONDS)
    assert there.elsewhere.keys() == {"i0"}


def test_what_another_instance_says_replaces_what_it_said() -> None:
    """[PR1, PR2]"""
    place = OpenRoom(Room(loaded(), Limits()), 0.0)
    one, other = (ParticipantView(id=name, user=name, name=name, kind="human") for name in ("p1", "p2"))
    presence.hear(place, PresenceShared(instance="i1", participants=[one, other]), 1.0)
    assert place.presence_changed == {"p1", "p2"}
    place.presence_changed.clear()
    presence.hear(place, PresenceShared(instance="i1", participants=[one]), 2.0)
    assert (place.presence_changed, place.left) == (set(), {"p2"})
    presence.hear(place, PresenceShared(instance="i1", participants=[]), 3.0)
    assert place.elsewhere == {}
    assert place.left == {"p1", "p2"}
    presence.hear(place, PresenceShared(instance="i2", participants=[]), 3.0)
    assert place.elsewhere == {}


def test_views_leave_one_out() -> None:
    """[PR1]"""
    place = OpenRoom(Room(loaded(), Limits()), 0.0)
    me = reader()
    place.room.participants[me.id] = me
    assert presence.views(place, but=me) == []
    assert [view.id for view in presence.views(place)] == ["p1"]
    assert presence.size({"a": "é"}) == len(b'{"a":"..."}') - 1


async def test_a_socket_that_was_full_for_presence_alone_is_told_too(one: Deployment) -> None:
    """[BR10, PR1]"""
    key = await one.tree(root())
    ada, bo = await opened(one, key, "ada"), await opened(one, key, "bo")
    ada.outbox.take()
    ada.outbox.full = True
    bo.send(cursor(key, x=1))
    await one.clock.advance(2 * FLUSH_SECONDS)
    ada.outbox.full = False
    one.hubs[0].drained(ada.session)
    await one.clock.advance(2 * FLUSH_SECONDS)
    assert heard(ada)[0] == {"bo": {"x": 1}}
