"""Opening, resuming, and what is broadcast to whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sync.codec import MSGPACK
from sync.limits import Limits
from sync.snapshots import PART_NODES
from tests.clocks import settle
from tests.conformance.conftest import NODES, Person, Table
from tests.hubs import Deployment, ListOutbox, PlainWire, identity, payloads, root

RENAME = {"op": "update", "node": "idea", "set": {"title": "New"}}


async def come_back(table: Table, position: dict[str, Any], user: str = "bo") -> tuple[dict[str, Any], list[Any]]:
    """The answer to an `open` with that position, and the ops frames behind it."""
    socket = table.deployment.socket(user, "back")
    answer = await socket.open(table.key, position)
    await settle()
    return answer, [message for message in socket.outbox.messages if message["type"] == "ops"]


async def test_a_first_visit_gets_a_snapshot_and_who_is_there(table: Table, ada: Person) -> None:
    """[OP1, PR1]"""
    await ada.one(RENAME)
    bo = await table.join("bo")
    assert bo.answer["type"] == "snapshot"
    assert (bo.answer["role"], bo.answer["last_n"]) == ("editor", 0)
    assert {node["id"] for node in bo.answer["state"]["nodes"]} == {node.id for node in NODES}
    assert [one["user"] for one in bo.answer["participants"]] == ["ada"]
    assert bo.answer["you"] not in {one["id"] for one in bo.answer["participants"]}
    assert (await table.join("ada", ada.socket.session.client_id)).answer["last_n"] == 1


async def test_a_return_gets_exactly_what_it_missed(table: Table, ada: Person) -> None:
    """[OP2, BR1]"""
    known = ada.position
    assert known["seq"] == table.seq
    await ada.one(RENAME)
    await ada.do({"op": "delete", "node": "risk"}, {"op": "delete", "node": "test"})
    answer, frames = await come_back(table, known)
    assert answer["type"] == "resumed"
    assert [frame["after"] for frame in frames] == [3, 4]
    assert [frame["seq"] for frame in frames] == [4, 6]
    assert [op["op"] for frame in frames for op in frame["ops"]] == ["update", "delete", "delete"]
    newest = {"epoch": known["epoch"], "seq": frames[-1]["seq"], "mark": frames[-1]["mark"]}
    answer, frames = await come_back(table, newest)
    assert (answer["type"], answer["position"], frames) == ("resumed", newest, [])


@pytest.mark.parametrize("wrong", [{"epoch": "other"}, {"mark": "other"}])
async def test_another_history_gets_a_snapshot(table: Table, ada: Person, wrong: dict[str, str]) -> None:
    """[OP3]"""
    answer, _ = await come_back(table, ada.position | wrong)
    assert (answer["type"], answer["reason"]) == ("snapshot", "epoch")


async def test_too_far_back_gets_a_snapshot() -> None:
    """[OP4]"""
    deployment = Deployment(limits=Limits(resume_ops=3))
    await deployment.start()
    table = Table(deployment, await deployment.tree(*NODES))
    ada = await table.join("ada")
    for number in range(4):
        await ada.one({"op": "update", "node": "idea", "set": {"title": f"T{number}"}})
    answer, frames = await come_back(table, ada.position)
    assert (answer["type"], answer["reason"]) == ("snapshot", "too_far")
    assert (frames[-1]["seq"] if frames else answer["position"]["seq"]) == 6
    await deployment.close()


async def test_ahead_of_the_database_gets_a_snapshot(table: Table, ada: Person) -> None:
    """[OP5]"""
    answer, _ = await come_back(table, ada.position | {"seq": 99})
    assert (answer["type"], answer["reason"]) == ("snapshot", "ahead")


async def test_a_large_snapshot_comes_in_parts() -> None:
    """[OP6]"""
    deployment = Deployment()
    await deployment.start()
    count = 2 * PART_NODES + 1
    key = await deployment.tree(*(root(f"n{number}") for number in range(count)))
    deployment.socket("bo").send({"type": "open", "tree": key.tree})
    await deployment.clock.advance(1)  # a large tree is read and encoded in slices
    socket = deployment.socket("ada")
    last = await socket.open(key)
    parts = socket.outbox.take("snapshot")
    assert [one["part"] for one in parts] == [1, 2, 3]
    assert {one["parts"] for one in parts} == {3}
    assert {one["position"]["seq"] for one in parts} == {last["position"]["seq"]}
    assert {one["state"]["name"] for one in parts} == {"Strategy"}
    assert len({node["id"] for one in parts for node in one["state"]["nodes"]}) == count
    results = await socket.ask(key, {"op": "delete", "node": "n0", "base": 2})
    assert results[0]["seq"] == last["position"]["seq"] + 1
    assert socket.outbox.take("ops")[0]["after"] == last["position"]["seq"]
    await deployment.close()


async def test_not_there_and_not_yours_look_the_same(table: Table) -> None:
    """[OP7]"""
    deployment = table.deployment
    foreign = await deployment.tree(root(), user="zoe", tenant="other")
    private = await deployment.tree(root(), user="zoe")
    await deployment.directory.set_visibility(private, "private")
    trashed = await deployment.tree(root(), user="zoe")
    await deployment.directory.trash_tree(trashed)
    answers = []
    for tree in (foreign.tree, private.tree, trashed.tree, 10**6):
        socket = deployment.socket("ada", f"to-{tree}")
        answer = await socket.open(table.key._replace(tree=tree))
        assert answer.pop("tree") == tree
        answers.append(answer)
    assert answers == [{"type": "error", "ref": 1, "code": "not_found", "why": "no such tree"}] * 4


async def test_a_socket_opens_so_many_trees(small: Table) -> None:
    """[OP8]"""
    ada = await small.join("ada")
    for expected in ("snapshot", "error"):
        answer = await ada.socket.open(await small.deployment.tree(root()))
        assert answer["type"] == expected
    assert answer["code"] == "too_many"


async def test_what_is_not_open_is_not_spoken_of(table: Table) -> None:
    """[OP9, ER2]"""
    ada = Person(table, table.deployment.socket("ada"), {})
    tree = table.key.tree
    await ada.say({"type": "edit", "ref": 1, "tree": tree, "ops": [{"n": 1, "base": 3, **RENAME}]})
    await ada.say({"type": "presence", "tree": tree, "state": {}})
    await ada.say({"type": "activity", "ref": 3, "tree": tree, "events": []})
    assert [(error["code"], error["tree"]) for error in ada.heard("error")] == [("not_open", tree)] * 3
    ada.socket.send({"type": "open", "ref": 1, "tree": tree})
    ada.socket.send({"type": "edit", "ref": 2, "tree": tree, "ops": [{"n": 1, "base": 3, **RENAME}]})
    assert [(error["code"], error["ref"]) for error in ada.heard("error")] == [("not_open", 2)]


async def test_a_closed_tree_is_silent_until_it_is_opened_again(table: Table, ada: Person, bo: Person) -> None:
    """[OP10]"""
    await ada.say({"type": "close", "tree": table.key.tree})
    ada.socket.outbox.take()
    await bo.one(RENAME)
    assert ada.socket.outbox.take() == []
    assert (await ada.socket.open(table.key, ada.position))["type"] == "resumed"
    assert len(ada.heard("ops")) == 1


async def test_an_operators_resync_is_a_snapshot_for_everyone(table: Table, ada: Person, bo: Person) -> None:
    """[OP11]"""
    await ada.one(RENAME)
    ada.socket.outbox.take()
    bo.socket.outbox.take()
    table.deployment.hubs[0].resync(table.key)
    await settle()
    for person in (ada, bo):
        (snapshot,) = [message for message in person.socket.outbox.messages if message["type"] == "snapshot"]
        assert snapshot["reason"] == "resync"
        assert "ref" not in snapshot


# ---- broadcast


async def test_everyone_gets_the_same_ops_in_one_order(ada: Person, bo: Person) -> None:
    """[BR2, BR4]"""
    await ada.one(RENAME)
    await bo.one({"op": "update", "node": "risk", "set": {"title": "R"}})
    await ada.one({"op": "delete", "node": "test"})
    mine, theirs = (
        [message for message in person.socket.outbox.messages if message["type"] == "ops"] for person in (ada, bo)
    )
    assert mine == theirs[-len(mine) :]
    (frame,) = mine
    assert frame["authors"] == [{"user": "ada", "client": ada.socket.session.client_id}]
    assert [(op["by"], op["n"]) for op in frame["ops"]] == [(0, 2)]
    assert frame["at"].endswith("Z")
    assert "at" not in frame["ops"][0]


async def test_frames_follow_each_other_and_lead_to_the_newest_position(table: Table, ada: Person, bo: Person) -> None:
    """[BR1, BR5]"""
    reached = ada.position
    for number in range(3):
        ops = [{"op": "update", "node": "idea", "set": {"title": f"{number}.{count}"}} for count in range(number + 1)]
        await bo.do(*ops)
    for frame in ada.heard("ops"):
        assert frame["after"] == reached["seq"]
        assert len(frame["ops"]) == frame["seq"] - frame["after"]
        reached = {"epoch": reached["epoch"], "seq": frame["seq"], "mark": frame["mark"]}
    answer, frames = await come_back(table, reached)
    assert (answer["type"], frames) == ("resumed", [])


async def test_effective_ops_are_complete(ada: Person, bo: Person) -> None:
    """[BR6, BR7]"""
    here = {"x": 1, "y": 2}
    await bo.one({"op": "insert", "node": "new", "parent": "goal", "after": None, "type": "metric", "title": "N"})
    await bo.one({"op": "move", "node": "new", "after": "outcome"})
    await bo.one({"op": "move", "node": "new", "position": here})
    await bo.one({"op": "delete", "node": "outcome"})
    await bo.one({"op": "restore", "node": "outcome"})
    await bo.one({"op": "import", "parent": "new", "nodes": [{"id": "m", "type": "metric", "title": "M"}]})
    inserted, reordered, dragged, deleted, restored, imported = (
        op for frame in ada.heard("ops") for op in frame["ops"]
    )
    assert {"parent", "order"} <= inserted.keys()
    assert "after" not in inserted | reordered
    assert {"parent", "order"} <= reordered.keys()
    assert "position" not in reordered
    assert (dragged["parent"], dragged["order"], dragged["position"]) == ("goal", reordered["order"], here)
    assert {"by", "n", "op", "node"} == deleted.keys()
    assert {node["id"] for node in restored["nodes"]} == {"outcome", "idea", "test"}
    assert [connection["id"] for connection in restored["connections"]] == ["why"]
    assert [(node["id"], node["parent"]) for node in imported["nodes"]] == [("m", "new")]


async def test_a_frame_that_is_too_large_is_a_snapshot_for_everyone(ada: Person, bo: Person) -> None:
    """[BR9, OP11]"""
    ops = [{"op": "update", "node": "idea", "set": {f"metadata.k{number}": "x" * 200_000}} for number in range(2)]
    results = await bo.do(*ops)
    assert [result["status"] for result in results] == ["applied", "applied"]
    frames = [message for message in ada.socket.outbox.messages if message["type"] == "ops"]
    assert {(part["reason"], part["position"]["seq"]) for part in ada.heard("snapshot")} == {("large", 5)}
    assert frames == []


async def test_a_catch_up_comes_in_frames_of_a_bounded_size(table: Table, ada: Person) -> None:
    """[BR9, OP2]"""
    bo = await table.join("bo")
    for number in range(4):
        await bo.one({"op": "update", "node": "idea", "set": {f"metadata.k{number}": "x" * 200_000}})
    answer, frames = await come_back(table, ada.position, "eve")
    assert answer["type"] == "resumed"
    assert frames[0]["after"] == table.seq
    assert [frame["after"] for frame in frames[1:]] == [frame["seq"] for frame in frames[:-1]]
    assert frames[-1]["seq"] == table.seq + 4
    assert max(len(msgspec.json.encode(frame)) for frame in frames) < 256 * 1024


async def test_what_one_instance_commits_the_other_shows() -> None:
    """[BR2, BR11, PR1]"""
    deployment = Deployment(hubs=2)
    await deployment.start()
    table = Table(deployment, await deployment.tree(*NODES))
    ada, bo = await table.join("ada"), await table.join("bo", hub=1)
    await ada.do({"op": "update", "node": "idea", "set": {"title": "From the first"}}, base=2)
    (there,) = bo.heard("ops")
    assert there["ops"][0]["set"] == {"title": "From the first"}
    await bo.do({"op": "update", "node": "risk", "set": {"title": "From the second"}}, base=3)
    here = ada.heard("ops")[-1]
    assert (here["after"], here["seq"]) == (3, 4)
    await deployment.close()


async def test_msgpack_carries_the_same_maps(table: Table, ada: Person) -> None:
    """[WS1]"""

    class Binary(ListOutbox):
        def write(self, frame: bytes) -> None:
            self.messages += map(msgspec.msgpack.decode, payloads(frame))

    outbox = Binary()
    outbox.wire = PlainWire(MSGPACK)
    hub = table.deployment.hubs[0]
    session = hub.welcome(identity("bo"), "packed", outbox)
    hub.receive(session, MSGPACK.decode(msgspec.msgpack.encode({"type": "open", "ref": 1, "tree": table.key.tree})))
    await settle()
    await ada.one(RENAME)
    (packed,) = outbox.take("ops")
    assert [packed] == ada.heard("ops")
