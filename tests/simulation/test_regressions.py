"""What the simulation has found, each as the shortest schedule that shows it; and seeds that once failed.

The seeds stand for what they met when they were found: a change of the simulator gives them another history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from sync.codec import JSON, MSGPACK
from sync.commit import RETRY_SECONDS
from sync.follow import Follower
from sync.housekeeping import COMPARE_SECONDS
from sync.identity import TreeKey
from sync.ports import Store
from sync.protocol import Outcome
from tests.clocks import ManualClock, settle
from tests.faults import Fault, FaultyStore
from tests.hubs import Deployment, PlainWire, Socket, identity, payloads, root
from tests.simulation.plan import draw
from tests.simulation.world import simulate

Json = dict[str, Any]


class Gates:
    """Store calls that wait: by name, on the way there (1) or, having happened, on the way back (2)."""

    def __init__(self) -> None:
        self.shut: dict[str, tuple[int, asyncio.Event]] = {}
        self.faults: dict[str, Fault] = {}
        self._passed: dict[str, int] = {}

    def shut_at(self, name: str, turn: int) -> asyncio.Event:
        self._passed[name] = 0
        event = asyncio.Event()
        self.shut[name] = (turn, event)
        return event

    async def pause(self, name: str) -> None:
        self._passed[name] = self._passed.get(name, 0) + 1
        turn, event = self.shut.get(name, (0, None))
        if event is not None and self._passed[name] >= turn:
            await event.wait()

    def around(self, store: Store) -> Store:
        return FaultyStore(store, lambda name: self.faults.get(name, "none"), self.pause)


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
async def two(gates: Gates) -> AsyncIterator[Deployment]:
    deployment = Deployment(hubs=2, around=gates.around)
    await deployment.start()
    yield deployment
    await deployment.close()


def insert(node: str, **fields: Any) -> Json:
    return {"op": "insert", "node": node, "parent": "root", "type": "metric", "title": node, **fields}


async def opened(deployment: Deployment, key: TreeKey, user: str = "ada", hub: int = 0) -> Socket:
    socket = deployment.socket(user, hub=hub)
    await socket.open(key)
    socket.outbox.take()
    return socket


def results(socket: Socket) -> list[Json]:
    return [one for message in socket.outbox.messages if message["type"] == "outcome" for one in message["results"]]


def edit(key: TreeKey, *asked: Json, **fields: Any) -> Json:
    return {"type": "edit", "tree": key.tree, "ops": [{"base": 0, **op} for op in asked], **fields}


async def submitted(deployment: Deployment, key: TreeKey, message: Json, hub: int = 0) -> Outcome:
    decoded = JSON.decode(msgspec.json.encode(message))
    return await deployment.hubs[hub].submit(identity("ada"), key.tree, "ada-1", decoded)


# ---- first answers


async def test_an_import_that_lists_children_first_is_known_again(two: Deployment) -> None:
    """[ED3, ED5] It is logged with parents first: the op that was sent and the one that is stored name one target."""
    key = await two.tree(root())
    ada = await opened(two, key)
    child = {"id": "child", "parent": "top", "type": "metric", "title": "C"}
    op = {"n": 1, "op": "import", "parent": "root", "nodes": [child, {"id": "top", "type": "metric", "title": "T"}]}
    first = await ada.ask(key, op)
    assert await ada.ask(key, op) == [{"n": 1, "status": "duplicate", "first": {"n": 1, "status": "applied", "seq": 3}}]
    assert first[0]["seq"] == 3


async def test_whether_an_op_can_be_read_does_not_make_its_number_reused(two: Deployment) -> None:
    """[ED5, ED12] An integer beyond 2^53 is read alone and refused; beside an unreadable op it is not read at all."""
    key = await two.tree(root())
    ada = await opened(two, key)
    huge = {"n": 1, "op": "update", "node": "root", "set": {"metadata.huge": 2**60}}
    assert (await ada.ask(key, huge))[0]["code"] == "invalid"
    again = await ada.ask(key, huge, {"n": 2, "op": "explode"})
    assert again[0]["first"] == {"n": 1, "status": "rejected", "code": "invalid"}


async def test_an_op_sent_twice_while_its_client_is_new_has_one_answer(two: Deployment, gates: Gates) -> None:
    """[ED3, HT2] The second sending seemed to go on where the client stood, since the first had to be looked up."""
    key = await two.tree(root())
    gate = gates.shut_at("commit", 1)
    sent = []
    for _ in range(2):
        sent.append(asyncio.create_task(submitted(two, key, edit(key, {"n": 1, **insert("a")})), name="http"))
        await settle()
    gate.set()
    answers = [(await outcome).results[0] for outcome in sent]
    assert [one.first["status"] if one.first else one.status for one in answers] == ["applied"] * 2


async def test_an_op_that_waits_here_while_it_lands_elsewhere_has_one_answer(two: Deployment, gates: Gates) -> None:
    """[ED3] The other instance's commit moved the client's number while the op waited as the next one."""
    key = await two.tree(root())
    ada, bo, other = await opened(two, key), await opened(two, key, "bo"), await opened(two, key, "cy", hub=1)
    await ada.ask(key, {"n": 1, **insert("a")})
    gate = gates.shut_at("recall", 2)
    bo.edit(key, {"n": 7, **insert("far")})  # keeps the room busy, and writes nothing
    await settle()
    ada.edit(key, {"n": 2, **insert("b")})
    gates.shut.clear()
    outcome = await submitted(two, key, edit(key, {"n": 2, **insert("b")}), hub=1)
    await settle()
    gate.set()
    await settle()
    assert outcome.results[0].status == "applied"
    assert results(ada)[-1]["first"] == {"n": 2, "status": "applied", "seq": outcome.results[0].seq}
    assert other.outbox.take("ops")


async def test_a_number_that_lands_elsewhere_while_its_predecessor_waits_here_has_one_answer(
    two: Deployment, gates: Gates
) -> None:
    """[ED3] What waited said which number comes next, and the other instance had gone on past it."""
    key = await two.tree(root())
    ada, bo, other = await opened(two, key), await opened(two, key, "bo"), await opened(two, key, "cy", hub=1)
    await ada.ask(key, {"n": 1, **insert("a")})
    gate = gates.shut_at("recall", 2)
    bo.edit(key, {"n": 7, **insert("far")})
    await settle()
    ada.edit(key, {"n": 2, **insert("b")})
    gates.shut.clear()
    await submitted(two, key, edit(key, {"n": 2, **insert("b")}, {"n": 3, **insert("c")}), hub=1)
    await settle()
    two.hubs[0].places()[0].room.know_client(("ada", "ada-1"), 3)  # as an open on this instance reads it
    ada.edit(key, {"n": 3, **insert("c")})
    gate.set()
    await settle()
    assert [one["first"]["seq"] for one in results(ada)[-2:]] == [4, 5]
    assert other.outbox.take("ops")


async def test_an_outcome_counts_the_seq_of_an_answer_that_another_instance_gave(two: Deployment) -> None:
    """[ED9, RP3] A room that has not followed yet must not let its client forget the op too early."""
    key = await two.tree(root())
    ada = await opened(two, key)
    await ada.ask(key, {"n": 1, **insert("a")})
    two.exchange.send = lambda *_: None  # type: ignore[method-assign]
    outcome = await submitted(two, key, edit(key, {"n": 2, **insert("b")}, {"n": 3, **insert("c")}), hub=1)
    ada.edit(key, {"n": 3, **insert("c")})
    await settle()
    assert two.hubs[0].places()[0].room.seq == 3
    assert results(ada)[-1]["first"]["seq"] == 5
    assert ada.outbox.take("outcome")[-1]["seq"] == outcome.seq == 5


async def test_an_id_that_no_column_holds_is_refused_and_blocks_nobody(two: Deployment) -> None:
    """[ED13] msgpack carries U+0000 in an id, also where no judge looks at it."""
    key = await two.tree(root())
    ada, bo = two.socket("ada"), await opened(two, key, "bo")
    ada.outbox.wire = PlainWire(MSGPACK)
    ada.outbox.write = lambda frame: ada.outbox.messages.extend(map(msgspec.msgpack.decode, payloads(frame)))  # type: ignore[method-assign]
    await ada.open(key)
    message = edit(key, {"n": 1, "op": "delete", "node": "x\x00"}, mode="replay")
    two.hubs[0].receive(ada.session, MSGPACK.decode(msgspec.msgpack.encode(message)))
    bo.edit(key, {"n": 1, **insert("b")})
    await settle()
    assert [one["code"] for one in results(ada)] == ["invalid"]
    assert [one["status"] for one in results(bo)] == ["applied"]


# ---- rooms that must go on


async def test_a_timer_that_fires_early_leaves_no_room_asleep(gates: Gates, monkeypatch: pytest.MonkeyPatch) -> None:
    """[ED19] Timers of a real loop may fire up to a millisecond before their time; nothing else wakes the room."""

    async def early(self: ManualClock, seconds: float) -> None:
        await sleep(self, seconds - 0.001)

    sleep = ManualClock.sleep
    monkeypatch.setattr(ManualClock, "sleep", early)
    one = Deployment(around=gates.around)
    await one.start()
    key = await one.tree(root())
    ada = await opened(one, key)
    await ada.ask(key, {"n": 1, **insert("a")})
    gates.faults = {"commit": "before", "exclusive": "before"}
    ada.outbox.take()
    ada.edit(key, {"n": 2, **insert("b")})
    await settle()
    gates.faults = {}
    await one.clock.advance(RETRY_SECONDS)
    assert [one["status"] for one in results(ada)] == ["applied"]
    await one.close()


async def test_a_client_that_closes_and_opens_at_once_is_answered_once(two: Deployment, gates: Gates) -> None:
    """[OP1, OP10] The first `open` was still waiting for the database when the tree was closed and opened again."""
    key = await two.tree(root())
    ada = two.socket("ada")
    gate = gates.shut_at("recall", 1)
    ada.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    ada.send({"type": "close", "tree": key.tree})
    ada.send({"type": "open", "ref": 2, "tree": key.tree})
    await settle()
    gate.set()
    await settle()
    assert [message["ref"] for message in ada.outbox.take("snapshot")] == [2]
    assert len(two.hubs[0].places()[0].room.participants) == 1


async def test_a_snapshot_that_replaces_an_answer_is_the_answer(two: Deployment) -> None:
    """[WS7, OP11] The tree was given anew to everyone while a slow reader still waited for his first parts."""
    key = await two.tree(root())
    ada = two.socket("ada")
    ada.outbox.full = True
    ada.send({"type": "open", "ref": 5, "tree": key.tree})
    await settle()
    two.hubs[0].resync(key)
    ada.outbox.full = False
    two.hubs[0].drained(ada.session)
    await settle()
    (snapshot,) = ada.outbox.take("snapshot")
    assert (snapshot["ref"], snapshot["reason"]) == (5, "resync")
    two.hubs[0].resync(key)
    assert "ref" not in ada.outbox.take("snapshot")[0]


@pytest.mark.parametrize("call", ["heads", "missing"])
async def test_nobody_is_called_ahead_of_a_head_that_was_not_read(two: Deployment, gates: Gates, call: str) -> None:
    """[OP5] An instance that is behind, and cannot ask, does not know."""
    key = await two.tree(root())
    ada, bo = await opened(two, key), two.socket("bo", hub=1)
    await bo.open(key)
    two.exchange.send = lambda *_: None  # type: ignore[method-assign]
    await ada.ask(key, {"n": 1, **insert("a")})
    mark = two.database.trees[key].head.mark
    gates.faults = {call: "before"}
    bo.send({"type": "open", "ref": 1, "tree": key.tree, "position": {"epoch": "e1", "seq": 3, "mark": mark}})
    await two.clock.advance(1.5)
    await settle(200)
    answer = bo.outbox.take("error")[-1]
    assert (answer["type"], answer.get("code")) == ("error", "unavailable")
    gates.faults = {}
    bo.outbox.take()
    assert (await bo.open(key, {"epoch": "e1", "seq": 3, "mark": mark}))["type"] == "resumed"


async def test_the_rights_of_a_busy_room_are_compared_too(two: Deployment, gates: Gates) -> None:
    """[AC4] A room may be busy without end with edits that write nothing, just because they are forbidden."""
    key = await two.tree(root())
    ada = await opened(two, key)
    gate = gates.shut_at("recall", 1)
    ada.edit(key, {"n": 7, **insert("far")})
    await settle()
    await two.directory.set_frozen(key, True)
    await two.clock.advance(COMPARE_SECONDS)
    assert two.hubs[0].places()[0].room.rights.frozen
    gate.set()
    await settle()


async def test_who_was_put_out_does_not_edit_with_the_role_he_had(two: Deployment, gates: Gates) -> None:
    """[ED16, AC4] His edit was waiting when he lost every right to the tree."""
    key = await two.tree(root())
    ada, bo = await opened(two, key), await opened(two, key, "bo")
    await bo.ask(key, {"n": 1, **insert("before")})
    gate = gates.shut_at("recall", 2)
    ada.edit(key, {"n": 7, **insert("far")})
    await settle()
    bo.outbox.take()
    bo.edit(key, {"n": 2, **insert("b")})
    await two.directory.set_visibility(key, "private")
    two.hubs[0].rights_changed(key)
    await settle()
    gate.set()
    await settle()
    assert [message["code"] for message in bo.outbox.messages if message["type"] == "error"] == ["not_found"]
    assert [one["code"] for one in results(bo)] == ["forbidden"]


async def test_a_commit_that_arrives_while_a_room_is_loaded_is_not_lost(
    two: Deployment, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[BR11] DESIGN §7: subscribe first, then load. The message came between the reading and the room."""

    async def compare(self: Follower, places: Any) -> None:
        """So that nothing else finds it."""

    monkeypatch.setattr(Follower, "compare", compare)
    key = await two.tree(root())
    ada, bo = await opened(two, key), two.socket("bo", hub=1)
    gate = gates.shut_at("load", 2)
    bo.send({"type": "open", "ref": 1, "tree": key.tree})
    await settle()
    await ada.ask(key, {"n": 1, **insert("a")})
    gate.set()
    await settle()
    (snapshot,) = bo.outbox.take("snapshot")
    assert snapshot["position"]["seq"] == two.hubs[1].places()[0].room.seq == 3


async def test_a_slow_reader_is_told_whom_he_missed(two: Deployment) -> None:
    """[PR1, BR10] Presence that was dropped comes when he has read."""
    key = await two.tree(root())
    ada, bo = await opened(two, key), await opened(two, key, "bo")
    await two.clock.advance(0.1)
    ada.outbox.take()
    ada.outbox.full = True
    cy = await opened(two, key, "cy")
    two.hubs[0].leave(bo.session)
    await two.clock.advance(0.1)
    cy.send({"type": "presence", "tree": key.tree, "state": {"cursor": {"x": 1}}})
    await two.clock.advance(0.1)
    assert ada.outbox.take("presence") == []
    ada.outbox.full = False
    two.hubs[0].drained(ada.session)
    await two.clock.advance(0.1)
    (news,) = ada.outbox.take("presence")
    assert [(one["user"], one["state"]) for one in news["participants"]] == [("cy", {"cursor": {"x": 1}})]
    assert len(news["left"]) == 1


async def test_a_reader_who_catches_up_on_a_deleted_tree_stops_nothing(two: Deployment, gates: Gates) -> None:
    """[CL3, CL4] What he missed could not be read any more, and his task died of it."""
    key = await two.tree(root())
    ada, bo = await opened(two, key), await opened(two, key, "bo")
    ada.outbox.full = True
    for n in range(1, 4):
        await bo.ask(key, *({"n": 400 * (n - 1) + place + 1, **insert(f"b{n}-{place}")} for place in range(400)))
    gate = gates.shut_at("log", 1)
    ada.outbox.full = False
    two.hubs[0].drained(ada.session)
    await settle()
    await two.directory.trash_tree(key)
    gate.set()
    await settle()
    assert not two.deaths


@pytest.mark.parametrize(
    "seed", [37, 71, 114, 142, 146, 247, 276, 439, 500, 562, 1091, 1121, 31, 139, 183, 197, 318, 412, 1016]
)
def test_a_seed_that_once_failed(seed: int) -> None:
    simulate(draw(seed))
