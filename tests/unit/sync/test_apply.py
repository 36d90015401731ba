"""Applying effective ops: what each does, that undoing it restores everything, and that replicas agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import effects
from sync.apply import Stamp, apply, inverse
from sync.effects import Effect
from sync.marks import CREATED, ORDER, PARENT
from sync.nodes import Connection, Node, Point
from sync.text import Delta
from sync.tree import Before
from sync.values import Refused
from sync.verdict import SetAside
from tests.trees import Grown, arbitrary, empty, image, live, replica


def family() -> Grown:
    """root with a (aa, ab), b, and the trash of one deletion (t, ta); connections across."""
    grown = Grown()
    grown.insert("root")
    for node, parent in (("a", "root"), ("b", "root"), ("t", "root"), ("aa", "a"), ("ab", "a"), ("ta", "t")):
        grown.insert(node, parent)
    for one, source, target in (("ab-b", "ab", "b"), ("aa-ab", "aa", "ab"), ("ta-b", "ta", "b"), ("t-ta", "t", "ta")):
        grown.ask({"op": "connect", "connection": one, "from": source, "to": target, "label": one})
    grown.ask({"op": "delete", "node": "t"})
    return grown


def node(node_id: str, parent: str | None = None, order: str = "a9") -> Node:
    return Node(id=node_id, parent=parent, order=order, type="metric", title=node_id)


EFFECTS: dict[str, Effect] = {
    "insert": effects.Insert(node="n", parent="a", order="a5", type="metric", title="N", template_data={"k": 1}),
    "insert into the trash": effects.Insert(node="n", parent="ta", order="a5", type="metric", title="N"),
    "insert under nothing": effects.Insert(node="n", parent="nowhere", order="a5", type="metric", title="N"),
    "update": effects.Update(node="a", set={"title": "New", "template_data.k": [1]}),
    "unset": effects.Update(node="a", unset=["metadata.none"]),
    "update in the trash": effects.Update(node="ta", set={"description": "typed"}),
    "update of nothing": effects.Update(node="nowhere", set={"title": "x"}),
    "text": effects.Text(node="a", path="title", delta=[1, "dd"]),
    "merged text": effects.Text(node="a", path="description", delta=["typed"], merged=True),
    "text of what was absent": effects.Text(node="a", path="template_data.why", delta=["because"]),
    "text in the trash": effects.Text(node="ta", path="title", delta=["x", -1]),
    "text of nothing": effects.Text(node="nowhere", path="title", delta=["x"]),
    "merged update": effects.Update(node="a", set={"title": "Both"}, merged=True),
    "label": effects.Update(connection="ab-b", set={"label": "because"}),
    "label of nothing": effects.Update(connection="nothing", set={"label": "because"}),
    "reparent": effects.Move(node="aa", parent="b", order="a0", position=Point(3, 4)),
    "reorder": effects.Move(node="aa", parent="a", order="a7"),
    "drag": effects.Move(node="aa", parent="a", order="a0", position=Point(3, 4)),
    "move of nothing": effects.Move(node="nowhere", parent="a", order="a0"),
    "move to nowhere": effects.Move(node="aa", parent="nowhere", order="a0"),
    "delete": effects.Delete(node="a"),
    "delete above trash": effects.Delete(node="root"),
    "delete of nothing": effects.Delete(node="nowhere"),
    "delete in the trash": effects.Delete(node="ta"),
    "restore": effects.Restore(
        node="t",
        nodes=[node("t", "root", "a2"), node("ta", "t", "a0")],
        connections=[Connection(id="t-ta", source="t", target="ta", label="t-ta")],
    ),
    "restore elsewhere": effects.Restore(node="ta", nodes=[node("ta", "b", "a0")], connections=[]),
    "restore of what was never seen": effects.Restore(node="z", nodes=[node("z", "b")], connections=[]),
    "restore under nothing": effects.Restore(node="z", nodes=[node("z", "nowhere")], connections=[]),
    "purge": effects.Purge(node="t"),
    "purge of a part": effects.Purge(node="ta"),
    "purge of nothing": effects.Purge(node="nowhere"),
    "purge of what lives is nothing": effects.Purge(node="a"),
    "connect": effects.Connect(connection="new", source="a", target="b", label="l"),
    "connect into the trash": effects.Connect(connection="new", source="a", target="ta"),
    "connect from the trash": effects.Connect(connection="new", source="ta", target="a"),
    "connect to nothing": effects.Connect(connection="new", source="a", target="nowhere"),
    "disconnect": effects.Disconnect(connection="ab-b"),
    "disconnect in the trash": effects.Disconnect(connection="ta-b"),
    "disconnect of nothing": effects.Disconnect(connection="nothing"),
    "configure": effects.Configure(set={"name": "New", "canvas_state.zoom": 2}, unset=["canvas_state.pan"]),
    "import": effects.Import(
        nodes=[node("m", "a"), node("mm", "m")], connections=[Connection(id="i", source="m", target="b")]
    ),
    "import into the trash": effects.Import(
        nodes=[node("m", "ta"), node("mm", "m")], connections=[Connection(id="i", source="mm", target="b")]
    ),
    "import under nothing": effects.Import(
        nodes=[node("m", "nowhere"), node("mm", "m")], connections=[Connection(id="i", source="m", target="b")]
    ),
}


@pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS.keys())
def test_undoing_restores_everything(effect: Effect) -> None:
    """Tree, trash, marks, digest and every index; and doing it again yields the same."""
    grown = family()
    before = image(grown.tree)
    stamp = Stamp(grown.seq + 1, "bo", "b1")
    kept = apply(grown.tree, effect, stamp)
    after = image(grown.tree)
    grown.tree.check()
    grown.tree.undo(kept)
    assert image(grown.tree) == before
    apply(grown.tree, effect, stamp)
    assert image(grown.tree) == after


@pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS.keys())
def test_a_replica_that_never_saw_the_trash_agrees(effect: Effect) -> None:
    """[RP1, RP2]"""
    grown = family()
    copy = replica(grown.tree.state())
    stamp = Stamp(grown.seq + 1, "bo", "b1")
    apply(grown.tree, effect, stamp)
    apply(copy, effect, stamp)
    copy.check()
    assert live(copy) == live(grown.tree)


@pytest.mark.parametrize("name", [name for name in EFFECTS if name.endswith(("nothing", "nowhere"))])
def test_what_the_tree_does_not_hold_is_passed_over(name: str) -> None:
    """[RP1]"""
    grown = family()
    before = image(grown.tree)
    kept = apply(grown.tree, EFFECTS[name], Stamp(grown.seq + 1, "bo", "b1"))
    assert image(grown.tree) == before
    assert (kept.nodes, kept.connections) == ([], [])


def test_a_purge_leaves_nothing_of_a_deletion() -> None:
    """[TR27] Not its subtree, not what an earlier deletion took from it, no connection that touched it."""
    grown = family()
    grown.ask({"op": "delete", "node": "aa"})
    grown.ask({"op": "delete", "node": "a"})
    before = grown.apply(effects.Purge(node="a"), client="purge:1")
    assert {node_id for node_id, _ in before.nodes} == {"a", "aa", "ab"}
    assert {one for one, _ in before.connections} == {"ab-b", "aa-ab"}
    assert set(grown.tree.nodes) == {"root", "b", "t", "ta"}
    assert set(grown.tree.connections) == {"ta-b", "t-ta"}
    assert inverse(effects.Purge(node="a"), before) == {
        "nodes": {"a": 14, "aa": 13, "ab": 14},
        "connections": {"aa-ab": 13, "ab-b": 14},
    }
    grown.insert("aa", "b")
    assert grown.children("b") == ["aa"]


NUMBERS = st.integers(0, 30)
ASKED = st.lists(st.tuples(st.integers(0, 12), NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["ada", "bo"])), max_size=60)


@settings(max_examples=80, deadline=None)
@given(asked=ASKED, seen=st.integers(0, 40))
def test_any_run_of_ops_leaves_a_tree_that_replicas_share_and_undo_takes_back(
    asked: list[tuple[int, int, int, int, str]], seen: int
) -> None:
    """[TR26, RP2] A replica that took its snapshot anywhere on the way holds what the server does."""
    grown = Grown()
    grown.insert("root")
    images: list[Any] = []
    copy = None
    for kind, first, second, third, who in asked:
        if grown.seq >= seen and copy is None:
            copy, position = replica(grown.tree.state()), grown.seq
        images.append((len(grown.befores), image(grown.tree)))
        try:
            grown.ask(arbitrary(grown.tree, kind, first, second, third), who=who, mode=("live", "force")[third % 2])
        except (Refused, SetAside):
            assert image(grown.tree) == images[-1][1]  # a judge changes nothing
    if copy is not None:
        for effect, stamp in grown.log[position:]:
            apply(copy, effect, stamp)
            copy.check()
        assert live(copy) == live(grown.tree)
    for applied, expected in reversed(images):
        while len(grown.befores) > applied:
            grown.tree.undo(grown.befores.pop())
        assert image(grown.tree) == expected


# ---- what each does


def test_a_node_carries_the_seq_of_the_last_op_that_named_it() -> None:
    """[RP4] A delete names its top alone, restore and import name all they bring."""
    grown = family()
    nodes = grown.tree.nodes
    assert nodes["t"].node.seq == grown.seq
    assert nodes["ta"].node.seq == 7
    grown.ask({"op": "restore", "node": "t"})
    assert nodes["t"].node.seq == nodes["ta"].node.seq == grown.seq
    imported = [{"id": "m", "type": "metric", "title": "m"}, {"id": "k", "parent": "m", "type": "metric", "title": "k"}]
    grown.ask({"op": "import", "parent": "a", "nodes": imported})
    assert nodes["m"].node.seq == nodes["k"].node.seq == grown.seq
    grown.ask({"op": "update", "connection": "ab-b", "set": {"label": "x"}})
    assert nodes["ab"].node.seq == 6


def test_maps_are_replaced_never_changed() -> None:
    grown = family()
    first = grown.tree.nodes["a"].node
    grown.apply(effects.Update(node="a", set={"template_data.k": 1, "metadata.m": 2}))
    grown.apply(effects.Update(node="a", set={"template_data.j": 1}, unset=["template_data.k"]))
    assert first.template_data == {}
    assert grown.tree.nodes["a"].node.template_data == {"j": 1}
    assert grown.tree.nodes["a"].node.metadata == {"m": 2}


def test_a_delete_takes_the_live_subtree_and_what_touches_it() -> None:
    """[TR16]"""
    grown = family()
    grown.apply(effects.Delete(node="a"))
    took = grown.seq
    assert {one for one, held in grown.tree.nodes.items() if held.deleted == took} == {"a", "aa", "ab"}
    assert {one for one, held in grown.tree.connections.items() if held.deleted == took} == {"ab-b", "aa-ab"}
    assert grown.tree.nodes["ta"].deleted == took - 1


def test_a_connection_between_two_deletions_waits_for_the_second_restore() -> None:
    """[TR19] It went with the first, and comes when both its ends are live."""
    grown = family()
    grown.ask({"op": "delete", "node": "b"})
    grown.ask({"op": "restore", "node": "t"})
    assert grown.tree.connections["t-ta"].deleted is None
    assert grown.tree.connections["ta-b"].deleted == grown.tree.nodes["b"].deleted
    grown.ask({"op": "restore", "node": "b"})
    assert grown.tree.connections["ta-b"].deleted is None
    assert grown.tree.connections["ab-b"].deleted is None


def test_marks_of_placement() -> None:
    """A reparent marks both, a reorder the order, a drag and a respacing nothing."""
    grown = family()
    grown.apply(effects.Move(node="aa", parent="a", order="a0", position=Point(1, 1)))
    grown.apply(effects.Move(node="aa", parent="a", order="b00"), who="treesync", client="respace:1")
    assert grown.tree.nodes["aa"].marks.keys() == {CREATED}
    grown.apply(effects.Move(node="aa", parent="a", order="b01"))
    assert grown.tree.nodes["aa"].marks.keys() == {CREATED, ORDER}
    grown.apply(effects.Move(node="aa", parent="b", order="a0"))
    assert grown.tree.nodes["aa"].marks.keys() == {CREATED, ORDER, PARENT}
    assert grown.tree.nodes["aa"].node.position == Point(1, 1)


def test_a_restore_elsewhere_is_a_reparent() -> None:
    grown = family()
    grown.ask({"op": "restore", "node": "ta", "parent": "b"}, who="bo")
    marks = grown.tree.nodes["ta"].marks
    assert marks[PARENT].seq == marks[ORDER].seq == grown.seq
    grown.ask({"op": "restore", "node": "t"})
    assert PARENT not in grown.tree.nodes["t"].marks


# ---- inverses


def inverted(effect: Effect) -> dict[str, Any]:
    grown = family()
    before = apply(grown.tree, effect, Stamp(grown.seq + 1, "bo", "b1"))
    return inverse(effect, before)


def test_inverses_hold_what_stood_before() -> None:
    grown = family()
    trashed = grown.seq
    assert inverted(effects.Update(node="a", set={"title": "New", "metadata.m": 1}, unset=["template_data.k"])) == {
        "set": {"title": "A"},
        "unset": ["metadata.m", "template_data.k"],
    }
    assert inverted(effects.Update(connection="ab-b", set={"label": "x"})) == {"set": {"label": "ab-b"}}
    assert inverted(EFFECTS["configure"]) == {
        "set": {"name": "Strategy", "canvas_state.zoom": 1, "canvas_state.pan": {"x": 0, "y": 0}},
        "unset": [],
    }
    assert inverted(EFFECTS["reparent"]) == {"parent": "a", "order": "a0", "position": {"x": 0, "y": 0}}
    assert inverted(EFFECTS["delete"]) == {
        "nodes": {"a": None, "aa": None, "ab": None},
        "connections": {"aa-ab": None, "ab-b": None},
    }
    restored = inverted(EFFECTS["restore"])
    assert restored["nodes"] == {"t": trashed, "ta": trashed}
    assert restored["connections"] == {"t-ta": trashed}
    assert inverted(EFFECTS["disconnect"]) == {"nodes": {}, "connections": {"ab-b": None}}
    for making in ("insert", "connect", "import"):
        assert inverted(EFFECTS[making]) == {}


def test_a_text_is_taken_back_by_the_inverse() -> None:
    """Its delta, on the text it has made; what was absent becomes the empty text."""
    grown = Grown()
    grown.insert("a", description="one three")
    cases: list[tuple[str, Delta, Delta]] = [
        ("description", [4, "two ", -2], [4, "th", -4]),
        ("metadata.absent", ["new"], [-3]),
    ]
    for path, delta, back in cases:
        effect = effects.Text(node="a", path=path, delta=delta)
        assert inverse(effect, grown.apply(effect)) == {"delta": back}
        grown.apply(effects.Text(node="a", path=path, delta=back))
    assert grown.tree.nodes["a"].node.description == "one three"
    assert grown.tree.nodes["a"].node.metadata == {"absent": ""}


def test_what_is_merged_is_no_clients_own() -> None:
    """[TX14] An update, a text; other paths of the node are as they were."""
    grown = Grown()
    grown.insert("a")
    grown.apply(effects.Update(node="a", set={"title": "Both"}, merged=True))
    grown.apply(effects.Text(node="a", path="description", delta=["x"], merged=True))
    grown.apply(effects.Text(node="a", path="metadata.k", delta=["x"]))
    marks = grown.tree.nodes["a"].marks
    assert [marks[path].by_others("ada", "a1") for path in ("title", "description", "metadata.k")] == [
        (2, "ada"),
        (3, "ada"),
        (0, ""),
    ]


def test_values_before_can_be_put_back_by_the_inverse() -> None:
    """An update made of an inverse undoes the update, which is what reverts are made of."""
    grown = family()
    grown.apply(effects.Update(node="a", set={"template_data.k": {"deep": [1]}, "description": "old"}))
    before = grown.tree.nodes["a"].node
    effect = effects.Update(node="a", set={"template_data.j": 1, "description": "new"}, unset=["template_data.k"])
    back = inverse(effect, grown.apply(effect))
    grown.apply(effects.Update(node="a", set=back["set"], unset=back["unset"]))
    after = grown.tree.nodes["a"].node
    assert (after.template_data, after.description) == (before.template_data, before.description)


def test_undoing_configure_puts_the_details_back() -> None:
    tree = empty()
    before = apply(tree, effects.Configure(set={"name": "x"}), Stamp(1, "ada", "a1"))
    assert isinstance(before, Before)
    tree.undo(before)
    assert tree.details.details.name == "Strategy"


def test_a_restored_connection_whose_end_a_replica_lacks_is_passed_over() -> None:
    """[RP1]"""
    grown = family()
    connection = Connection(id="z", source="t", target="nowhere")
    effect = effects.Restore(node="t", nodes=[node("t", "root", "a2")], connections=[connection])
    apply(grown.tree, effect, Stamp(grown.seq + 1, "bo", "b1"))
    assert "z" not in grown.tree.connections
