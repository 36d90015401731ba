"""Delete and restore."""

from __future__ import annotations

import pytest

from sync import effects
from sync.protocol import Mode
from tests.trees import Grown, Json

MODES: tuple[Mode, ...] = ("live", "replay", "force")


@pytest.fixture
def grown() -> Grown:
    """root: a (aa, ab), b; a connection from aa to b; seq 6."""
    grown = Grown()
    grown.insert("root")
    for node, parent in (("a", "root"), ("b", "root"), ("aa", "a"), ("ab", "a")):
        grown.insert(node, parent)
    grown.ask({"op": "connect", "connection": "c", "from": "aa", "to": "b"})
    return grown


def delete(node: str) -> Json:
    return {"op": "delete", "node": node}


def restore(node: str, **fields: object) -> Json:
    return {"op": "restore", "node": node, **fields}


# ---- delete


@pytest.mark.parametrize("mode", MODES)
def test_a_delete(grown: Grown, mode: Mode) -> None:
    """[TR16, BR7]"""
    assert grown.judge(delete("a"), mode=mode).effect == effects.Delete(node="a")
    grown.ask(delete("a"))
    assert grown.judge(delete("a"), mode=mode).status == "unchanged"
    assert grown.judge(delete("aa"), mode=mode, base=0).status == "unchanged"
    assert grown.refused(delete("nobody"), mode=mode) == "node_missing"
    assert grown.refused(delete("a\x00"), mode=mode) == "invalid"


def test_a_delete_over_changes_of_others(grown: Grown) -> None:
    """[CF9] Applied live and by force; in replay a conflict that names what they changed."""
    grown.ask({"op": "update", "node": "ab", "set": {"title": "Theirs", "description": "d"}}, who="bo")
    grown.ask({"op": "update", "node": "ab", "set": {"description": "e"}}, who="bo")
    grown.insert("new", "aa", who="bo")
    for mode in ("live", "force"):
        assert grown.judge(delete("a"), mode=mode, base=6).effect is not None
    aside = grown.set_aside(delete("a"), base=6)
    assert aside.code == ""
    assert {one: (path.by, path.seq, path.theirs) for one, path in aside.paths.items()} == {
        "ab": ("bo", 8, "Theirs"),
        "new": ("bo", 9, "NEW"),
    }
    assert grown.judge(delete("a"), mode="replay", base=9).effect is not None
    assert grown.judge(delete("b"), mode="replay", base=6).effect is not None


def test_a_delete_over_ones_own_changes(grown: Grown) -> None:
    """[CF1] Also where someone else's came before base, and where a thing is in the trash by now."""
    grown.ask({"op": "update", "node": "ab", "set": {"title": "Theirs"}}, who="bo")
    grown.ask({"op": "update", "node": "ab", "set": {"title": "Mine"}})
    assert grown.judge(delete("a"), mode="replay", base=7).effect is not None
    grown.ask({"op": "update", "node": "aa", "set": {"title": "Theirs"}}, who="bo")
    grown.ask(delete("aa"), who="bo")
    assert grown.judge(delete("a"), mode="replay", base=8).effect is not None


def test_others_moving_things_in_counts_and_dragging_them_does_not(grown: Grown) -> None:
    """[CF6, CF9]"""
    grown.ask({"op": "move", "node": "ab", "position": {"x": 1.0, "y": 1.0}}, who="bo")
    assert grown.judge(delete("a"), mode="replay", base=6).effect is not None
    grown.ask({"op": "move", "node": "b", "parent": "a", "position": {"x": 1.0, "y": 1.0}}, who="bo")
    assert grown.set_aside(delete("a"), base=6).paths.keys() == {"b"}


# ---- purge


def test_only_the_server_purges_and_only_the_trash(grown: Grown) -> None:
    """[TR27, TR30]"""
    purge = {"op": "purge", "node": "a"}
    assert grown.refused(purge, client="purge:1") == "invalid"
    grown.ask(delete("a"))
    for mode in MODES:
        assert grown.refused(purge, mode=mode) == "invalid"
        assert grown.judge(purge, mode=mode, client="purge:1").effect == effects.Purge(node="a")
    assert grown.refused({"op": "purge", "node": "nobody"}, client="purge:1") == "node_missing"
    assert grown.refused({"op": "purge", "node": "a\x00"}, client="purge:1") == "invalid"


def test_what_was_taken_out_of_the_trash_survives_its_purge(grown: Grown) -> None:
    """[TR21, TR27]"""
    grown.ask(delete("a"))
    grown.ask({"op": "move", "node": "aa", "parent": "b", "position": {"x": 1.0, "y": 1.0}})
    grown.ask({"op": "purge", "node": "a"}, client="purge:1")
    assert grown.children("b") == ["aa"]
    assert grown.tree.connections["c"].deleted is None
    assert grown.refused(restore("a")) == "node_missing"
    assert grown.refused({"op": "update", "node": "ab", "set": {"title": "Late"}}) == "node_missing"


# ---- restore


@pytest.mark.parametrize("mode", MODES)
def test_a_restore_brings_back_what_one_deletion_took(grown: Grown, mode: Mode) -> None:
    """[TR19, BR7]"""
    grown.ask(delete("ab"))
    grown.ask(delete("a"))
    verdict = grown.judge(restore("a"), mode=mode, base=0)
    assert isinstance(verdict.effect, effects.Restore)
    assert [node.id for node in verdict.effect.nodes] == ["a", "aa"]
    assert [one.id for one in verdict.effect.connections] == ["c"]
    assert verdict.differs
    grown.ask(restore("a"))
    assert grown.tree.node("ab") is None
    assert grown.judge(restore("a"), mode=mode).status == "unchanged"
    grown.ask(restore("ab"))
    assert grown.children("a") == ["aa", "ab"]


def test_a_restore_from_the_middle(grown: Grown) -> None:
    """[TR19, TR20]"""
    grown.ask(delete("root"))
    assert grown.refused(restore("a")) == "parent_missing"
    assert grown.refused(restore("a", parent="b")) == "parent_missing"
    assert grown.refused(restore("a", parent="nobody")) == "parent_missing"
    assert grown.refused(restore("a", parent="a")) == "parent_missing"
    assert grown.refused(restore("nobody")) == "node_missing"
    assert grown.refused(restore("a\x00")) == "invalid"
    grown.ask(restore("a", parent=None))
    assert grown.children(None) == ["a"]
    assert grown.children("a") == ["aa", "ab"]
    assert grown.tree.connections["c"].deleted is not None
    grown.ask(restore("root"))
    assert grown.children("root") == ["b"]
    assert grown.tree.connections["c"].deleted is None


def test_a_restore_gets_its_old_place_back(grown: Grown) -> None:
    """[TR19]"""
    grown.ask(delete("a"))
    grown.insert("n", "root", after=None)
    grown.ask(restore("a"))
    assert grown.children("root") == ["n", "a", "b"]
    grown.ask(delete("aa"))
    grown.ask(restore("aa", parent="b"))
    assert grown.children("b") == ["aa"]


def test_what_was_put_into_the_trash_comes_out_with_it(grown: Grown) -> None:
    """[TR17, TR19]"""
    grown.ask(delete("a"))
    assert grown.insert("late", "aa").in_trash
    assert grown.ask({"op": "connect", "connection": "d", "from": "late", "to": "b"}).in_trash
    assert grown.tree.node("late") is None
    verdict = grown.ask(restore("a"))
    assert isinstance(verdict.effect, effects.Restore)
    assert {node.id for node in verdict.effect.nodes} == {"a", "aa", "ab", "late"}
    assert {one.id for one in verdict.effect.connections} == {"c", "d"}
