"""Keeping level with the log: what the bus loses, restored databases, changed rights."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import msgspec
import pytest

from storage.bus_local import LocalBus
from sync import bus_messages, open_room
from sync.bus_messages import CommitShared
from sync.housekeeping import COMPARE_SECONDS
from sync.hub import Hub
from sync.identity import TreeKey
from tests.clocks import settle
from tests.faults import LossyExchange
from tests.hubs import Deployment, Socket, root
from tests.trouble import Trouble


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def opened(one: Deployment, key: TreeKey, user: str, hub: int = 0) -> Socket:
    socket = one.socket(user, hub=hub)
    await socket.open(key)
    socket.outbox.take()
    return socket


def frames(socket: Socket) -> list[tuple[int, int]]:
    return [(frame["after"], frame["seq"]) for frame in socket.outbox.take("ops")]


def room_of(hub: Hub) -> Any:
    return hub.places()[0].room


def lossy(deaf: Deployment) -> LossyExchange:
    assert isinstance(deaf.exchange, LossyExchange)
    return deaf.exchange


def commits(deaf: Deployment) -> list[int]:
    """Where commits stand among the kept messages."""
    kept = lossy(deaf).kept
    return [place for place, (_, _, data) in enumerate(kept) if isinstance(bus_messages.decode(data), CommitShared)]


# ---- the bus


async def test_the_next_commit_is_taken_from_the_bus(two: Deployment, trouble: Trouble) -> None:
    """[BR2, BR11]"""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    trouble.calls.clear()
    await ada.ask(key, title("New"), {"op": "delete", "node": "nobody"})
    await settle()
    assert ada.outbox.take("ops") == bo.outbox.take("ops")
    assert "missing" not in trouble.calls
    assert room_of(two.hubs[1]).last_n(("ada", "ada-1")) == 2
    assert room_of(two.hubs[1]).commit == room_of(two.hubs[0]).commit


async def test_a_gap_on_the_bus_is_filled_from_the_log(deaf: Deployment) -> None:
    """[BR1, BR2]"""
    key = await deaf.tree(root())
    ada, bo = await opened(deaf, key, "ada"), await opened(deaf, key, "bo", hub=1)
    for number in range(3):
        await ada.ask(key, title(f"T{number}"))
    first, second, third = commits(deaf)
    lossy(deaf).hand_over(third, keep=True)
    await settle()
    assert frames(bo) == [(2, 5)]
    for place in (first, second, third):
        lossy(deaf).hand_over(place, keep=True)
    await settle()
    assert frames(bo) == []
    assert deaf.hubs[1].stats.refills == 1
    assert room_of(deaf.hubs[0]).tree.digest == room_of(deaf.hubs[1]).tree.digest


async def test_the_last_message_that_was_lost_is_missed_within_two_seconds(deaf: Deployment) -> None:
    """[BR11]"""
    key = await deaf.tree(root())
    ada, bo = await opened(deaf, key, "ada"), await opened(deaf, key, "bo", hub=1)
    await ada.ask(key, title("New"))
    await deaf.clock.advance(COMPARE_SECONDS + 0.1)
    assert frames(bo) == [(2, 3)]


async def test_numbers_without_ops_are_followed_too(deaf: Deployment) -> None:
    """[ED3] A commit that only consumed n raises the head's commit."""
    key = await deaf.tree(root())
    ada = await opened(deaf, key, "ada")
    await opened(deaf, key, "bo", hub=1)
    await ada.ask(key, {"op": "delete", "node": "nobody"})
    await deaf.clock.advance(COMPARE_SECONDS + 0.1)
    assert room_of(deaf.hubs[1]).commit == room_of(deaf.hubs[0]).commit
    assert room_of(deaf.hubs[1]).last_n(("ada", "ada-1")) == 1


async def test_what_comes_while_a_batch_is_in_flight_waits(two: Deployment, trouble: Trouble) -> None:
    """SEMANTICS 7: and is dropped where it is confirmed by then."""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    trouble.gates["commit"] = asyncio.Event()
    bo.edit(key, title("Mine"))
    await settle()
    place = two.hubs[1].places()[0]
    assert place.busy
    trouble.gates.pop("commit").set()
    trouble.gates["exclusive"] = asyncio.Event()
    ada.edit(key, title("Theirs"))
    await settle(60)
    waiting = len(place.deferred)
    trouble.gates.pop("exclusive").set()
    await settle(100)
    assert not place.deferred
    assert waiting <= 1
    assert room_of(two.hubs[0]).seq == room_of(two.hubs[1]).seq == 4
    assert room_of(two.hubs[0]).tree.digest == room_of(two.hubs[1]).tree.digest


@pytest.mark.parametrize("frame", [b"\x00 no ops message", b'{"type":"pong"}'])
async def test_a_commit_that_cannot_be_read_is_read_from_the_log(two: Deployment, frame: bytes) -> None:
    """[BR2] Also where it had to wait for a batch in flight."""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    place = two.hubs[1].places()[0]
    place.busy = True
    await ada.ask(key, title("New"))
    spoiled = msgspec.structs.replace(place.deferred.pop(), frame=frame)
    place.deferred.append(spoiled)
    two.hubs[1]._commits.release(place)
    await settle()
    assert frames(bo) == [(2, 3)]
    assert two.hubs[1].stats.bad_bus_messages == 1


async def test_so_many_commits_may_wait(two: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it they are read from the log."""
    monkeypatch.setattr(open_room, "DEFERRED_COMMITS", 2)
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    place = two.hubs[1].places()[0]
    place.busy = True
    for number in range(5):
        await ada.ask(key, title(f"T{number}"))
    assert len(place.deferred) == 2
    two.hubs[1]._commits.release(place)
    await settle()
    assert frames(bo) == [(2, 7)]


async def test_a_database_that_does_not_answer_is_asked_at_the_next_comparison(
    deaf: Deployment, trouble: Trouble
) -> None:
    """[ED19, BR11]"""
    key = await deaf.tree(root())
    ada, bo = await opened(deaf, key, "ada"), await opened(deaf, key, "bo", hub=1)
    await ada.ask(key, title("New"))
    trouble.once = {"heads": ["before", "before"], "missing": ["before"]}
    await deaf.clock.advance(COMPARE_SECONDS + 0.1)
    assert frames(bo) == []
    await deaf.clock.advance(COMPARE_SECONDS)
    assert frames(bo) == []
    await deaf.clock.advance(COMPARE_SECONDS)
    assert frames(bo) == [(2, 3)]


async def test_messages_of_nobodys_rooms_and_of_no_version_are_passed_over(two: Deployment) -> None:
    key = await two.tree(root())
    ada = await opened(two, key, "ada")
    foreign = LocalBus(two.exchange)
    await foreign.start(lambda key, payload: None)
    foreign.publish(key, b"\xc1")
    foreign.publish(key, b"\x81\xa4type\xa4song")
    foreign.publish(TreeKey("acme", 99), b"\xc1")
    await settle()
    assert two.hubs[0].stats.bad_bus_messages == 2
    assert (await ada.ask(key, title("New")))[0]["status"] == "applied"


# ---- another history


async def test_a_restored_database_gets_a_new_epoch(two: Deployment) -> None:
    """[OP3, OP5, OP11] Everyone gets a snapshot; edits of the lost history are not judged against this one."""
    key = await two.tree(root())
    ada, bo = await opened(two, key, "ada"), await opened(two, key, "bo", hub=1)
    await ada.ask(key, title("Kept"))
    saved = copy.deepcopy(two.database.trees[key])
    await ada.ask(key, title("Lost"))
    await settle()
    two.database.trees[key] = saved
    await two.clock.advance(2 * COMPARE_SECONDS + 0.1)
    for socket in (ada, bo):
        snapshot = socket.outbox.take("snapshot")[-1]
        assert snapshot["reason"] == "epoch"
        assert snapshot["position"]["epoch"] != "e1"
        assert snapshot["position"]["seq"] == 3
        assert snapshot["state"]["nodes"][0]["title"] == "Kept"
    assert room_of(two.hubs[0]).epoch == room_of(two.hubs[1]).epoch == saved.head.epoch
    assert (await ada.ask(key, {**title("Mine"), "n": 2, "base": 4}))[0]["code"] == "stale"
    assert (await ada.ask(key, {**title("Mine"), "n": 2, "base": 3}))[0]["status"] == "applied"
    await settle()
    assert room_of(two.hubs[0]).tree.digest == room_of(two.hubs[1]).tree.digest


async def test_a_restored_database_is_met_by_an_edit(one: Deployment) -> None:
    """[OP11] Before the comparison comes round."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    saved = copy.deepcopy(one.database.trees[key])
    await ada.ask(key, title("Lost"))
    one.database.trees[key] = saved
    ada.edit(key, {"op": "insert", "node": "a", "parent": "root", "type": "metric", "title": "T", "base": 2, "n": 2})
    await settle(100)
    (outcome,) = [message for message in ada.outbox.messages if message["type"] == "outcome" and message["seq"] == 2]
    assert outcome["results"][0]["code"] == "gap"
    assert outcome["results"][0]["expected"] == 1
    assert [message["reason"] for message in ada.outbox.take("snapshot")] == ["epoch"]


async def test_another_history_with_as_many_commits_is_told_by_its_mark(one: Deployment) -> None:
    """[OP3, OP11]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    saved = copy.deepcopy(one.database.trees[key])
    await ada.ask(key, title("Lost"))
    other = copy.deepcopy(one.database.trees[key])
    other.head = msgspec.structs.replace(other.head, mark="another")
    one.database.trees[key] = other
    await one.clock.advance(COMPARE_SECONDS + 0.1)
    (snapshot,) = ada.outbox.take("snapshot")
    assert snapshot["reason"] == "epoch"
    assert snapshot["position"]["epoch"] != "e1"
    assert saved.head.epoch == "e1"


@pytest.mark.parametrize("call", ["heads", "renew_epoch", "load"])
async def test_beginning_anew_may_fail_and_is_tried_again(one: Deployment, trouble: Trouble, call: str) -> None:
    """[OP11, ED19]"""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    saved = copy.deepcopy(one.database.trees[key])
    await ada.ask(key, title("Lost"))
    one.database.trees[key] = saved
    trouble.once = {call: ["none", "before"] if call == "heads" else ["before"]}
    await one.clock.advance(COMPARE_SECONDS + 0.1)
    assert ada.outbox.take("snapshot") == []
    await one.clock.advance(2 * COMPARE_SECONDS)
    assert [message["reason"] for message in ada.outbox.take("snapshot")] == ["epoch"]


async def test_a_head_that_was_read_before_a_commit_says_nothing(one: Deployment, trouble: Trouble) -> None:
    """SEMANTICS 7: it counts against what was confirmed when the question was sent."""
    key = await one.tree(root())
    ada = await opened(one, key, "ada")
    stale = dict(await one.hubs[0]._store.heads([key]))
    store = one.hubs[0]._store
    asked = asyncio.Event()

    async def slowly(keys: Any) -> Any:
        await asked.wait()
        return stale

    store.heads = slowly  # type: ignore[method-assign]
    await one.clock.advance(COMPARE_SECONDS + 0.1)
    await ada.ask(key, title("New"))
    asked.set()
    await settle()
    assert one.hubs[0].stats.resets == one.hubs[0].stats.refills == 0
    assert "missing" not in trouble.calls
