"""An op that meets what others have changed since its base, in each mode: the table of PROTOCOL.md, cell by cell."""

from __future__ import annotations

from typing import Any

import pytest

from storage.memory import MemoryStore
from tests.conformance.conftest import Person, Table

BASE = 3  # the seq everyone had seen before the other one's change
HERE, THERE = {"x": 1, "y": 2}, {"x": 9, "y": 9}
MODES = ("live", "replay", "force")


def update(node: str = "idea", **values: Any) -> dict[str, Any]:
    return {"op": "update", "node": node, "set": values}


def move(node: str, **fields: Any) -> dict[str, Any]:
    return {"op": "move", "node": node, **fields}


TO_RISK, TO_GOAL = move("idea", parent="risk", position=THERE), move("idea", parent="goal", position=HERE)
CASES: list[tuple[str, list[dict[str, Any]], dict[str, Any], tuple[str, str, str]]] = [
    ("a field", [update(title="Theirs")], update(title="Mine"), ("applied", "conflict", "applied")),
    ("the same value", [update(title="Same")], update(title="Same"), ("unchanged", "unchanged", "unchanged")),
    (
        "view state",
        [update(is_collapsed=True), update(is_collapsed=False)],
        update(is_collapsed=True),
        ("applied",) * 3,
    ),
    ("a reparent", [TO_RISK], TO_GOAL, ("applied", "conflict", "applied")),
    ("a drag", [TO_RISK], move("idea", position=HERE), ("superseded", "superseded", "applied")),
    (
        "a reorder",
        [move("idea", parent="goal", position=THERE)],
        move("idea", after=None),
        ("superseded", "superseded", "applied"),
    ),
    ("another order", [move("idea", after="test")], move("idea", after=None), ("applied", "conflict", "applied")),
    ("a subtree", [update(title="Theirs")], {"op": "delete", "node": "outcome"}, ("applied", "conflict", "applied")),
    (
        "a connection",
        [{"op": "update", "connection": "why", "set": {"label": "theirs"}}],
        {"op": "disconnect", "connection": "why"},
        ("applied", "conflict", "applied"),
    ),
    ("the trash", [{"op": "delete", "node": "idea"}], update(title="Mine"), ("applied", "conflict", "applied")),
    (
        "a cycle",
        [move("risk", parent="idea", position=HERE)],
        move("outcome", parent="risk", position=HERE),
        ("rejected", "conflict", "rejected"),
    ),
    ("no node", [], update("nowhere", title="x"), ("rejected", "conflict", "rejected")),
    ("invalid", [], update(title=""), ("rejected",) * 3),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("theirs", "mine", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_the_table(
    ada: Person, bo: Person, theirs: list[dict[str, Any]], mine: dict[str, Any], expected: tuple[str, ...], mode: str
) -> None:
    """[CF2, CF3, CF4, CF5, CF6, CF7, CF8, CF9, CF10]"""
    for op in theirs:
        assert (await bo.one(op))["status"] == "applied"
    before = await ada.state()
    result = await ada.one(mine, base=BASE, mode=mode)
    assert result["status"] == expected[MODES.index(mode)]
    if result["status"] in ("conflict", "rejected", "unchanged", "superseded"):
        assert await ada.state() == before


async def test_own_changes_do_not_count_but_those_of_another_device_do(table: Table, ada: Person) -> None:
    """[CF1]"""
    await ada.one(update(title="First"))
    assert (await ada.one(update(title="Second"), base=BASE, mode="replay"))["status"] == "applied"
    device = await table.join("ada", "another-device")
    assert (await device.one(update(title="Third"), base=BASE, mode="replay"))["status"] == "conflict"


async def test_live_names_what_it_overwrote(ada: Person, bo: Person) -> None:
    """[CF2, RS4]"""
    seq = (await bo.one(update(title="Theirs")))["seq"]
    result = await ada.one(update(title="Mine", description="D"), base=BASE)
    assert result["overwrote"] == {"title": {"value": "Theirs", "by": "bo", "seq": seq}}
    assert (await ada.one(update(title="Again")))["status"] == "applied"


async def test_replay_sets_an_op_aside_whole_with_its_content(ada: Person, bo: Person) -> None:
    """[CF3, RS5]"""
    seq = (await bo.one(update(title="Theirs")))["seq"]
    op = {**update(title="Mine", description="Also mine"), "was": {"title": "Idea", "description": ""}}
    result = await ada.one(op, base=BASE, mode="replay")
    assert result["status"] == "conflict"
    assert result["conflict"]["node"] == "idea"
    expected = {"base": "Idea", "mine": "Mine", "theirs": "Theirs", "by": "bo", "seq": seq}
    assert result["conflict"]["paths"]["title"] == expected
    assert (await ada.state())["nodes"]["idea"]["description"] == ""


async def test_force_does_not_break_the_tree(ada: Person) -> None:
    """[CF4]"""
    result = await ada.one(move("goal", parent="idea", position=HERE), mode="force")
    assert (result["status"], result["code"]) == ("rejected", "cycle")


async def test_view_state_leaves_no_trace(ada: Person, bo: Person) -> None:
    """[CF6]"""
    await bo.one(move("idea", position=THERE))
    for mode in MODES:
        result = await ada.one(move("idea", position={"x": MODES.index(mode), "y": 0}), base=BASE, mode=mode)
        assert (result["status"], result.get("overwrote")) == ("applied", None)
    await bo.one({"op": "configure", "set": {"canvas_state.zoom": 2}})
    zoom = await ada.one({"op": "configure", "set": {"canvas_state.zoom": 3}}, base=BASE, mode="replay")
    assert (zoom["status"], zoom.get("overwrote")) == ("applied", None)


async def test_of_two_reparents_the_later_wins_and_names_the_lost_parent(ada: Person, bo: Person) -> None:
    """[CF8]"""
    seq = (await bo.one(TO_RISK))["seq"]
    result = await ada.one(TO_GOAL, base=BASE, mode="replay")
    assert result["conflict"]["paths"]["placement"]["theirs"]["parent"] == "risk"
    result = await ada.one(TO_GOAL, base=BASE)
    assert result["overwrote"]["parent"] == {"value": "risk", "by": "bo", "seq": seq}


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (move("goal", parent="idea", position=HERE), "cycle"),
        (move("idea", parent="nowhere", position=HERE), "parent_missing"),
        ({"op": "delete", "node": "nowhere"}, "node_missing"),
        ({"op": "disconnect", "connection": "nothing"}, "connection_missing"),
        ({"op": "insert", "node": "risk", "parent": None, "type": "metric", "title": "Taken"}, "exists"),
    ],
)
async def test_replay_sets_aside_what_others_may_have_made_impossible(
    ada: Person, op: dict[str, Any], code: str
) -> None:
    """[CF10, RS5]"""
    assert (await ada.one(op, mode="live"))["code"] == code
    result = await ada.one(op, mode="replay")
    assert (result["status"], result["conflict"]["code"]) == ("conflict", code)


async def test_clean_ops_land_and_the_others_wait(ada: Person, bo: Person) -> None:
    """[CF11]"""
    await bo.one(update(title="Theirs"))
    for policy in ({}, {"policy": "apply_clean"}):
        results = await ada.do(
            update(title="Mine"), update("risk", title=f"R{policy}"), base=BASE, mode="replay", **policy
        )
        assert [result["status"] for result in results] == ["conflict", "applied"]


async def test_all_or_nothing(ada: Person, bo: Person) -> None:
    """[CF12]"""
    await bo.one(update(title="Theirs"))
    before = await ada.state()
    whole: dict[str, Any] = {"mode": "replay", "policy": "all_or_nothing", "base": BASE}
    results = await ada.do({"n": 1, **update("risk", title="R")}, {"n": 2, **update(title="Mine")}, **whole)
    (outcome,) = ada.heard("outcome")
    assert outcome["landed"] is False
    assert [(one["n"], one["status"], one["conflict"].get("id")) for one in results] == [(2, "conflict", None)]
    assert await ada.state() == before
    results = await ada.do({"n": 1, **update("risk", title="R")}, {"n": 2, **update(description="D")}, **whole)
    (outcome,) = ada.heard("outcome")
    assert outcome["landed"] is True
    assert [one["status"] for one in results] == ["applied", "applied"]


async def test_at_base_0_what_was_seen_decides(ada: Person, bo: Person) -> None:
    """[CF13, ED20]"""
    await bo.one(update(title="Theirs"))
    seen = {**update(title="Mine"), "was": {"title": "Theirs"}}
    assert (await ada.one(seen, base=0, mode="replay"))["status"] == "applied"
    unseen = {**update(title="Other"), "was": {"title": "Idea"}}
    assert (await bo.one(unseen, base=0, mode="replay"))["status"] == "conflict"


async def test_what_was_set_aside_is_kept(ada: Person, bo: Person) -> None:
    """[CF14]"""
    await bo.one(update(title="Theirs"))
    await ada.one(update(title="Kept for later"), base=BASE, mode="replay")
    records = await ada.table.deployment.directory.conflicts(ada.table.key, user="ada", limit=10)
    assert [record.ops[0]["set"] for record in records] == [{"title": "Kept for later"}]


async def test_what_was_overwritten_stays_in_the_log(ada: Person, bo: Person) -> None:
    """[CF14]"""
    await bo.one(update(title="Lost, but not gone"))
    seq = (await ada.one(update(title="Mine"), base=BASE))["seq"]
    (row,) = await MemoryStore(ada.table.deployment.database).log(ada.table.key, seq - 1, seq)
    assert row.inverse["set"] == {"title": "Lost, but not gone"}
