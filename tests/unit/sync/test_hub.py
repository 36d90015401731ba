"""The hub over the in-memory database: joins, edits, counters, several instances."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync.errors import Forbidden, NotFound
from sync.hub import DRAIN_SECONDS
from tests.clocks import settle
from tests.hubs import Deployment, identity, root
from tests.trouble import Trouble


async def test_a_first_visit_gets_the_whole_tree(one: Deployment) -> None:
    """[OP1]"""
    key = await one.tree(root())
    ada = one.socket("ada")
    answer = await ada.open(key)
    assert answer["type"] == "snapshot"
    assert answer["position"]["seq"] == 2
    assert answer["role"] == "owner"
    assert [node["id"] for node in answer["state"]["nodes"]] == ["root"]
    assert answer["state"]["name"] == "Strategy"


async def test_an_edit_reaches_everyone_and_its_author_first_gets_the_outcome(one: Deployment) -> None:
    key = await one.tree(root())
    ada, bo = one.socket("ada"), one.socket("bo")
    await ada.open(key)
    await bo.open(key)
    ada.outbox.take()
    bo.outbox.take()
    ada.edit(key, {"op": "update", "node": "root", "set": {"title": "Grow"}, "base": 2})
    await settle()
    outcome, ops = [message for message in ada.outbox.take() if message["type"] in ("outcome", "ops")]
    assert outcome == {
        "type": "outcome",
        "tree": key.tree,
        "seq": 3,
        "results": [{"n": 1, "status": "applied", "seq": 3}],
    }
    assert (ops["after"], ops["seq"]) == (2, 3)
    assert ops["ops"] == [{"by": 0, "n": 1, "op": "update", "node": "root", "set": {"title": "Grow"}}]
    assert ops["authors"] == [{"user": "ada", "client": "ada-1"}]
    assert bo.outbox.take("ops") == [ops]


async def test_a_resent_op_gets_its_first_answer_again(one: Deployment) -> None:
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    op = {"n": 1, "base": 2, "op": "update", "node": "root", "set": {"title": "Grow"}}
    first = await ada.ask(key, op)
    again = await ada.ask(key, op, mode="replay")
    assert again == [{"n": 1, "status": "duplicate", "first": first[0]}]
    reused = await ada.ask(key, {"n": 1, "op": "delete", "node": "other"})
    assert reused[0]["code"] == "reused"


async def test_a_skipped_n_is_a_gap_that_names_what_comes_next(one: Deployment) -> None:
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    results = await ada.ask(key, {"n": 3, "op": "delete", "node": "root"})
    assert results[0]["code"] == "gap"
    assert results[0]["expected"] == 1


async def test_two_instances_agree_and_follow_each_other(two: Deployment) -> None:
    key = await two.tree(root())
    ada, bo = two.socket("ada", hub=0), two.socket("bo", hub=1)
    await ada.open(key)
    await bo.open(key)
    for turn in range(10):
        await ada.ask(key, {"op": "insert", "node": f"a{turn}", "parent": "root", "type": "metric", "title": "A"})
        await bo.ask(key, {"op": "insert", "node": f"b{turn}", "parent": "root", "type": "metric", "title": "B"})
    await settle()
    rooms = [hub.places()[0].room for hub in two.hubs]
    assert rooms[0].tree.digest == rooms[1].tree.digest
    assert rooms[0].seq == rooms[1].seq == 22


async def test_instances_that_commit_at_once_lose_no_edit(two: Deployment) -> None:
    key = await two.tree(root())
    ada, bo = two.socket("ada", hub=0), two.socket("bo", hub=1)
    await ada.open(key)
    await bo.open(key)
    for turn in range(20):
        ada.edit(key, {"op": "insert", "node": f"a{turn}", "parent": "root", "type": "metric", "title": "A"})
        bo.edit(key, {"op": "insert", "node": f"b{turn}", "parent": "root", "type": "metric", "title": "B"})
    await settle(200)
    rooms = [hub.places()[0].room for hub in two.hubs]
    assert rooms[0].seq == rooms[1].seq == 42
    assert rooms[0].tree.digest == rooms[1].tree.digest


async def test_a_return_gets_exactly_the_ops_after_its_position(one: Deployment) -> None:
    key = await one.tree(root())
    ada, bo = one.socket("ada"), one.socket("bo")
    position = (await ada.open(key))["position"]
    one.hubs[0].leave(ada.session)
    await bo.open(key)
    await bo.ask(key, {"op": "update", "node": "root", "set": {"title": "Grow"}})
    back = one.socket("ada")
    answer = await back.open(key, position)
    assert answer["type"] == "resumed"
    assert answer["position"]["seq"] == 3
    (ops,) = back.outbox.take("ops")
    assert (ops["after"], ops["seq"]) == (2, 3)


async def test_a_position_of_another_history_gets_a_snapshot(one: Deployment) -> None:
    key = await one.tree(root())
    ada = one.socket("ada")
    position = (await ada.open(key))["position"]
    wrong_epoch = await one.socket("bo").open(key, {**position, "epoch": "e9"})
    assert wrong_epoch["reason"] == "epoch"
    wrong_mark = await one.socket("cy").open(key, {**position, "mark": "zz"})
    assert wrong_mark["reason"] == "epoch"
    ahead = await one.socket("di").open(key, {**position, "seq": 99})
    assert ahead["reason"] == "ahead"


# ---- messages


async def test_a_ping_is_answered(one: Deployment) -> None:
    """[WS8]"""
    ada = one.socket("ada")
    ada.send({"type": "ping", "ref": 4})
    ada.send({"type": "ping"})
    assert ada.outbox.take() == [{"type": "pong", "ref": 4}, {"type": "pong"}]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello", "protocol": 1, "client_id": "c", "ref": 9},
        {"type": "auth", "token": "t", "ref": 9},
    ],
)
async def test_what_belongs_to_the_handshake_is_no_message_here(one: Deployment, message: dict[str, Any]) -> None:
    """[WS4]"""
    ada = one.socket("ada")
    ada.send(message)
    (error,) = ada.outbox.take()
    assert (error["code"], error["ref"]) == ("bad_message", 9)


async def test_after_close_nothing_more_comes(one: Deployment) -> None:
    """[OP10]"""
    key = await one.tree(root())
    ada, bo = one.socket("ada"), one.socket("bo")
    await ada.open(key)
    await bo.open(key)
    ada.send({"type": "close", "tree": key.tree})
    ada.send({"type": "close", "tree": 999})
    ada.outbox.take()
    await bo.ask(key, {"op": "update", "node": "root", "set": {"title": "New"}})
    await one.clock.advance(1)
    assert ada.outbox.take() == []


async def test_activity_is_logged_once_and_then_answered(one: Deployment, trouble: Trouble) -> None:
    """[AC1, AC2, OP9]"""
    key = await one.tree(root())
    ada = one.socket("ada")
    event = {"id": "e1", "kind": "node_viewed", "node": "root", "duration_ms": 5300}
    message = {"type": "activity", "ref": 6, "tree": key.tree, "events": [event]}
    ada.send(message)
    await settle()
    assert [answer["code"] for answer in ada.outbox.take()] == ["not_open"]
    await ada.open(key)
    ada.outbox.take()
    trouble.gates["log_activity"] = asyncio.Event()
    ada.send(message)
    await settle()
    assert ada.outbox.take() == []
    trouble.gates.pop("log_activity").set()
    await settle()
    assert ada.outbox.take("logged") == [{"type": "logged", "ref": 6, "tree": key.tree}]
    ada.send(message)
    await settle()
    assert len(ada.outbox.take("logged")) == 1
    assert [row.event for row in one.database.activities if row.event] == ["e1"]
    trouble.once = {"log_activity": ["before"]}
    ada.send(message)
    await settle()
    (error,) = ada.outbox.take("error")
    assert (error["code"], error["ref"]) == ("unavailable", 6)


# ---- tokens


async def test_a_fresh_token_of_the_same_person(one: Deployment) -> None:
    """[HS7, AC4] What it allows is in force at once."""
    key = await one.tree(root())
    await one.directory.set_visibility(key, "private")
    admin = one.socket("root")
    hub = one.hubs[0]
    hub.refresh(admin.session, identity("root", role="admin"))
    assert (await admin.open(key))["role"] == "owner"
    await one.socket("ada").open(key)
    hub.refresh(admin.session, identity("root", role="admin"))
    assert admin.outbox.take("error") == []
    hub.refresh(admin.session, identity("root"))
    assert [error["code"] for error in admin.outbox.take("error")] == ["not_found"]
    for other in (identity("ada"), identity("root", tenant="other")):
        with pytest.raises(Forbidden):
            hub.refresh(admin.session, other)


# ---- the end


async def test_draining_lets_what_is_in_flight_land(one: Deployment, trouble: Trouble) -> None:
    """[CL1]"""
    key = await one.tree(root())
    ada, bo = one.socket("ada"), one.socket("bo")
    await ada.open(key)
    ada.outbox.take()
    trouble.gates["commit"] = asyncio.Event()
    ada.edit(key, {"op": "update", "node": "root", "set": {"title": "New"}, "base": 2})
    await settle()
    drained = asyncio.ensure_future(one.hubs[0].drain())
    await one.clock.advance(0.1)
    assert not drained.done()
    trouble.gates.pop("commit").set()
    await settle()
    await one.clock.advance(0.1)
    await drained
    assert [message["type"] for message in ada.outbox.messages if message["type"] != "presence"] == [
        "outcome",
        "ops",
        "notice",
    ]
    notices = [socket.outbox.take("notice")[0] for socket in (ada, bo)]
    assert {notice["code"] for notice in notices} == {"draining"}
    assert len({notice["retry_ms"] for notice in notices}) == 2


async def test_draining_does_not_wait_for_ever(one: Deployment, trouble: Trouble) -> None:
    """[CL1] Nothing was acknowledged; the client keeps it."""
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    trouble.gates["commit"] = asyncio.Event()
    ada.edit(key, {"op": "update", "node": "root", "set": {"title": "New"}, "base": 1})
    await settle()
    drained = asyncio.ensure_future(one.hubs[0].drain())
    await one.clock.advance(DRAIN_SECONDS + 0.1)
    await drained
    assert [message["code"] for message in ada.outbox.take("notice")] == ["draining"]
    trouble.gates.pop("commit").set()
    await settle()


async def test_a_task_that_dies_is_told_to_the_owner_of_the_hub(trouble: Trouble) -> None:
    one = Deployment(around=trouble.around)
    await one.start()
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    one.hubs[0].places()[0].room.cut = None  # type: ignore[method-assign,assignment]
    ada.edit(key, {"op": "update", "node": "root", "set": {"title": "New"}})
    await settle()
    ((name, error),) = one.deaths
    assert name.startswith("commit:")
    assert isinstance(error, TypeError)
    one.deaths.clear()
    await one.close()


async def test_leaving_twice_and_a_room_that_is_gone(one: Deployment) -> None:
    """[CL4]"""
    key = await one.tree(root())
    ada = one.socket("ada")
    await ada.open(key)
    one.hubs[0]._lobby.drop(one.hubs[0].places()[0])
    ada.edit(key, {"op": "update", "node": "root", "set": {"title": "New"}})
    assert ada.outbox.take()[-1]["code"] == "not_open"
    one.hubs[0].drained(ada.session)
    one.hubs[0].leave(ada.session)
    one.hubs[0].leave(ada.session)
    assert one.hubs[0].sessions() == 0


async def test_a_role_is_not_told_to_who_may_not_see_the_tree(one: Deployment) -> None:
    """[OP7]"""
    key = await one.tree(root())
    await one.directory.set_visibility(key, "private")
    assert await one.hubs[0].role(identity("ada"), key.tree) == "owner"
    for asking in (one.hubs[0].role(identity("bo"), key.tree), one.hubs[0].state(identity("bo"), key.tree)):
        with pytest.raises(NotFound, match=r"^no such tree$"):
            await asking
