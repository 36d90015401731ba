"""The hub over the in-memory database: joins, edits, counters, several instances."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clocks import settle
from tests.hubs import Deployment, root


@pytest.fixture
async def one() -> AsyncIterator[Deployment]:
    deployment = Deployment()
    await deployment.start()
    yield deployment
    await deployment.close()


@pytest.fixture
async def two() -> AsyncIterator[Deployment]:
    deployment = Deployment(hubs=2)
    await deployment.start()
    yield deployment
    await deployment.close()


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
