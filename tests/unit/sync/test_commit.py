"""The commit loop: nothing is told before it is durable, whatever storage does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sync.codec import JSON
from sync.commit import PATIENCE_SECONDS, RETRY_SECONDS
from sync.errors import Unstorable
from sync.growing import tree_of
from sync.identity import TreeKey
from sync.ports import Batch, Receipt, Store, Turn
from tests.clocks import settle
from tests.faults import Fault, FaultyStore, FaultyTurn
from tests.hubs import Deployment, Socket, root
from tests.trouble import Trouble

POISON = "☠"


class StrictTrouble(Trouble):
    """Trouble with a database that is particular, too."""

    def around(self, store: Store) -> Store:
        return Strict(store, self.decide, self.pause)


class Strict(FaultyStore):
    """A database that cannot hold POISON, nor a node whose parent it does not hold."""

    def __init__(
        self, store: Store, decide: Callable[[str], Fault], pause: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(store, decide, pause)
        self._nodes: set[str] = {"root"}

    def check(self, batches: Sequence[Batch]) -> None:
        held = set(self._nodes)
        for batch in batches:
            if POISON in repr((batch.ops, batch.nodes, batch.conflicts)):
                raise Unstorable("poison")
            held |= {row.node.id for row in batch.nodes}
            if any(row.node.parent is not None and row.node.parent not in held for row in batch.nodes):
                raise Unstorable("no such parent")

    async def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        self.check(batches)
        receipts = await super().commit(batches)
        self._nodes |= {row.node.id for batch in batches for row in batch.nodes}
        return receipts

    @asynccontextmanager
    async def exclusive(self, key: TreeKey) -> AsyncIterator[Turn]:
        async with super().exclusive(key) as turn:
            yield StrictTurn(turn, self)


class StrictTurn(FaultyTurn):
    def __init__(self, turn: Turn, store: Strict) -> None:
        super().__init__(turn, store)
        self._strict = store

    async def rehearse(self, batch: Batch) -> None:
        self._strict.check([batch])
        await super().rehearse(batch)

    async def commit(self, batch: Batch) -> Receipt:
        self._strict.check([batch])
        return await super().commit(batch)


@pytest.fixture
def trouble() -> Trouble:
    return StrictTrouble()


@pytest.fixture
async def one(trouble: Trouble) -> AsyncIterator[Deployment]:
    deployment = Deployment(around=trouble.around)
    await deployment.start()
    yield deployment
    await deployment.close()


async def opened(one: Deployment, key: TreeKey, user: str = "ada", client: str = "") -> Socket:
    socket = one.socket(user, client)
    await socket.open(key)
    socket.outbox.take()
    return socket


def insert(node: str, parent: str = "root", title: str = "T", **fields: Any) -> dict[str, Any]:
    return {"op": "insert", "node": node, "parent": parent, "type": "metric", "title": title, **fields}


def statuses(socket: Socket) -> list[str]:
    return [
        result.get("code", result["status"])
        for message in socket.outbox.messages
        if message["type"] == "outcome"
        for result in message["results"]
    ]


def logged(one: Deployment, key: TreeKey) -> list[tuple[str, str, int]]:
    return [(op.author.user, op.author.client, op.n) for op in one.database.trees[key].ops(2, 10_000)]


async def test_nothing_is_told_before_the_commit(one: Deployment, trouble: Trouble) -> None:
    """[ED8, BR3]"""
    key = await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, key, "bo")
    trouble.gates["commit"] = asyncio.Event()
    ada.edit(key, insert("a"))
    await settle()
    assert ada.outbox.messages == bo.outbox.messages == []
    trouble.gates["commit"].set()
    await settle()
    assert [message["type"] for message in ada.outbox.messages] == ["outcome", "ops"]
    assert [message["type"] for message in bo.outbox.messages] == ["ops"]


async def test_what_arrives_while_a_commit_is_in_flight_is_one_batch(one: Deployment, trouble: Trouble) -> None:
    key = await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, key, "bo")
    trouble.gates["commit"] = asyncio.Event()
    ada.edit(key, insert("first"))
    await settle()
    for turn in range(5):
        ada.edit(key, insert(f"a{turn}"))
        bo.edit(key, insert(f"b{turn}"))
    trouble.gates["commit"].set()
    await settle(60)
    assert trouble.calls.count("commit") == 2
    frames = [(message["after"], message["seq"]) for message in bo.outbox.take("ops")]
    assert frames == [(2, 3), (3, 13)]
    assert one.hubs[0].stats.ops == 11


async def test_many_rooms_go_in_one_statement_and_each_settles_on_its_own(one: Deployment, trouble: Trouble) -> None:
    keys = [await one.tree(root()) for _ in range(5)]
    sockets = [await opened(one, key, client=f"c{key.tree}") for key in keys]
    trouble.calls.clear()
    for socket, key in zip(sockets, keys, strict=True):
        socket.edit(key, insert("a"))
    await settle(60)
    assert trouble.calls.count("commit") == 1
    assert [statuses(socket) for socket in sockets] == [["applied"]] * 5


# ---- unavailable


async def test_while_the_database_is_away_nothing_is_acknowledged_and_the_tree_resumes_by_itself(
    one: Deployment, trouble: Trouble
) -> None:
    """[ED19]"""
    key = await one.tree(root())
    ada = await opened(one, key)
    trouble.always = {"commit": "before", "exclusive": "before"}
    ada.edit(key, insert("a"))
    await settle()
    await one.clock.advance(PATIENCE_SECONDS / 2)
    assert statuses(ada) == []
    trouble.always = {}
    await one.clock.advance(RETRY_SECONDS)
    await settle()
    assert statuses(ada) == ["applied"]
    assert logged(one, key) == [("ada", "ada-1", 1)]


async def test_after_a_while_edits_are_given_back(one: Deployment, trouble: Trouble) -> None:
    """[ED6, ED19] Their numbers are not consumed; sent again they land once."""
    key = await one.tree(root())
    ada = await opened(one, key)
    trouble.always = {"commit": "before", "exclusive": "before"}
    ada.edit(key, insert("a"), insert("b"))
    await settle()
    await one.clock.advance(PATIENCE_SECONDS + 2 * RETRY_SECONDS)
    assert statuses(ada) == ["unavailable", "unavailable"]
    trouble.always = {}
    ada.outbox.take()
    await one.clock.advance(RETRY_SECONDS)
    await settle()
    assert (await ada.ask(key, insert("a", n=1), insert("b", n=2)))[1]["status"] == "applied"
    assert logged(one, key) == [("ada", "ada-1", 1), ("ada", "ada-1", 2)]


async def test_an_unknown_outcome_is_found_out_and_nothing_lands_twice(one: Deployment, trouble: Trouble) -> None:
    """[ED3, ED8] The commit happened, its answer was lost: the op is answered with what became of it."""
    key = await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, key, "bo")
    trouble.once = {"commit": ["after"]}
    ada.edit(key, insert("a"))
    await settle()
    assert ada.outbox.messages == []
    await one.clock.advance(RETRY_SECONDS)
    await settle()
    (outcome,) = [message for message in ada.outbox.messages if message["type"] == "outcome"]
    (result,) = outcome["results"]
    assert result == {"n": 1, "status": "duplicate", "first": {"n": 1, "status": "applied", "seq": 3}}
    assert outcome["seq"] == 3
    assert logged(one, key) == [("ada", "ada-1", 1)]
    assert [message["seq"] for message in bo.outbox.take("ops")] == [3]
    assert one.hubs[0].places()[0].room.tree.digest == stored_digest(one, key)


def stored_digest(one: Deployment, key: TreeKey) -> str:
    return tree_of(one.database.trees[key].loaded()).digest


@pytest.mark.parametrize("call", ["turn.missing", "turn.recall", "turn.commit", "exclusive"])
async def test_a_turn_that_fails_is_taken_again(one: Deployment, trouble: Trouble, call: str) -> None:
    """[ED3, ED19]"""
    key = await one.tree(root())
    ada = await opened(one, key)
    trouble.once = {"commit": ["before"], call: ["after", "before"]}
    ada.edit(key, insert("a"), insert("b", "a"))
    await settle()
    for _ in range(4):
        await one.clock.advance(RETRY_SECONDS)
        await settle()
    assert set(statuses(ada)) <= {"applied", "duplicate"}
    assert len(statuses(ada)) == 2
    assert logged(one, key) == [("ada", "ada-1", 1), ("ada", "ada-1", 2)]


async def test_looking_a_number_up_that_fails_holds_back_its_own_room_alone(one: Deployment, trouble: Trouble) -> None:
    """[ED19]"""
    key, other = await one.tree(root()), await one.tree(root())
    ada = await opened(one, key)
    ada.session.opened.clear()
    ada.n = 0
    await ada.open(other)
    await ada.open(key)
    ada.outbox.take()
    trouble.once = {"recall": ["before"]}
    ada.edit(key, insert("a", n=7))
    ada.edit(other, insert("a", n=1))
    await settle()
    assert statuses(ada) == ["applied"]
    await one.clock.advance(RETRY_SECONDS)
    await settle()
    assert statuses(ada) == ["applied", "gap"]


async def test_a_lost_race_is_won_in_the_next_turn(trouble: Trouble) -> None:
    """Another instance was first: read, judged again, committed under the lock (SEMANTICS 5)."""
    two = Deployment(hubs=2, around=trouble.around)
    await two.start()
    key = await two.tree(root())
    ada, bo = two.socket("ada"), two.socket("bo", hub=1)
    await ada.open(key)
    await bo.open(key)
    trouble.gates["commit"] = asyncio.Event()
    ada.edit(key, insert("a"))
    bo.edit(key, insert("b"))
    await settle()
    trouble.gates["commit"].set()
    await settle(100)
    assert statuses(ada) + statuses(bo) == ["applied", "applied"]
    assert sum(hub.stats.lost for hub in two.hubs) == 1
    assert {hub.places()[0].room.seq for hub in two.hubs} == {4}
    await two.close()


# ---- what cannot be stored


@pytest.mark.parametrize("poisoned", [[0], [3], [7], [0, 7], [2, 3, 4], list(range(8))])
async def test_only_what_cannot_be_stored_is_refused(one: Deployment, poisoned: list[int]) -> None:
    """[ED12, ED13] Though what stands on it is refused by its own rule, and all came in one batch."""
    key = await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, key, "bo")
    ops = [insert(f"n{place}", title=POISON if place in poisoned else "T") for place in range(8)]
    bo.edit(key, insert("beside"), insert("below", "beside"))
    ada.edit(key, *ops)
    await settle(100)
    assert statuses(ada) == ["invalid" if place in poisoned else "applied" for place in range(8)]
    assert statuses(bo) == ["applied", "applied"]
    assert (await ada.ask(key, insert("after")))[0]["status"] == "applied"
    assert (await ada.ask(key, {**ops[0], "n": 1}))[0]["status"] == "duplicate"


async def test_a_value_that_goes_on_into_later_ops_is_refused_once(one: Deployment) -> None:
    """[ED12] The rows of what follows would hold it too."""
    key = await one.tree(root())
    ada = await opened(one, key)
    ada.edit(
        key,
        insert("a"),
        {"op": "update", "node": "a", "set": {"title": POISON}},
        {"op": "update", "node": "a", "set": {"description": "fine"}},
        insert("b", "a"),
        {"op": "configure", "set": {"name": "Fine"}},
    )
    await settle(100)
    assert statuses(ada) == ["applied", "invalid", "applied", "applied", "applied"]
    room = one.hubs[0].places()[0].room
    assert room.tree.nodes["a"].node.title == "T"
    assert room.tree.details.details.name == "Fine"


async def test_children_of_a_refused_node_are_refused_by_the_tree(one: Deployment) -> None:
    """[ED12, TR8]"""
    key = await one.tree(root())
    ada = await opened(one, key)
    ada.edit(key, insert("a", title=POISON), insert("b", "a"), insert("c"), insert("d", "c"))
    await settle(100)
    assert statuses(ada) == ["invalid", "parent_missing", "applied", "applied"]


async def test_a_record_that_cannot_be_stored_is_refused(one: Deployment) -> None:
    """[ED12, CF14]"""
    key = await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, key, "bo")
    await bo.ask(key, {"op": "update", "node": "root", "set": {"title": "Theirs"}})
    seen = {"op": "update", "node": "root", "set": {"title": POISON}, "base": 2}
    ada.edit(key, seen, insert("a"), {**seen, "set": {"title": "Mine"}}, mode="replay")
    await settle(100)
    assert statuses(ada) == ["invalid", "applied", "conflict"]


async def test_a_database_that_goes_away_while_poison_is_sought(one: Deployment, trouble: Trouble) -> None:
    """[ED19]"""
    key = await one.tree(root())
    ada = await opened(one, key)
    trouble.once = {"turn.rehearse": ["before"]}
    ada.edit(key, insert("a", title=POISON), insert("b"))
    await settle(100)
    assert statuses(ada) == []
    await one.clock.advance(RETRY_SECONDS)
    await settle(100)
    assert statuses(ada) == ["invalid", "applied"]


# ---- large edits, deleted trees


async def test_a_large_edit_goes_alone_and_others_do_not_wait_for_it(one: Deployment, trouble: Trouble) -> None:
    """SEMANTICS 6: over 256 kB."""
    key, other = await one.tree(root()), await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, other, "bo")
    trouble.calls.clear()
    ops = [{"n": place, "base": 0, **insert(f"n{place}", description="x" * 60_000)} for place in range(1, 6)]
    data = json.dumps({"type": "edit", "tree": key.tree, "ops": ops}).encode()
    ada.hub.receive(ada.session, JSON.decode(data), len(data))
    bo.edit(other, insert("a"))
    await settle(100)
    assert trouble.calls.count("commit") == 2
    assert statuses(ada) == ["applied"] * 5
    assert statuses(bo) == ["applied"]


@pytest.mark.parametrize("careful", [False, True])
async def test_a_tree_that_is_deleted_meanwhile_stops_no_lane(one: Deployment, trouble: Trouble, careful: bool) -> None:
    """[CL3]"""
    key, other = await one.tree(root()), await one.tree(root())
    ada, bo = await opened(one, key), await opened(one, other, "bo")
    trouble.once = {"commit": ["before"]}
    title = POISON if careful else "T"
    if careful:
        trouble.once = {}
        trouble.gates["exclusive"] = asyncio.Event()
    ada.edit(key, insert("a", title=title))
    await settle()
    await one.directory.trash_tree(key)
    if careful:
        trouble.gates.pop("exclusive").set()
    await one.clock.advance(RETRY_SECONDS)
    await settle(60)
    assert [message["code"] for message in ada.outbox.messages if message["type"] == "notice"] == ["tree_deleted"]
    assert statuses(ada) == ["forbidden"]
    assert (await bo.ask(other, insert("a")))[0]["status"] == "applied"


async def test_an_irregular_edit_to_a_deleted_tree_stops_no_lane(one: Deployment) -> None:
    """[CL3]"""
    key = await one.tree(root())
    ada = await opened(one, key)
    await one.directory.trash_tree(key)
    ada.edit(key, insert("a", n=5))
    await settle(60)
    assert statuses(ada) == ["forbidden"]
    assert one.hubs[0].places() == []


async def test_rooms_with_only_answers_write_nothing(one: Deployment, trouble: Trouble) -> None:
    """[ED2] A gap needs no commit."""
    key = await one.tree(root())
    ada = await opened(one, key)
    trouble.calls.clear()
    assert (await ada.ask(key, insert("a", n=9)))[0]["code"] == "gap"
    assert "commit" not in trouble.calls
