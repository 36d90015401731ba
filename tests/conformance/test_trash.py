"""The trash as those who work in it meet it: what stands there, comes back, and goes for good."""

from __future__ import annotations

from typing import Any

from storage.memory import MemoryStore
from sync.history import tree_of_state
from tests.clocks import settle
from tests.conformance.conftest import Person, Table
from tests.hubs import identity
from tests.trees import live

HERE = {"x": 1, "y": 2}


async def purge(table: Table, *nodes: str, request: str = "1", hub: int = 0) -> list[Any]:
    outcome = await table.deployment.hubs[hub].purge(identity("maker"), table.key.tree, nodes, request)
    await settle()
    return [(one.status, one.code or None) for one in outcome.results]


async def test_typing_into_the_trash_comes_back_with_it(ada: Person, bo: Person) -> None:
    """[TR17, TR19] Whoever edits what another deletes meanwhile loses nothing."""
    await ada.one({"op": "delete", "node": "outcome"})
    typed = {"op": "update", "node": "idea", "set": {"description": "Bo's thought"}}
    assert (await bo.one(typed, base=3))["in_trash"]
    assert (await bo.one({"op": "move", "node": "test", "parent": "risk", "position": HERE}))["status"] == "applied"
    await ada.one({"op": "restore", "node": "outcome"})
    nodes = (await ada.state())["nodes"]
    assert nodes["idea"]["description"] == "Bo's thought"
    assert nodes["test"]["parent"] == "risk"


async def test_a_purge_is_final_for_everyone(table: Table, ada: Person, bo: Person) -> None:
    """[TR27, BR2] Each replica drops it, storage too, and a batch that stands behind it goes on."""
    await ada.one({"op": "delete", "node": "outcome"})
    ada.heard("ops")
    bo.heard("ops")
    assert await purge(table, "outcome") == [("applied", None)]
    for person in (ada, bo):
        [frame] = person.heard("ops")
        assert frame["ops"] == [{"by": 0, "n": 1, "op": "purge", "node": "outcome"}]
        assert frame["authors"] == [{"user": "maker", "client": "purge:1", "via": "server"}]
        assert frame["digest"] == table.deployment.hubs[0].places()[0].room.tree.digest
    loaded = await MemoryStore(table.deployment.database).load(table.key)
    assert {row.node.id for row in loaded.nodes} == {"goal", "risk"}
    assert loaded.connections == []
    assert (await bo.one({"op": "restore", "node": "outcome"}))["code"] == "node_missing"
    assert (await bo.one({"op": "restore", "node": "outcome"}, mode="replay"))["status"] == "conflict"
    new = {"op": "insert", "node": "idea", "parent": "goal", "type": "solution", "title": "Again"}
    assert (await bo.one(new))["status"] == "applied"


async def test_a_purge_happens_once_per_request(table: Table, ada: Person) -> None:
    """[ED3, TR27, TR30]"""
    await ada.one({"op": "delete", "node": "test"})
    assert await purge(table, "test", "idea", "nobody") == [
        ("applied", None),
        ("rejected", "invalid"),
        ("rejected", "node_missing"),
    ]
    assert [status for status, _ in await purge(table, "test", "idea", "nobody")] == ["duplicate"] * 3
    assert await purge(table, "test", request="2") == [("rejected", "node_missing")]


async def test_a_client_does_not_purge(ada: Person) -> None:
    """[TR30]"""
    await ada.one({"op": "delete", "node": "test"})
    assert (await ada.one({"op": "purge", "node": "test"}))["code"] == "invalid"
    assert (await ada.one({"op": "restore", "node": "test"}))["status"] == "applied"


async def test_the_past_still_shows_what_was_purged(table: Table, ada: Person) -> None:
    """[HT6, TR27] Rows go, the log stays."""
    before = await table.deployment.hubs[0].state(identity("maker"), table.key.tree)
    await ada.one({"op": "delete", "node": "outcome"})
    await purge(table, "outcome")
    then = await table.deployment.hubs[0].state(identity("maker"), table.key.tree, before[1].seq)
    assert live(tree_of_state(then[0])) == live(tree_of_state(before[0]))
    last = table.deployment.hubs[0].places()[0].room.seq
    later, _, _ = await table.deployment.hubs[0].state(identity("maker"), table.key.tree, last - 1)
    assert {node.id for node in later.nodes} == {"goal", "risk"}


async def test_a_replica_that_differs_asks_for_the_newest_state(table: Table, ada: Person, bo: Person) -> None:
    """[OP12] Not for a kept state with the ops behind it that led it astray."""
    await bo.one({"op": "update", "node": "idea", "set": {"title": "Since the kept state"}})
    hub = table.deployment.hubs[0]
    ada.socket.outbox.take()
    await ada.say({"type": "open", "tree": table.key.tree, "ref": 7, "reason": "digest"})
    messages = ada.socket.outbox.take()
    snapshot = next(message for message in messages if message["type"] == "snapshot")
    assert (snapshot["ref"], snapshot["position"]["seq"]) == (7, hub.places()[0].room.seq)
    assert not [message for message in messages if message["type"] == "ops"]
    assert hub.stats.digest_mismatches == 1
