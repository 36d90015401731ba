"""Restoring a tree or a subtree: what the ops make of it, and whose changes they meet."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from sync.ops import Op
from sync.planning import MOST_OPS, Planned, planning, rising
from sync.restoring import aim_at, restore, same_content
from sync.tree import Held
from sync.values import Refused
from tests import past
from tests.trees import Grown, image


def restored(one: Grown, seq: int, user: str = "ada", *, anew: bool = True, **how: Any) -> Planned:
    """Plan a restore, see that planning left no trace, and carry it out."""
    before = image(one.tree)
    with planning(one.tree, one.seq, user, "restore:1", one.limits) as plan:
        planned = past.made(plan, restore(plan, aim_at(past.at(one, seq).state(), seq, **how), anew=anew))
    assert image(one.tree) == before
    carry_out(one, planned.ops, user)
    return planned


def carry_out(one: Grown, ops: list[Op], user: str = "ada") -> None:
    for number, op in enumerate(ops, 1):
        assert op.n == number
        asked: Any = msgspec.to_builtins(op)
        verdict = one.ask({**asked}, mode="force", who=user, client="restore:1", base=asked.pop("base"))
        assert verdict.effect is not None, "nothing is planned that changes nothing"


def test_a_tree_that_is_so_already_needs_no_op() -> None:
    one = past.grown(3)
    assert restored(one, one.seq).ops == []


@pytest.mark.parametrize("part", range(4))
def test_a_subtree_is_restored_and_nothing_else(part: int) -> None:
    """[HI13] Below and including its top; where the top stands is left as it is."""
    tried = 0
    for seed in range(part * 100, part * 100 + 100):
        one = past.grown(seed)
        then = past.at(one, Random(seed).randrange(1, one.seq + 1))
        live = sorted(node for node, held in then.nodes.items() if held.deleted is None)
        if not live:
            continue
        top = live[seed % len(live)]
        wanted = {node for node, _ in then.subtree(top) if then.node(node) is not None}
        others = {node.id: node for node in one.tree.state().nodes if node.id not in wanted}
        seq = max(held.node.seq for held in then.nodes.values())
        before = one.seq
        try:
            with planning(one.tree, one.seq, "ada", "restore:1", one.limits) as plan:
                planned = past.made(plan, restore(plan, aim_at(then.state(), seq, top)))
        except Refused:  # its place is gone, or lies below it now
            continue
        carry_out(one, planned.ops)
        tried += 1
        for node in wanted:
            now, was = one.tree.node(node), then.node(node)
            assert now is not None
            assert was is not None
            assert now.title == was.title
            assert now.parent == was.parent or node == top
            assert now.template_data == was.template_data
        for node, other in others.items():
            now = one.tree.node(node)
            if now is not None:
                assert now.title == other.title
            elif then.node(node) is not None:
                pytest.fail(f"{node} lived elsewhere and was thrown away (seed {seed}, {before})")
    assert tried > 50


def family() -> Grown:
    one = Grown()
    one.insert("root")
    for node in ("a", "b", "c"):
        one.insert(node, "root")
    one.insert("aa", "a")
    return one


def test_a_deleted_node_comes_back_where_it_stood_and_a_purged_one_is_made_anew() -> None:
    """[HI12]"""
    one = family()
    one.ask({"op": "connect", "connection": "x", "from": "aa", "to": "b"})
    seq = one.seq
    one.ask({"op": "delete", "node": "a"}, who="bo")
    assert [type(op).__name__ for op in restored(one, seq).ops] == ["Restore"]
    assert one.children("root") == ["a", "b", "c"]
    assert one.tree.connections["x"].deleted is None
    one.ask({"op": "delete", "node": "a"})
    one.ask({"op": "purge", "node": "a"}, client="purge:1")
    assert [type(op).__name__ for op in restored(one, seq).ops] == ["Insert", "Insert", "Connect"]
    assert same_content(one.tree, past.at(one, seq))


def test_what_was_purged_stays_gone_for_who_may_not_purge() -> None:
    """[HI12] And what stood under it stays where it is now, with what it said then; all of it is told."""
    one = family()
    one.insert("aaa", "aa")
    one.ask({"op": "connect", "connection": "x", "from": "aa", "to": "b"})
    seq = one.seq
    one.ask({"op": "move", "node": "aaa", "parent": "c", "position": {"x": 0, "y": 0}})
    one.ask({"op": "update", "node": "aaa", "set": {"title": "Later"}})
    one.insert("late", None)
    one.ask({"op": "move", "node": "b", "parent": "late", "position": {"x": 0, "y": 0}})
    one.ask({"op": "delete", "node": "a"})
    one.ask({"op": "purge", "node": "a"}, client="purge:1")
    planned = restored(one, seq, anew=False)
    assert not {"a", "aa"} & one.tree.nodes.keys()
    assert (one.children("root"), one.children("c"), one.children(None)) == (["b", "c"], ["aaa"], ["root"])
    assert [(met.node or met.connection, met.path) for met in planned.collisions if met.kept] == [
        ("a", "node"),
        ("aa", "node"),
        ("aaa", "placement"),
        ("x", "node"),
    ]
    now = one.tree.node("aaa")
    assert now is not None
    assert now.title == "AAA"
    with pytest.raises(Refused) as refused:
        restored(one, seq, top="a", anew=False)
    assert refused.value.code == "node_missing"


def test_what_could_not_be_put_back_is_not_thrown_away() -> None:
    """[HI12] It stands under what has come since, which therefore stays."""
    one = family()
    seq = one.seq
    one.insert("late", "root")
    one.ask({"op": "move", "node": "aa", "parent": "late", "position": {"x": 0, "y": 0}})
    one.ask({"op": "delete", "node": "a"})
    one.ask({"op": "purge", "node": "a"}, client="purge:1")
    restored(one, seq, anew=False)
    assert (one.children("root"), one.children("late")) == (["b", "c", "late"], ["aa"])


class Looked(dict[str, Held]):
    """The nodes of a tree, and how often one was looked up."""

    looked = 0

    def __getitem__(self, key: str) -> Held:
        self.looked += 1
        return super().__getitem__(key)


def test_what_has_not_changed_is_not_looked_at() -> None:
    """A restore of a large tree costs what has changed since, beside one look at each node."""
    nodes = [{"id": f"n{at}", "type": "metric", "title": "x"} for at in range(500)]
    for at, node in enumerate(nodes[1:], 1):
        node["parent"] = f"n{at // 7}"
    one = Grown()
    one.ask({"op": "import", "parent": None, "after": None, "nodes": nodes, "connections": []})
    aim = aim_at(past.at(one, 1).state(), 1)
    one.ask({"op": "update", "node": "n77", "set": {"title": "y"}})
    one.tree.nodes = looked = Looked(one.tree.nodes)
    with planning(one.tree, one.seq, "ada", "restore:1", one.limits) as plan:
        assert len(past.made(plan, restore(plan, aim)).ops) == 1
    assert looked.looked < 100


def test_only_what_stands_out_of_order_moves() -> None:
    one = family()
    seq = one.seq
    one.ask({"op": "move", "node": "a", "after": "c"}, who="bo")
    planned = restored(one, seq)
    assert len(planned.ops) == 1
    assert one.children("root") == ["a", "b", "c"]
    (met,) = planned.collisions
    assert (met.node, met.path, met.by, met.seq) == ("a", "placement", "bo", seq + 1)


def test_changes_of_others_since_are_collisions_and_ones_own_are_not() -> None:
    """[HI14]"""
    one = family()
    seq = one.seq
    one.ask({"op": "update", "node": "a", "set": {"title": "Bo's", "template_data.k": 1}}, who="bo")
    one.ask({"op": "update", "node": "b", "set": {"title": "Mine"}})
    one.insert("new", "root", who="bo")
    met = [(one.node, one.path, one.by, one.seq) for one in restored(one, seq).collisions]
    assert sorted(met) == [
        ("a", "template_data.k", "bo", seq + 1),
        ("a", "title", "bo", seq + 1),
        ("new", "node", "bo", seq + 3),
    ]


def test_a_top_whose_parent_is_gone_needs_another_parent() -> None:
    """[HI15]"""
    one = family()
    seq = one.seq
    one.ask({"op": "delete", "node": "aa"})
    one.ask({"op": "delete", "node": "a"})
    with pytest.raises(Refused) as refused:
        restored(one, seq, top="aa")
    assert refused.value.code == "parent_missing"
    restored(one, seq, top="aa", parent="b")
    assert one.children("b") == ["aa"]
    with pytest.raises(Refused) as refused:
        restored(one, seq, top="nowhere")
    assert refused.value.code == "node_missing"


def test_a_subtree_comes_back_below_what_its_own_node_has_become() -> None:
    """[HI13] A node that stood below the top stands above it now: it stays there, and says again what it said."""
    one = family()
    one.insert("aaa", "aa")
    seq = one.seq
    here = {"x": 0, "y": 0}
    one.ask({"op": "move", "node": "aa", "parent": "root", "position": here}, who="bo")
    one.ask({"op": "move", "node": "a", "parent": "aa", "position": here}, who="bo")
    one.ask({"op": "update", "node": "aa", "set": {"title": "Bo's"}}, who="bo")
    one.ask({"op": "delete", "node": "aaa"})
    planned = restored(one, seq, top="a")
    assert (one.children("root"), one.children("aa")) == (["b", "c", "aa"], ["aaa", "a"])
    now = one.tree.node("aa")
    assert now is not None
    assert now.title == "AA"
    assert [met.node for met in planned.collisions if met.kept] == ["aa"]


def test_what_others_did_to_ones_own_is_told_when_it_goes() -> None:
    """[HI14]"""
    one = family()
    seq = one.seq
    one.insert("new", "root")
    one.ask({"op": "connect", "connection": "x", "from": "a", "to": "b", "label": "first"})
    one.ask({"op": "update", "node": "new", "set": {"title": "Bo's"}}, who="bo")
    one.ask({"op": "update", "connection": "x", "set": {"label": "Bo's"}}, who="bo")
    one.ask({"op": "update", "node": "new", "set": {"description": "Ada's"}})
    met = [(one.node or one.connection, one.path, one.by, one.seq, one.kept) for one in restored(one, seq).collisions]
    assert met == [("new", "node", "bo", seq + 3, False), ("x", "node", "bo", seq + 4, False)]


def test_what_was_moved_into_the_subtree_since_stays() -> None:
    """[HI13]"""
    one = family()
    seq = one.seq
    one.ask({"op": "move", "node": "b", "parent": "a", "position": {"x": 0, "y": 0}}, who="bo")
    one.insert("new", "a", who="bo")
    planned = restored(one, seq, top="a")
    assert one.children("a") == ["aa", "b"]
    assert [(met.node, met.kept) for met in planned.collisions] == [("new", False), ("b", True)]


def test_a_restore_of_too_many_ops_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """[HI25]"""
    assert MOST_OPS == 10_000
    monkeypatch.setattr("sync.planning.MOST_OPS", 1)
    one = family()
    seq = one.seq
    one.ask({"op": "update", "node": "a", "set": {"title": "x"}})
    one.ask({"op": "update", "node": "b", "set": {"title": "x"}})
    before = image(one.tree)
    with pytest.raises(Refused) as refused:
        restored(one, seq)
    assert refused.value.code == "too_large"
    assert image(one.tree) == before


@pytest.mark.parametrize(
    ("keys", "longest"), [([], 0), ([1], 1), ([3, 2, 1], 1), ([1, 2, 3], 3), ([5, 1, 2, 9, 3, 4], 4)]
)
def test_the_longest_rising_part(keys: list[int], longest: int) -> None:
    found = sorted(rising(keys))
    assert len(found) == longest
    assert [keys[place] for place in found] == sorted(keys[place] for place in found)
