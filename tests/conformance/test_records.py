"""Conflict records on the wire: told, counted, decided."""

from __future__ import annotations

from typing import Any

import pytest

from sync.errors import BadMessage
from tests.clocks import settle
from tests.conformance.conftest import Person, Table

BASE = 3  # the seq at which every test's tree begins


def update(node: str = "idea", **fields: Any) -> dict[str, Any]:
    return {"op": "update", "node": node, "set": fields}


def resolve(number: int = 1, choice: str = "mine", **fields: Any) -> dict[str, Any]:
    return {"type": "resolve", "ref": 9, "conflict": number, "base": BASE + 2, "choice": choice, **fields}


async def decide(one: Person, number: int = 1, choice: str = "mine", **fields: Any) -> dict[str, Any]:
    """The answer to a decision, which carries its `ref`."""
    one.socket.outbox.take()
    await one.say(resolve(number, choice, tree=one.table.key.tree, **fields))
    (answer,) = (message for message in one.socket.outbox.messages if message.get("ref") == 9)
    return answer


async def lost(ada: Person, bo: Person) -> dict[str, Any]:
    """Bo overwrites what ada has set, and had not seen it; what ada is told."""
    await ada.one(update(title="Ada's"), base=BASE)
    await bo.one(update(title="Bo's"), base=BASE)
    (told,) = ada.heard("conflict")
    return told


# ---- told


async def test_both_are_told_what_was_overwritten(ada: Person, bo: Person, table: Table) -> None:
    """[CR1, CR2, CR16] After the ops, and nobody else is."""
    cy = await table.join("cy")
    told = await lost(ada, bo)
    assert told == {
        "type": "conflict",
        "tree": table.key.tree,
        "conflict": {
            "id": 1,
            "kind": "overwritten",
            "node": "idea",
            "user": "ada",
            "parties": ["ada", "bo"],
            "paths": {"title": {"base": "Idea", "mine": "Ada's", "theirs": "Bo's", "by": "bo", "seq": BASE + 2}},
            "at": told["conflict"]["at"],
        },
    }
    assert [message["type"] for message in bo.socket.outbox.messages] == ["outcome", "ops", "conflict"]
    assert bo.heard("conflict") == [told]
    assert cy.heard("conflict") == []


async def test_whose_op_waits_is_told_in_full(ada: Person, bo: Person) -> None:
    """[CR1, CR6, CR16, CF14]"""
    await bo.one(update(title="Theirs"), base=BASE)
    ada.socket.outbox.take()
    bo.socket.outbox.take()
    ops = (update(title="Mine"), {"op": "text", "node": "idea", "path": "title", "delta": [4, "!"]})
    await ada.do(*ops, base=BASE, mode="replay")
    for one in (ada, bo):
        (told,) = one.heard("conflict")
        record = told["conflict"]
        assert (record["kind"], record["user"], record["client"], record["n"]) == ("aside", "ada", "ada-1", 1)
        assert [op["op"] for op in record["ops"]] == ["update", "text"]
        assert record["paths"]["title"]["mine"] == "Mine!"


async def test_growing_and_closing_are_told(ada: Person, bo: Person) -> None:
    """[CR5, CR7, CR16]"""
    await lost(ada, bo)
    await ada.one(update(title="Ada again"), base=BASE + 1)
    ada.heard("")
    await bo.one(update(title="Bo again"), base=BASE + 2)
    (grown,) = (one["conflict"] for one in ada.heard("conflict") if one["conflict"]["user"] == "ada")
    assert (grown["id"], grown["seqs"], grown["paths"]["title"]["mine"]) == (1, [BASE + 4], "Ada again")
    await ada.one(update(title="Ada decides"))
    (closed,) = (one["conflict"] for one in ada.heard("conflict") if one["conflict"]["user"] == "ada")
    assert closed["closed"] == {"choice": "moot", "by": "ada", "seq": BASE + 5}


async def test_a_slow_reader_is_told_too(ada: Person, bo: Person) -> None:
    """[CR16, BR10]"""
    await ada.one(update(title="Ada's"), base=BASE)
    ada.socket.outbox.take()
    ada.socket.outbox.full = True
    await bo.one(update(title="Bo's"), base=BASE)
    assert [message["type"] for message in ada.socket.outbox.messages] == ["conflict"]


async def test_a_record_that_is_too_large_comes_without_its_ops(ada: Person, bo: Person) -> None:
    """[CR16]"""
    made = [
        {"op": "insert", "node": f"n{n}", "parent": "gone" if n == 0 else "n0", "type": "metric", "title": "x" * 500}
        for n in range(500)
    ]
    await ada.do(*made, base=BASE, mode="replay")
    (told,) = ada.heard("conflict")
    assert "ops" not in told["conflict"]
    (listed,) = await ada.table.deployment.directory.conflicts(ada.table.key, user="ada", limit=9)
    assert len(listed.ops) == 500


async def test_whoever_comes_is_told_how_many_wait(ada: Person, bo: Person, table: Table) -> None:
    """[CR17]"""
    assert ada.answer["conflicts"] == 0
    await lost(ada, bo)
    counts = [(await table.join(user, f"{user}-9")).answer["conflicts"] for user in ("ada", "bo", "cy")]
    assert counts == [1, 1, 0]
    again = await table.deployment.socket("ada", "ada-8").open(table.key, ada.position)
    assert (again["type"], again["conflicts"]) == ("resumed", 1)
    await decide(ada, choice="theirs")
    assert (await table.join("ada", "ada-7")).answer["conflicts"] == 0


# ---- decided


async def test_a_decision_is_answered_then_broadcast_then_told(ada: Person, bo: Person) -> None:
    """[CR10, CR12, CR16, CR19]"""
    await lost(ada, bo)
    bo.socket.outbox.take()
    answer = await decide(ada)
    closed = {"choice": "mine", "by": "ada", "seq": BASE + 3}
    tree = ada.table.key.tree
    assert answer == {"type": "resolved", "ref": 9, "tree": tree, "conflict": 1, "closed": closed}
    assert [message["type"] for message in ada.socket.outbox.messages] == ["resolved", "ops", "conflict"]
    (frame,) = (message for message in bo.socket.outbox.messages if message["type"] == "ops")
    assert frame["authors"] == [{"user": "ada", "client": "resolve:1", "via": "resolve"}]
    assert frame["ops"] == [{"op": "update", "by": 0, "n": 1, "node": "idea", "set": {"title": "Ada's"}}]
    (told,) = bo.heard("conflict")
    assert told["conflict"]["closed"] == closed


async def test_a_record_is_decided_once(ada: Person, bo: Person) -> None:
    """[CR14]"""
    await lost(ada, bo)
    first = await decide(ada, choice="value", value="Both")
    for choice in ("mine", "theirs", "value"):
        assert await decide(bo, choice=choice, value="Other") == first
    assert (await ada.state())["nodes"]["idea"]["title"] == "Both"


async def test_whom_it_does_not_concern_is_told_that_there_is_none(ada: Person, bo: Person, table: Table) -> None:
    """[CR9]"""
    await lost(ada, bo)
    cy = await table.join("cy")
    mine, none = await decide(cy), await decide(cy, number=99)
    assert (mine["type"], mine["code"]) == ("error", "not_found")
    assert mine == none


async def test_a_viewer_may_not_decide(ada: Person, bo: Person, table: Table) -> None:
    """[CR15]"""
    await lost(ada, bo)
    await table.deployment.directory.set_visibility(table.key, "tenant_view")
    table.deployment.hubs[0].rights_changed(table.key)
    await settle()
    refused = await decide(bo)
    assert (refused["type"], refused["code"]) == ("error", "forbidden")


@pytest.mark.parametrize("value", [7, None, "", ["x"], {"title": "x"}, "x" * 501])
async def test_a_value_of_a_wrong_type_is_refused(ada: Person, bo: Person, value: Any) -> None:
    """[CR13]"""
    await lost(ada, bo)
    refused = await decide(ada, choice="value", value=value)
    assert (refused["type"], refused["code"], refused["tree"]) == ("error", "invalid", ada.table.key.tree)
    assert (await ada.state())["nodes"]["idea"]["title"] == "Bo's"


async def test_a_tree_that_is_not_open_is_not_decided_on(ada: Person, bo: Person) -> None:
    """[OP9]"""
    await lost(ada, bo)
    socket = ada.table.deployment.socket("ada", "ada-9")
    socket.send({**resolve(), "tree": ada.table.key.tree})
    socket.send(resolve())
    await settle()
    assert [message["code"] for message in socket.outbox.take("error")] == ["not_open", "not_open"]


@pytest.mark.parametrize(
    "broken", [{"conflict": 0}, {"conflict": "1"}, {"base": -1}, {"choice": "ours"}, {"base": None}, {"tree": 0}]
)
async def test_a_decision_that_cannot_be_read_is_an_error(ada: Person, broken: dict[str, Any]) -> None:
    """[WS4]"""
    with pytest.raises(BadMessage):
        await ada.say({**resolve(), "tree": ada.table.key.tree, **broken})


async def test_whoever_is_still_catching_up_decides_no_move(ada: Person, bo: Person) -> None:
    """[CR10, ED20]"""
    for one, parent in ((ada, "risk"), (bo, "test")):
        await one.one({"op": "move", "node": "idea", "parent": parent, "position": {"x": 1, "y": 1}}, base=BASE)
    participant = ada.socket.session.opened[ada.table.key.tree]
    assert participant is not None
    participant.live = False
    assert (await decide(ada))["code"] == "stale"
    participant.live = True
    assert (await decide(ada))["type"] == "resolved"
    assert await ada.children("risk") == ["idea"]
