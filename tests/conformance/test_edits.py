"""Edits, their numbers and their results."""

from __future__ import annotations

from typing import Any

import pytest

from sync.errors import BadMessage
from tests.clocks import settle
from tests.conformance.conftest import Person, Table

RENAME = {"op": "update", "node": "idea", "set": {"title": "New"}}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


async def test_mode_is_live_when_absent(ada: Person, bo: Person) -> None:
    """[ED1]"""
    await bo.one(RENAME)
    result = await ada.one({"op": "update", "node": "idea", "set": {"title": "Mine"}}, base=3)
    assert result["status"] == "applied"
    replayed = await bo.one({"op": "update", "node": "idea", "set": {"title": "Old"}}, base=3, mode="replay")
    assert replayed["status"] == "conflict"


async def test_numbers_start_at_one_and_have_no_gap(ada: Person) -> None:
    """[ED2, RS6]"""
    result = await ada.one({"n": 2, **RENAME})
    assert result["status"] == "rejected"
    assert (result["code"], result["expected"]) == ("gap", 1)
    assert result["why"]
    assert (await ada.one({"n": 1, **RENAME}))["status"] == "applied"


async def test_two_clients_of_one_user_count_apart(table: Table, ada: Person) -> None:
    """[ED2]"""
    other = await table.join("ada", "another-device")
    assert (await ada.one({"n": 1, **RENAME}))["status"] == "applied"
    assert (await other.one({"n": 1, "op": "update", "node": "risk", "set": {"title": "R"}}))["status"] == "applied"


async def test_a_used_number_is_a_duplicate_on_any_socket(table: Table, ada: Person) -> None:
    """[ED3]"""
    first = await ada.one({"n": 1, **RENAME})
    table.deployment.hubs[0].leave(ada.socket.session)
    again = await table.join("ada")
    assert again.answer["last_n"] == 1
    assert await again.one({"n": 1, **RENAME}, mode="replay") == {"n": 1, "status": "duplicate", "first": first}
    assert (await again.state())["nodes"]["idea"]["seq"] == first["seq"]


async def test_a_number_used_for_something_else_is_reused(ada: Person) -> None:
    """[ED5]"""
    await ada.one({"n": 1, **RENAME})
    assert (await ada.one({"n": 1, "op": "delete", "node": "risk"}))["code"] == "reused"


async def test_a_gap_keeps_everything_behind_it(ada: Person) -> None:
    """[ED6]"""
    results = await ada.do({"n": 2, **RENAME}, {"n": 3, "op": "delete", "node": "risk"})
    assert [result["code"] for result in results] == ["gap", "gap"]
    assert [result["expected"] for result in results] == [1, 1]
    assert "risk" in (await ada.state())["nodes"]


async def test_a_final_refusal_consumes_its_number(ada: Person) -> None:
    """[ED6, RS6]"""
    results = await ada.do({"n": 1, "op": "delete", "node": "nowhere"}, {"n": 2, **RENAME})
    assert [result["status"] for result in results] == ["rejected", "applied"]
    assert results[0]["code"] == "node_missing"
    assert results[0]["why"]


async def test_one_outcome_with_one_result_per_op_in_order(ada: Person) -> None:
    """[ED7]"""
    await ada.do(RENAME, {"op": "delete", "node": "nowhere"}, {"op": "update", "node": "idea", "set": {"title": "New"}})
    (outcome,) = ada.heard("outcome")
    assert [(one["n"], one["status"]) for one in outcome["results"]] == [
        (1, "applied"),
        (2, "rejected"),
        (3, "unchanged"),
    ]


async def test_the_outcome_comes_before_the_ops_and_names_the_head(ada: Person) -> None:
    """[ED9, RS1]"""
    await ada.do(RENAME, {"op": "update", "node": "risk", "set": {"title": "R"}})
    kinds = [message["type"] for message in ada.socket.outbox.messages if message["type"] in ("outcome", "ops")]
    assert kinds == ["outcome", "ops"]
    outcome, ops = (message for message in ada.socket.outbox.messages if message["type"] in ("outcome", "ops"))
    assert outcome["seq"] == ops["seq"] == 5
    assert [one["seq"] for one in outcome["results"]] == [4, 5]


async def test_too_many_ops_in_one_edit_change_nothing(small: Table) -> None:
    """[ED10]"""
    ada = await small.join("ada")
    ops = [{"op": "update", "node": "idea", "set": {"title": f"T{number}"}, "base": 3} for number in range(21)]
    ada.socket.edit(small.key, *ops, ref=7)
    await settle()
    (error,) = ada.heard("error")
    assert (error["code"], error["ref"], error["tree"]) == ("too_large", 7, small.key.tree)
    assert (await ada.state())["nodes"]["idea"]["title"] == "Idea"


async def test_too_much_unanswered_is_refused_whole(small: Table) -> None:
    """[ED11]"""
    ada = await small.join("ada")
    for start in (0, 15):
        ops = [
            {"op": "update", "node": "idea", "set": {"title": f"T{start + number}"}, "base": 3} for number in range(15)
        ]
        ada.socket.edit(small.key, *ops)
    await settle()
    refused, taken = ada.heard("outcome")
    assert {one["code"] for one in refused["results"]} == {"rate"}
    assert {one["status"] for one in taken["results"]} == {"applied"}


@pytest.mark.parametrize(
    "bad",
    [
        {"op": "explode", "node": "idea"},
        {"op": "update", "node": 5, "set": {"title": "x"}},
        {"op": "delete"},
        {"op": "delete", "node": "idea", "hard": True},
        {"op": "delete", "node": "idea", "base": -1},
        {"op": "delete", "node": "idea", "base": "3"},
        {"op": "delete", "node": "x" * 65},
    ],
)
async def test_an_op_that_cannot_be_understood_is_invalid_alone(ada: Person, bad: dict[str, Any]) -> None:
    """[ED12]"""
    results = await ada.do(RENAME, bad, {"op": "update", "node": "risk", "set": {"title": "R"}})
    assert [result["status"] for result in results] == ["applied", "rejected", "applied"]
    assert results[1]["code"] == "invalid"
    nodes = (await ada.state())["nodes"]
    assert (nodes["idea"]["title"], nodes["risk"]["title"]) == ("New", "R")


@pytest.mark.parametrize(
    "value",
    [
        "1e400",
        "NaN",
        "9007199254740993",
        "-9007199254740993",
        '"\\u0000"',
        '"\\ud800"',
        '{"a":1,"a":2}',
        repr(deep(40)),
    ],
)
async def test_a_value_that_cannot_be_kept_is_invalid_alone(ada: Person, value: str) -> None:
    """[ED13]"""
    poisoned = f'{{"n":1,"base":3,"op":"update","node":"idea","set":{{"metadata.x":{value}}}}}'
    good = '{"n":2,"base":3,"op":"update","node":"risk","set":{"title":"R"}}'
    text = f'{{"type":"edit","tree":{ada.table.key.tree},"ops":[{poisoned},{good}]}}'
    await ada.say(text)
    (outcome,) = ada.heard("outcome")
    assert [one["status"] for one in outcome["results"]] == ["rejected", "applied"]
    assert outcome["results"][0]["code"] == "invalid"
    assert (await ada.state())["nodes"]["idea"]["metadata"] == {}


@pytest.mark.parametrize("n", [0, -1, 2**53, 1.5, "1", None])
async def test_an_unreadable_number_spoils_the_whole_message(ada: Person, n: Any) -> None:
    """[ED14]"""
    ops = [{"n": 1, "base": 3, **RENAME}, {"n": n, "base": 3, **RENAME}]
    with pytest.raises(BadMessage):
        await ada.say({"type": "edit", "tree": ada.table.key.tree, "ops": ops})
    assert (await ada.state())["nodes"]["idea"]["title"] == "Idea"


async def test_a_base_from_the_future_is_invalid(ada: Person) -> None:
    """[ED18]"""
    assert (await ada.one(RENAME, base=99))["code"] == "invalid"


async def test_what_is_so_already_is_left_out_of_the_effect(ada: Person) -> None:
    """[ED21, RS2]"""
    result = await ada.one(
        {"op": "update", "node": "idea", "set": {"title": "New", "description": ""}, "unset": ["metadata.none"]}
    )
    effective = result["effective"]
    assert (effective["set"], effective.get("unset")) == ({"title": "New"}, None)
    assert (await ada.one({"op": "update", "node": "idea", "set": {"title": "New"}}))["status"] == "unchanged"


@pytest.mark.parametrize(("base", "understood"), [(0, True), (2**53 - 1, True), (2**53, False), (-1, False)])
async def test_integers_stay_within_what_every_client_can_count(ada: Person, base: int, understood: bool) -> None:
    """[WS9]"""
    result = await ada.one(RENAME, base=base)
    assert (result["status"] == "applied") is (base == 0)
    assert ("ahead of the tree" in result.get("why", "")) is (understood and base > 0)


@pytest.mark.parametrize(("node", "status"), [("x" * 64, "applied"), ("x" * 65, "rejected"), ("", "rejected")])
async def test_ids_have_1_to_64_characters(ada: Person, node: str, status: str) -> None:
    """[WS9]"""
    made = {"op": "insert", "node": node, "parent": None, "type": "metric", "title": "New"}
    assert (await ada.one(made))["status"] == status


async def test_a_node_carries_the_seq_of_the_last_op_that_named_it(ada: Person) -> None:
    """[RP4]"""
    seqs = {}
    for name, op in (
        ("idea", RENAME),
        ("risk", {"op": "move", "node": "risk", "position": {"x": 1, "y": 1}}),
        ("outcome", {"op": "delete", "node": "outcome"}),
        ("outcome", {"op": "restore", "node": "outcome"}),
        ("new", {"op": "import", "nodes": [{"id": "new", "type": "metric", "title": "New"}]}),
    ):
        seqs[name] = (await ada.one(op))["seq"]
    nodes = (await ada.state())["nodes"]
    assert {name: nodes[name]["seq"] for name in ("risk", "new", "outcome", "idea")} == {
        **seqs,
        "idea": seqs["outcome"],  # restored with its parent
    }


async def test_a_socket_that_is_behind_neither_moves_nor_deletes(table: Table, ada: Person, bo: Person) -> None:
    """[ED17, ED6]"""
    ada.socket.outbox.full = True
    await bo.one(RENAME)
    for op in ({"op": "delete", "node": "risk"}, {"op": "move", "node": "risk", "position": {"x": 1, "y": 1}}):
        assert (await ada.one({"n": 1, **op}))["code"] == "stale"
    assert (await ada.one({"n": 1, "op": "update", "node": "risk", "set": {"title": "R"}}))["status"] == "applied"
    ada.socket.outbox.full = False
    table.deployment.hubs[0].drained(ada.socket.session)
    await settle()
    assert (await ada.one({"n": 2, "op": "delete", "node": "risk"}))["status"] == "applied"


async def test_a_slow_reader_loses_ops_only_and_is_made_whole(table: Table, ada: Person, bo: Person) -> None:
    """[BR10]"""
    ada.socket.outbox.full = True
    for number in range(3):
        await bo.one({"op": "update", "node": "idea", "set": {"title": f"T{number}"}})
    assert (await ada.one({"op": "update", "node": "risk", "set": {"title": "R"}}))["status"] == "applied"
    assert ada.heard("ops") == []
    ada.socket.outbox.full = False
    table.deployment.hubs[0].drained(ada.socket.session)
    await settle()
    frames = ada.heard("ops")
    assert frames[0]["after"] == table.seq
    assert [frame["after"] for frame in frames[1:]] == [frame["seq"] for frame in frames[:-1]]
    assert frames[-1]["seq"] == table.seq + 4
