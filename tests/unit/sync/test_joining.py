"""Answering `open`: exactly the ops after a position, or a snapshot that says why."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import msgspec
import pytest

from sync import joining
from sync.errors import NotFound
from sync.hub import Hub
from sync.identity import TreeKey
from sync.limits import Limits
from sync.recent import Recent
from tests.clocks import settle
from tests.hubs import Deployment, Socket, identity, root
from tests.trouble import Trouble


def title(text: str) -> dict[str, Any]:
    return {"op": "update", "node": "root", "set": {"title": text}}


async def written(one: Deployment, key: TreeKey, count: int, hub: int = 0) -> Socket:
    """Someone who has made so many commits."""
    socket = one.socket("writer", hub=hub)
    await socket.open(key)
    for number in range(count):
        await socket.ask(key, title(f"T{number}"))
    return socket


def forget_recent(hub: Hub) -> None:
    """As if the room had been loaded just now, or seen many more commits."""
    room = hub.places()[0].room
    room.recent = Recent(room.seq, room.mark)


async def back(
    one: Deployment, key: TreeKey, position: dict[str, Any], hub: int = 0
) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """The answer to a return, and the range of each ops frame after it."""
    socket = one.socket("ada", client=one.clock.token(6), hub=hub)
    answer = await socket.open(key, position)
    await settle(60)
    return answer, [(frame["after"], frame["seq"]) for frame in socket.outbox.take("ops")]


@pytest.mark.parametrize("at_hand", [True, False])
async def test_a_return_gets_exactly_what_came_after(one: Deployment, at_hand: bool) -> None:
    """[OP2, BR1] From the newest commits, or from the log."""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    await written(one, key, 3)
    if not at_hand:
        forget_recent(one.hubs[0])
    answer, frames = await back(one, key, position)
    assert answer["type"] == "resumed"
    assert answer["position"]["seq"] == 5
    assert frames == ([(2, 3), (3, 4), (4, 5)] if at_hand else [(2, 5)])
    assert (await back(one, key, answer["position"]))[1] == []


@pytest.mark.parametrize("at_hand", [True, False])
async def test_a_mark_that_is_not_the_logs(one: Deployment, at_hand: bool) -> None:
    """[OP3]"""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    await written(one, key, 2)
    if not at_hand:
        forget_recent(one.hubs[0])
    for wrong in ({"mark": "zz"}, {"epoch": "zz"}, {"seq": 3}):
        answer, _ = await back(one, key, {**position, **wrong})
        assert (answer["type"], answer["reason"]) == ("snapshot", "epoch")


async def test_a_position_beyond_the_database_is_ahead(one: Deployment) -> None:
    """[OP5]"""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    answer, _ = await back(one, key, {**position, "seq": 99})
    assert (answer["reason"], answer["position"]["seq"]) == ("ahead", 2)


async def test_a_position_beyond_the_room_makes_it_read_first(deaf: Deployment) -> None:
    """[OP2, OP5] The client heard it from another instance, and the bus lost it."""
    key = await deaf.tree(root())
    await deaf.socket("idle", hub=1).open(key)
    await written(deaf, key, 2)
    there = deaf.hubs[0].places()[0].room.position
    assert deaf.hubs[1].places()[0].room.seq == 2
    answer, frames = await back(deaf, key, {"epoch": there.epoch, "seq": 4, "mark": there.mark}, hub=1)
    assert (answer["type"], answer["position"]["seq"], frames) == ("resumed", 4, [])


async def test_nobody_is_called_ahead_of_a_database_that_does_not_answer(one: Deployment, trouble: Trouble) -> None:
    """[OP5, ED19] The client comes again."""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    trouble.always = {"heads": "before"}
    answer, _ = await back(one, key, {**position, "seq": 99})
    assert (answer["type"], answer["code"]) == ("error", "unavailable")


async def test_a_room_that_cannot_come_so_far_says_so(deaf: Deployment, trouble: Trouble) -> None:
    """[OP5, ED19]"""
    key = await deaf.tree(root())
    await deaf.socket("idle", hub=1).open(key)
    await written(deaf, key, 2)
    there = deaf.hubs[0].places()[0].room.position
    trouble.always = {"missing": "before"}
    socket = deaf.socket("ada", hub=1)
    position = {"epoch": there.epoch, "seq": 4, "mark": there.mark}
    socket.send({"type": "open", "ref": 1, "tree": key.tree, "position": position})
    await deaf.clock.advance(2 * joining._PAUSE_SECONDS * joining._PAUSES)
    (answer,) = [message for message in socket.outbox.messages if message.get("ref") == 1]
    assert answer["code"] == "unavailable"


async def test_too_far_behind_in_ops() -> None:
    """[OP4]"""
    one = Deployment(limits=Limits(resume_ops=3))
    await one.start()
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    writer = await written(one, key, 3)
    assert (await back(one, key, position))[0]["type"] == "resumed"
    await writer.ask(key, title("one more"))
    assert (await back(one, key, position))[0]["reason"] == "too_far"
    await one.close()


async def test_too_far_behind_in_bytes(one: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """[OP4] Where the ops would be more than the state they lead to."""
    monkeypatch.setattr(joining, "CHUNK_OPS", 2)
    key = await one.tree(*(root(f"n{number}") for number in range(30)), root())
    position = (await one.socket("ada").open(key))["position"]
    await written(one, key, 5)
    forget_recent(one.hubs[0])
    assert (await back(one, key, position))[0]["type"] == "resumed"
    writer = one.socket("other")
    await writer.open(key)
    for start in range(0, 160, 40):
        await writer.ask(key, *(title(f"U{number}") for number in range(start, start + 40)))
    forget_recent(one.hubs[0])
    assert (await back(one, key, position))[0]["reason"] == "too_far"


async def test_a_history_that_ends_while_it_is_read(one: Deployment, trouble: Trouble) -> None:
    """[OP3] The answer is of the one that holds then."""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    saved = copy.deepcopy(one.database.trees[key])
    await written(one, key, 3)
    forget_recent(one.hubs[0])
    trouble.gates["log"] = asyncio.Event()
    returning = one.socket("eve")
    returning.send({"type": "open", "ref": 1, "tree": key.tree, "position": position})
    await settle()
    one.database.trees[key] = saved
    await one.clock.advance(2.5)
    assert one.hubs[0].stats.resets == 1
    trouble.gates.pop("log").set()
    await settle(60)
    (answer,) = [message for message in returning.outbox.messages if message.get("ref") == 1]
    assert (answer["type"], answer["reason"]) == ("snapshot", "epoch")
    assert answer["position"]["epoch"] == one.hubs[0].places()[0].room.epoch != position["epoch"]


async def test_joining_does_not_wait_for_a_commit(one: Deployment, trouble: Trouble) -> None:
    """[OP1, OP6, BR3] It is served what is confirmed, then the ops after it."""
    key = await one.tree(root())
    writer = await written(one, key, 0)
    trouble.gates["commit"] = asyncio.Event()
    writer.edit(key, title("New"))
    await settle()
    ada = one.socket("ada")
    answer = await ada.open(key)
    assert answer["position"]["seq"] == 2
    assert answer["state"]["nodes"][0]["title"] == "Root"
    trouble.gates.pop("commit").set()
    await settle()
    assert [(frame["after"], frame["seq"]) for frame in ada.outbox.take("ops")] == [(2, 3)]


async def test_who_leaves_before_the_answer_gets_none(one: Deployment, trouble: Trouble) -> None:
    """[OP10]"""
    key = await one.tree(root())
    trouble.gates["recall"] = asyncio.Event()
    ada = one.socket("ada")
    ada.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    ada.send({"type": "close", "tree": key.tree})
    ada.send({"type": "open", "ref": 2, "tree": key.tree})
    ada.send({"type": "open", "ref": 3, "tree": key.tree})
    await settle()
    trouble.gates.pop("recall").set()
    await settle()
    answers = [(message["type"], message["ref"]) for message in ada.outbox.messages if "ref" in message]
    assert answers == [("error", 3), ("snapshot", 2)]
    assert len(one.hubs[0].places()[0].room.participants) == 1


async def test_opening_again_is_a_fresh_answer(one: Deployment) -> None:
    """[OP1, OP2]"""
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    await ada.open(key)
    assert len(one.hubs[0].places()[0].room.participants) == 1


async def test_a_tree_that_vanishes_while_it_is_opened(one: Deployment, trouble: Trouble) -> None:
    """[OP7]"""
    key = await one.tree(root())
    await one.socket("idle").open(key)
    trouble.gates["recall"] = asyncio.Event()
    ada = one.socket("ada")
    ada.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    await one.directory.trash_tree(key)
    one.hubs[0].rights_changed(key)
    await settle()
    trouble.gates.pop("recall").set()
    await settle()
    (answer,) = [message for message in ada.outbox.messages if message.get("ref") == 1]
    assert (answer["code"], answer["why"]) == ("not_found", "no such tree")
    assert ada.session.opened == {}


async def test_rights_are_looked_at_again_after_what_was_awaited(one: Deployment, trouble: Trouble) -> None:
    """[OP7, AC4]"""
    key = await one.tree(root())
    await one.socket("idle").open(key)
    trouble.gates["recall"] = asyncio.Event()
    bo = one.socket("bo")
    bo.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    await one.directory.set_visibility(key, "private")
    one.hubs[0].rights_changed(key)
    await settle()
    trouble.gates.pop("recall").set()
    await settle()
    (answer,) = [message for message in bo.outbox.messages if message.get("ref") == 1]
    assert answer["code"] == "not_found"


async def test_what_cannot_be_opened_looks_the_same(one: Deployment) -> None:
    """[OP7]"""
    key = await one.tree(root())
    await one.directory.set_visibility(key, "private")
    deleted = await one.tree(root())
    await one.directory.trash_tree(deleted)
    stranger = one.socket("eve", tenant="other")
    answers = [
        await one.socket("bo").open(key),
        await one.socket("bo").open(TreeKey("acme", 999)),
        await one.socket("bo").open(deleted),
        await stranger.open(key),
    ]
    assert {(answer["type"], answer["code"], answer["why"]) for answer in answers} == {
        ("error", "not_found", "no such tree")
    }
    with pytest.raises(NotFound):
        await one.hubs[0].role(identity("eve", "other"), key.tree)


async def test_storage_that_fails_an_open(one: Deployment, trouble: Trouble) -> None:
    """[ED19]"""
    key = await one.tree(root())
    trouble.once = {"load": ["before"], "recall": ["before"]}
    ada = one.socket("ada")
    assert (await ada.open(key))["code"] == "unavailable"
    assert (await ada.open(key))["code"] == "unavailable"
    assert (await ada.open(key))["type"] == "snapshot"


async def test_a_socket_opens_so_many_trees() -> None:
    """[OP8]"""
    one = Deployment(limits=Limits(trees_per_socket=2))
    await one.start()
    keys = [await one.tree(root()) for _ in range(3)]
    ada = one.socket("ada")
    assert [(await ada.open(key))["type"] for key in keys] == ["snapshot", "snapshot", "error"]
    assert ada.outbox.messages[-1]["code"] == "too_many"
    assert (await ada.open(keys[0]))["type"] == "snapshot"
    ada.send({"type": "close", "tree": keys[0].tree})
    assert (await ada.open(keys[2]))["type"] == "snapshot"
    await one.close()


async def test_a_tree_that_is_purged_while_its_head_is_read(one: Deployment) -> None:
    """[OP7]"""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    await one.socket("idle").open(key)
    rows = one.database.trees.pop(key)
    one.database.trees[key] = rows
    rows.deleted_at = 1.0
    answer, _ = await back(one, key, {**position, "seq": 99})
    assert answer["code"] == "not_found"


async def test_a_position_of_a_history_that_ended_unnoticed(one: Deployment) -> None:
    """[OP3] Reading the head finds another epoch, or none at all."""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    rows = one.database.trees[key]
    rows.head = msgspec.structs.replace(rows.head, epoch="e2", seq=99, commit=99)
    answer, _ = await back(one, key, {**position, "seq": 50})
    assert (answer["reason"], answer["position"]["epoch"]) == ("epoch", "e2")
    answer, _ = await back(one, key, {**position, "seq": 50, "epoch": "e2"})
    assert answer["reason"] == "epoch"
    del one.database.trees[key]
    answer, _ = await back(one, key, {**position, "seq": 10**9, "epoch": "e2"})
    assert answer["code"] == "not_found"


async def test_a_room_that_is_busy_is_waited_for(deaf: Deployment, trouble: Trouble) -> None:
    """[OP2, OP5]"""
    key = await deaf.tree(root())
    await deaf.socket("idle", hub=1).open(key)
    await written(deaf, key, 2)
    there = deaf.hubs[0].places()[0].room.position
    place = deaf.hubs[1].places()[0]
    place.busy = True
    socket = deaf.socket("ada", hub=1)
    position = {"epoch": there.epoch, "seq": 4, "mark": there.mark}
    socket.send({"type": "open", "ref": 1, "tree": key.tree, "position": position})
    await deaf.clock.advance(5 * joining._PAUSE_SECONDS)
    assert socket.outbox.messages == []
    place.busy = False
    await deaf.clock.advance(joining._PAUSE_SECONDS)
    assert socket.outbox.messages[0]["type"] == "resumed"


async def test_a_log_that_does_not_answer_is_not_asked_without_a_pause(deaf: Deployment, trouble: Trouble) -> None:
    """[ED19]"""
    key = await deaf.tree(root())
    await deaf.socket("idle", hub=1).open(key)
    await written(deaf, key, 2)
    there = deaf.hubs[0].places()[0].room.position
    trouble.always = {"missing": "before"}
    socket = deaf.socket("ada", hub=1)
    position = {"epoch": there.epoch, "seq": 4, "mark": there.mark}
    socket.send({"type": "open", "ref": 1, "tree": key.tree, "position": position})
    await settle(200)
    assert trouble.calls.count("missing") == 1
    await deaf.clock.advance(2 * joining._PAUSES * joining._PAUSE_SECONDS)
    assert socket.outbox.messages[0]["code"] == "unavailable"


async def test_a_tree_that_is_purged_between_two_questions(one: Deployment, trouble: Trouble) -> None:
    """[OP7]"""
    key = await one.tree(root())
    position = (await one.socket("ada").open(key))["position"]
    trouble.gates["heads"] = asyncio.Event()
    returning = one.socket("eve")
    returning.send({"type": "open", "ref": 1, "tree": key.tree, "position": {**position, "seq": 9}})
    await settle()
    del one.database.trees[key]
    trouble.gates.pop("heads").set()
    await settle()
    assert returning.outbox.messages[0]["code"] == "not_found"


async def test_who_leaves_before_a_refusal_hears_it_all_the_same(one: Deployment, trouble: Trouble) -> None:
    """[OP10, WS7]"""
    trouble.gates["load"] = asyncio.Event()
    ada = one.socket("ada")
    ada.send({"type": "open", "ref": 1, "tree": 999})
    ada.send({"type": "close", "tree": 999})
    trouble.gates.pop("load").set()
    await settle()
    assert [message["ref"] for message in ada.outbox.take("error")] == [1]
    assert ada.session.opened == {}
