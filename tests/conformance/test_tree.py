"""What may be done to a tree, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from sync.nodes import NODE_TYPES
from tests.conformance.conftest import Person, Table


def insert(node: str, parent: str | None = "goal", **fields: Any) -> dict[str, Any]:
    return {"op": "insert", "node": node, "parent": parent, "type": "metric", "title": node.title(), **fields}


def move(node: str, **fields: Any) -> dict[str, Any]:
    return {"op": "move", "node": node, **fields}


HERE = {"x": 1, "y": 2}


# ---- values


async def test_pg12_a_usual_word_for_a_status_becomes_the_status(ada: Person) -> None:
    """[PG12] Whether it is set, inserted or imported; what is no such word stays."""
    path, done = "template_data.completion_status", {"completion_status": " Done ", "unit": "%"}
    result = await ada.one({"op": "update", "node": "idea", "set": {path: "In-Progress", "title": "T"}})
    assert (result["status"], result["effective"]["set"]) == ("applied", {path: "in_progress", "title": "T"})
    again = await ada.one({"op": "update", "node": "idea", "set": {path: "wip"}})
    assert again["status"] == "unchanged"
    result = await ada.one(insert("new", template_data=done))
    assert result["effective"]["template_data"] == {"completion_status": "complete", "unit": "%"}
    assert "effective" not in await ada.one(insert("plain", template_data={"completion_status": "complete"}))
    imported = [{"id": "brought", "type": "metric", "title": "B", "template_data": done}]
    assert (await ada.one({"op": "import", "parent": "goal", "nodes": imported}))["status"] == "applied"
    nodes = (await ada.state())["nodes"]
    said = {node: nodes[node]["template_data"]["completion_status"] for node in ("idea", "new", "plain", "brought")}
    assert said == {"idea": "in_progress", "new": "complete", "plain": "complete", "brought": "complete"}
    for value in ("nearly", "", 7, None, ["done"]):
        await ada.one({"op": "update", "node": "new", "set": {path: value}})
        assert (await ada.state())["nodes"]["new"]["template_data"]["completion_status"] == value


@pytest.mark.parametrize("kind", [*NODE_TYPES, "goal", "", None])
async def test_types_are_the_seven(ada: Person, kind: Any) -> None:
    """[TR1]"""
    result = await ada.one(insert("new", type=kind))
    assert result["status"] == ("applied" if kind in NODE_TYPES else "rejected")


@pytest.mark.parametrize(
    ("title", "status"), [("x", "applied"), ("x" * 500, "applied"), ("", "rejected"), ("x" * 501, "rejected")]
)
async def test_a_title_has_1_to_500_characters(ada: Person, title: str, status: str) -> None:
    """[TR2]"""
    for op in (insert("new", title=title), {"op": "update", "node": "idea", "set": {"title": title}}):
        result = await ada.one(op)
        assert result["status"] == status
        assert status == "applied" or result["code"] == "invalid"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "T"),
        ("description", "D"),
        ("type", "metric"),
        ("is_collapsed", True),
        ("template_data.core_why", {"a": [1, None]}),
        (f"metadata.{'k' * 64}", 1.5),
    ],
)
async def test_these_paths_can_be_set(ada: Person, path: str, value: Any) -> None:
    """[TR3]"""
    assert (await ada.one({"op": "update", "node": "idea", "set": {path: value}}))["status"] == "applied"
    field, _, key = path.partition(".")
    found = (await ada.state())["nodes"]["idea"][field]
    assert (found[key] if key else found) == value


@pytest.mark.parametrize(
    "path",
    [
        "template_data",
        "metadata",
        "position",
        "parent",
        "order",
        "id",
        "seq",
        "metadata.",
        "metadata.a.b",
        f"metadata.{'k' * 65}",
        "label",
        "",
    ],
)
async def test_no_other_path_can(ada: Person, path: str) -> None:
    """[TR3]"""
    assert (await ada.one({"op": "update", "node": "idea", "set": {path: "x"}}))["code"] == "invalid"


async def test_only_keys_of_maps_are_unset(ada: Person) -> None:
    """[TR4]"""
    await ada.one({"op": "update", "node": "idea", "set": {"metadata.color": "red", "template_data.why": "y"}})
    assert (await ada.one({"op": "update", "node": "idea", "unset": ["title"]}))["code"] == "invalid"
    both = {"op": "update", "node": "idea", "set": {"metadata.color": "blue"}, "unset": ["metadata.color"]}
    assert (await ada.one(both))["code"] == "invalid"
    gone = {"op": "update", "node": "idea", "unset": ["metadata.color", "template_data.why"]}
    assert (await ada.one(gone))["status"] == "applied"
    node = (await ada.state())["nodes"]["idea"]
    assert (node["metadata"], node["template_data"]) == ({}, {})
    assert (await ada.one({"op": "configure", "set": {"canvas_state.grid": 8}}))["status"] == "applied"
    assert (await ada.one({"op": "configure", "unset": ["canvas_state.grid"]}))["status"] == "applied"
    assert "grid" not in (await ada.state())["details"]["canvas_state"]


async def test_the_trees_own_fields(ada: Person) -> None:
    """[TR5]"""
    wanted = {
        "name": "N",
        "description": "D",
        "discovery_phase": "delivery",
        "is_template": True,
        "canvas_state.zoom": 1.5,
    }
    assert (await ada.one({"op": "configure", "set": wanted}))["status"] == "applied"
    details = (await ada.state())["details"]
    assert (details["name"], details["is_template"], details["canvas_state"]["zoom"]) == ("N", True, 1.5)
    wrong: list[dict[str, Any]] = [{"name": ""}, {"name": "x" * 501}, {"is_template": 1}, {"canvas_state": {}}]
    for bad in [*wrong, {"visibility": "private"}]:
        assert (await ada.one({"op": "configure", "set": bad}))["code"] == "invalid"


async def test_a_value_has_a_size(small: Table) -> None:
    """[TR6]"""
    ada = await small.join("ada")
    for path in ("description", "metadata.x"):
        assert (await ada.one({"op": "update", "node": "idea", "set": {path: "x" * 2049}}))["code"] == "too_large"
        assert (await ada.one({"op": "update", "node": "idea", "set": {path: "x" * 2000}}))["status"] == "applied"


async def test_an_update_is_of_a_node_or_of_a_connections_label(ada: Person) -> None:
    """[TR7]"""
    label = {"op": "update", "connection": "why", "set": {"label": "because"}}
    assert (await ada.one(label))["status"] == "applied"
    assert (await ada.state())["connections"]["why"]["label"] == "because"
    wrong: list[dict[str, Any]] = [
        {**label, "node": "idea"},
        {**label, "set": {"from": "risk"}},
        {**label, "unset": ["label"]},
        {"op": "update", "set": {"title": "x"}},
    ]
    for op in wrong:
        assert (await ada.one(op))["code"] == "invalid"


# ---- placement


async def test_a_parent_exists_or_is_null(ada: Person) -> None:
    """[TR8]"""
    assert (await ada.one(insert("new", parent="nowhere")))["code"] == "parent_missing"
    assert (await ada.one(move("idea", parent="nowhere", position=HERE)))["code"] == "parent_missing"
    assert (await ada.one(insert("new", parent=None)))["status"] == "applied"


@pytest.mark.parametrize("below", ["goal", "outcome", "idea"])
async def test_nothing_moves_below_itself(ada: Person, below: str) -> None:
    """[TR9]"""
    assert (await ada.one(move("goal", parent=below, position=HERE)))["code"] == "cycle"


async def test_depth_and_size_are_bounded(small: Table) -> None:
    """[TR10]"""
    ada = await small.join("ada")
    assert (await ada.one(insert("d4", "idea")))["status"] == "applied"
    assert (await ada.one(insert("d5", "d4")))["status"] == "applied"
    assert (await ada.one(insert("d6", "d5")))["code"] == "too_deep"
    assert (await ada.one(move("outcome", parent="risk", position=HERE)))["status"] == "applied"
    assert (await ada.one(insert("top", None)))["status"] == "applied"
    assert (await ada.one(insert("under", "goal")))["status"] == "applied"
    assert (await ada.one(move("risk", parent="under", position=HERE)))["code"] == "too_deep"
    results = await ada.do(*(insert(f"more{number}", None) for number in range(4)))
    assert [result.get("code") for result in results] == [None, None, None, "too_many_nodes"]


async def test_the_server_makes_the_order(ada: Person) -> None:
    """[TR11]"""
    assert (await ada.one(insert("new", order="a0")))["code"] == "invalid"
    await ada.one(insert("last", "outcome"))
    await ada.one(insert("first", "outcome", after=None))
    await ada.one(insert("second", "outcome", after="first"))
    assert await ada.children("outcome") == ["first", "second", "idea", "test", "last"]
    orders = [node["order"] for node in (await ada.state())["nodes"].values() if node["parent"] == "outcome"]
    assert len(set(orders)) == 5


async def test_after_is_a_wish(ada: Person) -> None:
    """[TR12]"""
    await ada.one({"op": "delete", "node": "idea"})
    await ada.one(insert("where-idea-stood", "outcome", after="idea"))
    assert await ada.children("outcome") == ["where-idea-stood", "test"]
    await ada.one(insert("wish-elsewhere", "outcome", after="risk"))
    await ada.one(insert("wish-nowhere", "outcome", after="nobody"))
    assert await ada.children("outcome") == ["where-idea-stood", "test", "wish-elsewhere", "wish-nowhere"]


async def test_a_reparent_carries_its_position(ada: Person) -> None:
    """[TR13]"""
    assert (await ada.one(move("idea", parent="risk")))["code"] == "invalid"
    assert (await ada.one(move("idea", parent="risk", position=HERE)))["status"] == "applied"
    node = (await ada.state())["nodes"]["idea"]
    assert (node["parent"], node["position"]) == ("risk", HERE)


async def test_without_another_parent_a_move_is_a_reorder_or_a_drag(ada: Person) -> None:
    """[TR14]"""
    await ada.one(move("idea", position=HERE))
    assert await ada.children("outcome") == ["idea", "test"]
    assert (await ada.state())["nodes"]["idea"]["position"] == HERE
    await ada.one(move("idea", after="test"))
    assert await ada.children("outcome") == ["test", "idea"]
    await ada.one(move("idea", parent="outcome", after=None))
    assert await ada.children("outcome") == ["idea", "test"]
    assert (await ada.one(move("idea")))["code"] == "invalid"


async def test_siblings_are_respaced_before_their_keys_grow_long(ada: Person) -> None:
    """[TR15]"""
    respaced = []
    for number in range(900):
        await ada.one(insert(f"n{number}", "risk", after=None if number == 0 else "n0"))
        for frame in ada.heard("ops"):
            respaced += [author for author in frame["authors"] if author["client"].startswith("respace:")]
    assert respaced
    nodes = (await ada.state())["nodes"].values()
    assert max(len(node["order"]) for node in nodes) <= 128
    assert (await ada.children("risk"))[:3] == ["n0", "n899", "n898"]
    # a respacing is no change of placement: a reparent made before it is applied without a word
    result = await ada.one(move("n5", parent="goal", position=HERE), base=10)
    assert (result["status"], result.get("overwrote")) == ("applied", None)


# ---- trash


async def test_delete_takes_the_subtree_and_what_touches_it(ada: Person) -> None:
    """[TR16]"""
    assert (await ada.one({"op": "delete", "node": "outcome"}))["status"] == "applied"
    state = await ada.state()
    assert set(state["nodes"]) == {"goal", "risk"}
    assert state["connections"] == {}
    assert (await ada.one({"op": "delete", "node": "idea"}))["status"] == "unchanged"


async def test_what_is_made_or_changed_in_the_trash_stays_there(ada: Person) -> None:
    """[TR17, RS3]"""
    await ada.one({"op": "delete", "node": "outcome"})
    for op in (
        insert("new", "outcome"),
        {"op": "update", "node": "idea", "set": {"title": "Typed in the trash"}},
        {"op": "connect", "connection": "c2", "from": "test", "to": "goal"},
        {"op": "import", "parent": "outcome", "nodes": [{"id": "m1", "type": "metric", "title": "M"}]},
    ):
        result = await ada.one(op)
        assert (result["status"], result["in_trash"]) == ("applied", True)
    assert set((await ada.state())["nodes"]) == {"goal", "risk"}
    await ada.one({"op": "restore", "node": "outcome"})
    state = await ada.state()
    assert state["nodes"]["idea"]["title"] == "Typed in the trash"
    assert {"new", "m1"} <= set(state["nodes"])


async def test_a_live_node_does_not_move_into_the_trash(ada: Person) -> None:
    """[TR18]"""
    await ada.one({"op": "delete", "node": "outcome"})
    assert (await ada.one(move("risk", parent="outcome", position=HERE)))["code"] == "parent_missing"


async def test_restore_brings_back_what_that_deletion_took(ada: Person) -> None:
    """[TR19]"""
    await ada.one({"op": "delete", "node": "test"})
    await ada.one({"op": "delete", "node": "outcome"})
    assert (await ada.one({"op": "restore", "node": "outcome"}))["status"] == "applied"
    state = await ada.state()
    assert set(state["nodes"]) == {"goal", "outcome", "idea", "risk"}
    assert set(state["connections"]) == {"why"}
    assert (await ada.one({"op": "restore", "node": "outcome"}))["status"] == "unchanged"


async def test_restore_below_the_trash_needs_another_parent(ada: Person) -> None:
    """[TR20]"""
    await ada.one({"op": "delete", "node": "idea"})
    await ada.one({"op": "delete", "node": "outcome"})
    assert (await ada.one({"op": "restore", "node": "idea"}))["code"] == "parent_missing"
    assert (await ada.one({"op": "restore", "node": "idea", "parent": "risk"}))["status"] == "applied"
    assert await ada.children("risk") == ["idea"]


async def test_moving_out_of_the_trash_is_a_restore(ada: Person) -> None:
    """[TR21]"""
    await ada.one({"op": "delete", "node": "outcome"})
    result = await ada.one(move("idea", parent="risk", position=HERE))
    assert result["effective"]["op"] == "restore"
    assert await ada.children("risk") == ["idea"]


# ---- making and connecting


async def test_an_id_is_given_once(ada: Person, bo: Person) -> None:
    """[TR22]"""
    assert (await ada.one(insert("new")))["status"] == "applied"
    assert (await ada.one(insert("new")))["status"] == "unchanged"
    assert (await ada.one(insert("new", title="Other")))["code"] == "exists"
    assert (await bo.one(insert("new")))["code"] == "exists"
    await ada.one({"op": "delete", "node": "new"})
    assert (await bo.one(insert("new")))["code"] == "exists"
    connect = {"op": "connect", "connection": "c2", "from": "goal", "to": "risk"}
    assert (await ada.one(connect))["status"] == "applied"
    assert (await ada.one(connect))["status"] == "unchanged"
    assert (await bo.one(connect))["code"] == "exists"
    await ada.one({"op": "disconnect", "connection": "c2"})
    assert (await bo.one({**connect, "to": "idea"}))["status"] == "applied"


async def test_a_connection_joins_two_nodes(ada: Person) -> None:
    """[TR23]"""
    connect = {"op": "connect", "connection": "c2", "from": "goal"}
    assert (await ada.one({**connect, "to": "nowhere"}))["code"] == "node_missing"
    assert (await ada.one({**connect, "to": "goal"}))["code"] == "invalid"


async def test_disconnect(ada: Person) -> None:
    """[TR24]"""
    assert (await ada.one({"op": "disconnect", "connection": "none"}))["code"] == "connection_missing"
    assert (await ada.one({"op": "disconnect", "connection": "why"}))["status"] == "applied"
    assert (await ada.one({"op": "disconnect", "connection": "why"}))["status"] == "unchanged"


async def test_an_import_lands_whole_or_not_at_all(ada: Person) -> None:
    """[TR25]"""
    nodes = [
        {"id": "m2", "parent": "m1", "type": "metric", "title": "2"},
        {"id": "m1", "type": "solution", "title": "1"},
        {"id": "m3", "parent": "m1", "type": "metric", "title": "3"},
        {"id": "m0", "type": "solution", "title": "0"},
    ]
    whole = {
        "op": "import",
        "parent": "outcome",
        "after": "idea",
        "nodes": nodes,
        "connections": [{"id": "d", "from": "m1", "to": "risk"}],
    }
    broken: list[tuple[dict[str, Any], str]] = [
        ({**whole, "nodes": []}, "invalid"),
        ({**whole, "nodes": [*nodes, {**nodes[0], "id": "idea"}]}, "exists"),
        ({**whole, "nodes": [*nodes, {**nodes[0], "id": "m5", "parent": "goal"}]}, "parent_missing"),
        ({**whole, "nodes": [{**nodes[0], "parent": "m2"}]}, "cycle"),
        ({**whole, "connections": [{"id": "d", "from": "m1", "to": "nowhere"}]}, "node_missing"),
    ]
    for op, code in broken:
        assert (await ada.one(op))["code"] == code
    before = ada.table.deployment.hubs[0].places()[0].room.seq
    assert (await ada.one(whole))["seq"] == before + 1
    assert await ada.children("outcome") == ["idea", "m1", "m0", "test"]
    assert await ada.children("m1") == ["m2", "m3"]


async def test_the_tree_is_a_tree_whatever_two_people_do(ada: Person, bo: Person) -> None:
    """[TR26]"""
    for person, op in (
        (ada, move("risk", parent="idea", position=HERE)),
        (bo, move("outcome", parent="risk", position=HERE)),
        (bo, {"op": "delete", "node": "outcome"}),
        (ada, insert("new", "risk")),
        (ada, {"op": "connect", "connection": "c2", "from": "new", "to": "goal"}),
        (bo, {"op": "restore", "node": "risk", "parent": None}),
    ):
        await person.one(op, base=3)
        ada.table.deployment.hubs[0].places()[0].room.tree.check()
    state = await ada.state()
    assert set(state["nodes"]) == {"goal", "risk", "new"}
    assert set(state["connections"]) == {"c2"}
