"""Inserts and moves: where things stand, and who yields to whom."""

from __future__ import annotations

import pytest

from sync import effects
from sync.limits import ORDER_KEY_CHARACTERS, Limits
from sync.nodes import Point
from sync.protocol import Lost, Mode
from tests.trees import Grown, Json

MODES: tuple[Mode, ...] = ("live", "replay", "force")
HERE = {"x": 1.0, "y": 2.0}


@pytest.fixture
def grown() -> Grown:
    """root: a (aa: aaa), b, c; seq 6."""
    grown = Grown()
    grown.insert("root")
    for node, parent in (("a", "root"), ("b", "root"), ("c", "root"), ("aa", "a"), ("aaa", "aa")):
        grown.insert(node, parent)
    return grown


def insert(**fields: object) -> Json:
    return {"op": "insert", "node": "n", "parent": "root", "type": "metric", "title": "N", **fields}


def move(node: str, **fields: object) -> Json:
    return {"op": "move", "node": node, **fields}


# ---- where things stand


@pytest.mark.parametrize(
    ("after", "children"),
    [
        ({}, ["a", "b", "c", "n"]),
        ({"after": None}, ["n", "a", "b", "c"]),
        ({"after": "a"}, ["a", "n", "b", "c"]),
        ({"after": "c"}, ["a", "b", "c", "n"]),
        ({"after": "aa"}, ["a", "b", "c", "n"]),
        ({"after": "nobody"}, ["a", "b", "c", "n"]),
        ({"after": "n"}, ["a", "b", "c", "n"]),
    ],
)
def test_after_is_a_wish(grown: Grown, after: Json, children: list[str]) -> None:
    """[TR11, TR12] What is not under that parent means last."""
    grown.ask(insert(**after))
    assert grown.children("root") == children


def test_a_trashed_sibling_counts_where_it_stood(grown: Grown) -> None:
    """[TR12]"""
    grown.ask({"op": "delete", "node": "b"})
    grown.ask(insert(after="b"))
    assert grown.children("root") == ["a", "n", "c"]
    grown.ask({"op": "restore", "node": "b"})
    assert grown.children("root") == ["a", "b", "n", "c"]


def test_an_effective_insert_says_everything(grown: Grown) -> None:
    """[BR6]"""
    op = insert(after="a", position=HERE, is_collapsed=True, description="d", template_data={"k": 1}, metadata={"m": 2})
    verdict = grown.judge(op)
    assert verdict.effect == effects.Insert(
        node="n",
        parent="root",
        order="a0V",
        type="metric",
        title="N",
        description="d",
        position=Point(1, 2),
        is_collapsed=True,
        template_data={"k": 1},
        metadata={"m": 2},
    )
    assert not verdict.differs


@pytest.mark.parametrize(
    ("after", "children"),
    [
        ("c", ["b", "c", "a"]),
        ("b", ["b", "a", "c"]),
        (None, ["a", "b", "c"]),
        ("nobody", ["b", "c", "a"]),
    ],
)
def test_a_reorder(grown: Grown, after: str | None, children: list[str]) -> None:
    """[TR14, BR6]"""
    verdict = grown.ask(move("a", after=after))
    assert grown.children("root") == children
    if verdict.effect is None:
        assert (after, verdict.status) == (None, "unchanged")
    else:
        assert isinstance(verdict.effect, effects.Move)
        assert verdict.effect.parent == "root"
        assert not verdict.effect.position


def test_a_drag_leaves_the_order(grown: Grown) -> None:
    """[TR14, CF6]"""
    verdict = grown.ask(move("b", position=HERE))
    assert verdict.effect == effects.Move(node="b", parent="root", order="a1", position=Point(1, 2))
    assert grown.judge(move("b", position=HERE)).status == "unchanged"
    named = grown.ask(move("b", parent="root", position={"x": 5.0, "y": 5.0}))
    assert named.effect == effects.Move(node="b", parent="root", order="a1", position=Point(5, 5))


@pytest.mark.parametrize("after", ["a", "b", "c"])
def test_a_reorder_to_where_it_stands_is_unchanged(grown: Grown, after: str) -> None:
    """[CF5] Right behind that sibling, whatever lies in the trash between; or the wish names the node itself."""
    grown.ask({"op": "delete", "node": "a"})
    place = {"a": "b", "b": "c", "c": "c"}[after]
    verdict = grown.judge(move(place, after=None if after == "a" else after))
    assert verdict.status == "unchanged"


def test_a_reparent_moves_parent_order_and_position_together(grown: Grown) -> None:
    """[TR13]"""
    verdict = grown.ask(move("aa", parent="root", after="a", position=HERE))
    assert verdict.effect == effects.Move(node="aa", parent="root", order="a0V", position=Point(1, 2))
    assert grown.children("root") == ["a", "aa", "b", "c"]
    grown.ask(move("aa", parent=None, position=HERE))
    assert grown.children(None) == ["root", "aa"]
    assert grown.refused(move("aa", parent="root")) == "invalid"
    assert grown.refused(move("aa", parent=None, after="root", position={"x": float("nan"), "y": 0})) == "invalid"


def test_a_move_that_names_nothing_is_invalid(grown: Grown) -> None:
    """[TR14]"""
    assert grown.refused(move("a")) == "invalid"
    assert grown.judge(move("a", parent="root")).status == "unchanged"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("op", "code"),
    [
        (move("a", parent="a", position=HERE), "cycle"),
        (move("a", parent="aaa", position=HERE), "cycle"),
        (move("root", parent="c", position=HERE), "cycle"),
        (move("a", parent="nobody", position=HERE), "parent_missing"),
        (move("nobody", parent="a", position=HERE), "node_missing"),
        (move("nobody", after=None), "node_missing"),
        (insert(node="a"), "exists"),
        (insert(parent="nobody"), "parent_missing"),
        (insert(template_data={"a.b": 1}), "invalid"),
        (insert(node="n\x00"), "invalid"),
        (move("a", parent="b\x00", position=HERE), "invalid"),
    ],
)
def test_what_would_be_no_tree_is_refused(grown: Grown, op: Json, code: str, mode: Mode) -> None:
    """[TR8, TR9, TR22, CF4]"""
    assert grown.refused(op, mode=mode) == code


# ---- limits


def test_depth_is_bounded_wherever_something_is_put() -> None:
    """[TR10]"""
    grown = Grown(Limits(depth=3))
    grown.insert("1")
    grown.insert("2", "1")
    grown.insert("3", "2")
    grown.insert("x")
    grown.insert("y", "x")
    assert grown.refused(insert(parent="3")) == "too_deep"
    assert grown.refused(move("x", parent="2", position=HERE)) == "too_deep"
    assert grown.judge(move("x", parent="1", position=HERE)).effect is not None
    chain = [{"id": f"m{one}", "type": "metric", "title": "m", "parent": f"m{one - 1}"} for one in range(1, 4)]
    top = {"id": "m0", "type": "metric", "title": "m"}
    assert grown.refused({"op": "import", "nodes": [top, *chain]}) == "too_deep"
    assert grown.refused({"op": "import", "parent": "x", "nodes": [top, *chain[:2]]}) == "too_deep"
    assert grown.judge({"op": "import", "nodes": [top, *chain[:2]]}).effect is not None
    grown.ask({"op": "delete", "node": "x"})
    assert grown.refused({"op": "restore", "node": "x", "parent": "2"}) == "too_deep"


def test_the_number_of_live_nodes_is_bounded_wherever_some_are_made() -> None:
    """[TR10] The trash does not count, what comes out of it does."""
    grown = Grown(Limits(nodes_per_tree=4))
    for node, parent in (("1", None), ("2", "1"), ("3", "2"), ("x", None)):
        grown.insert(node, parent)
    assert grown.refused(insert(parent="1")) == "too_many_nodes"
    grown.ask({"op": "delete", "node": "2"})
    grown.insert("new")
    assert grown.refused({"op": "restore", "node": "2"}) == "too_many_nodes"
    assert grown.refused(move("2", parent="x", position=HERE)) == "too_many_nodes"
    one = {"id": "m", "type": "metric", "title": "m"}
    assert grown.refused({"op": "import", "nodes": [one, {**one, "id": "k"}]}) == "too_many_nodes"
    grown.ask({"op": "delete", "node": "new"})
    assert grown.judge({"op": "restore", "node": "2"}).effect is not None


# ---- made twice


@pytest.mark.parametrize("mode", MODES)
def test_the_same_insert_of_the_same_user_is_unchanged(grown: Grown, mode: Mode) -> None:
    """[TR22]"""
    grown.ask(insert(description="d"))
    assert grown.judge(insert(description="d"), mode=mode, client="a2").status == "unchanged"
    assert grown.refused(insert(description="other"), mode=mode) == "exists"
    assert grown.refused(insert(description="d", parent="a"), mode=mode) == "exists"
    assert grown.refused(insert(description="d"), mode=mode, who="bo") == "exists"
    grown.ask({"op": "delete", "node": "n"})
    assert grown.refused(insert(), mode=mode) == "exists"


# ---- placement changed since base


def reparented(grown: Grown) -> None:
    grown.ask(move("aa", parent="b", position=HERE), who="bo")


def test_of_two_reparents_the_later_wins_live(grown: Grown) -> None:
    """[CF8, RS4]"""
    reparented(grown)
    op = move("aa", parent="c", position=HERE)
    verdict = grown.judge(op, base=6)
    assert isinstance(verdict.effect, effects.Move)
    assert verdict.overwrote == {"parent": Lost(value="b", by="bo", seq=7)}
    assert not grown.judge(op, base=7).overwrote
    forced = grown.judge(op, mode="force", base=6)
    assert isinstance(forced.effect, effects.Move)
    assert forced.overwrote == verdict.overwrote


def test_of_two_reparents_the_later_is_set_aside_in_replay(grown: Grown) -> None:
    """[CF8, RS5]"""
    reparented(grown)
    aside = grown.set_aside(move("aa", parent="c", after=None, position=HERE), base=6)
    place = aside.paths["placement"]
    assert aside.code == ""
    assert (place.by, place.seq) == ("bo", 7)
    assert place.mine == {"parent": "c", "after": None}
    assert place.theirs == {"parent": "b", "order": "a0"}
    assert grown.judge(move("aa", parent="c", position=HERE), mode="replay", base=7).effect is not None


@pytest.mark.parametrize("op", [move("aa", position={"x": 9.0, "y": 9.0}), move("aa", after=None)])
def test_a_drag_or_reorder_yields_to_a_reparent_it_had_not_seen(grown: Grown, op: Json) -> None:
    """[CF7]"""
    grown.insert("bb", "b")
    reparented(grown)
    for mode in ("live", "replay"):
        verdict = grown.judge(op, mode=mode, base=7)
        assert (verdict.status, verdict.effect) == ("superseded", None)
    forced = grown.judge(op, mode="force", base=7)
    assert isinstance(forced.effect, effects.Move)
    assert forced.effect.parent == "b"
    assert grown.judge(op, base=8).effect is not None
    assert grown.judge(op, who="bo", base=7).effect is not None


def test_a_reorder_of_a_placement_changed_since_base(grown: Grown) -> None:
    """[CF6, CF8] Applied live and by force, a conflict in replay; a drag never is."""
    grown.ask(move("a", after="c"), who="bo")
    op = move("a", after="b")
    for mode in ("live", "force"):
        verdict = grown.judge(op, mode=mode, base=6)
        assert verdict.effect is not None
        assert not verdict.overwrote
    assert grown.set_aside(op, base=6).paths["placement"].mine == {"parent": "root", "after": "b"}
    assert grown.judge(move("a", position=HERE), mode="replay", base=6).effect is not None
    assert grown.judge(move("a", after="c"), mode="replay", base=6).status == "unchanged"
    reparent = move("a", parent="b", position=HERE)
    assert grown.set_aside(reparent, base=6).paths["placement"].seq == 7
    assert not grown.judge(reparent, base=6).overwrote


def test_making_a_node_is_no_change_of_its_placement(grown: Grown) -> None:
    """[CF8]"""
    assert grown.judge(move("aa", parent="b", position=HERE), mode="replay", who="bo", base=0).effect is not None


# ---- the trash


def test_moving_live_nodes_into_the_trash_is_refused(grown: Grown) -> None:
    """[TR18]"""
    grown.ask({"op": "delete", "node": "b"})
    assert grown.refused(move("aa", parent="b", position=HERE)) == "parent_missing"


def test_moving_a_trashed_node_to_a_live_parent_brings_it_back(grown: Grown) -> None:
    """[TR21, BR7]"""
    grown.ask({"op": "connect", "connection": "c1", "from": "aa", "to": "aaa"})
    grown.ask({"op": "delete", "node": "a"})
    for mode in ("live", "force"):
        verdict = grown.judge(move("aa", parent="b", position=HERE), mode=mode)
        assert isinstance(verdict.effect, effects.Restore)
        assert verdict.differs
    grown.ask(move("aa", parent="b", position=HERE))
    assert grown.children("b") == ["aa"]
    assert grown.children("aa") == ["aaa"]
    assert grown.tree.nodes["aa"].node.position == Point(1, 2)
    assert grown.tree.connections["c1"].deleted is None
    assert grown.tree.node("a") is None


def test_moves_in_the_trash(grown: Grown) -> None:
    """[RS3, TR17, CF10] A drag lands there; a replayed one is set aside."""
    grown.ask({"op": "delete", "node": "a"})
    verdict = grown.judge(move("aa", position=HERE))
    assert verdict.in_trash
    assert isinstance(verdict.effect, effects.Move)
    for op in (move("aa", position=HERE), move("aa", after=None), move("aa", parent="b", position=HERE)):
        assert grown.set_aside(op).code == "node_missing"
    assert grown.judge(insert(parent="a")).in_trash
    grown.ask(insert(parent="a"))
    assert grown.tree.node("n") is None
    grown.ask({"op": "restore", "node": "a"})
    assert grown.children("a") == ["aa", "n"]
    grown.ask({"op": "delete", "node": "a"})
    assert grown.judge(move("aa", after="n")).in_trash


# ---- respacing


def test_siblings_are_respaced_before_a_key_passes_128_characters(grown: Grown) -> None:
    """[TR15] By moves of the server's own, which change neither placement marks nor positions."""
    grown.ask(move("b", position=HERE))
    marks = grown.tree.nodes["b"].marks
    respaced: tuple[effects.Move, ...] = ()
    count = 0
    while not respaced:
        count += 1
        assert count < 1_000
        respaced = grown.judge(insert(node=f"n{count}", after="a")).respaced
        seen = grown.seq
        grown.ask(insert(node=f"n{count}", after="a"))
        keys = [order for order, _ in grown.tree.siblings("root")]
        assert max(map(len, keys)) <= ORDER_KEY_CHARACTERS
    assert count > 500
    expected = ["a", *(f"n{one}" for one in range(count, 0, -1)), "b", "c"]
    assert grown.children("root") == expected
    assert max(map(len, keys)) <= 4
    assert grown.seq == seen + len(respaced) + 1
    assert {move.node for move in respaced} == {*expected} - {f"n{count}"}
    assert grown.tree.nodes["b"].marks == marks
    assert grown.tree.nodes["b"].node.position == Point(1, 2)
    late = grown.judge(move("b", parent="c", position=HERE), mode="replay", who="bo", base=seen)
    assert late.effect is not None


def test_a_reorder_and_a_restore_elsewhere_respace_too(grown: Grown) -> None:
    """[TR15] The node that is placed is not among those that make room."""
    grown.insert("x", "root")
    grown.insert("y", "a")
    grown.ask({"op": "delete", "node": "y"})
    low = "a1" + "0" * (ORDER_KEY_CHARACTERS - 3) + "1"
    grown.apply(effects.Move(node="c", parent="root", order=low))
    verdict = grown.judge(move("x", after="b"))
    assert "x" not in {one.node for one in verdict.respaced}
    grown.ask(move("x", after="b"))
    assert grown.children("root") == ["a", "b", "x", "c"]
    grown.apply(effects.Move(node="c", parent="root", order="z" * 27 + "z" * (ORDER_KEY_CHARACTERS - 27)))
    verdict = grown.ask({"op": "restore", "node": "y", "parent": "root"})
    assert isinstance(verdict.effect, effects.Restore)
    assert grown.children("root") == ["a", "b", "x", "c", "y"]


def test_a_node_that_is_placed_does_not_count_among_its_siblings(grown: Grown) -> None:
    """[TR12] Last where it is last already, and behind a trashed sibling that it follows already."""
    for op in (move("c", after="nobody"), move("c", after="b")):
        grown.ask({"op": "delete", "node": "b"})
        grown.ask(op)
        assert grown.children("root") == ["a", "c"]
        grown.ask({"op": "restore", "node": "b"})
        assert grown.children("root") == ["a", "b", "c"]
