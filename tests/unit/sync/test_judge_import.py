"""A subtree in one op."""

from __future__ import annotations

from typing import Any

import pytest

from sync import effects
from sync.limits import ORDER_KEY_CHARACTERS
from sync.nodes import ORIGIN, Point
from sync.protocol import Mode
from tests.trees import Grown, Json

MODES: tuple[Mode, ...] = ("live", "replay", "force")


@pytest.fixture
def grown() -> Grown:
    """a, b, and a connection c."""
    grown = Grown()
    grown.insert("a")
    grown.insert("b")
    grown.ask({"op": "connect", "connection": "c", "from": "a", "to": "b"})
    return grown


def node(node_id: str, parent: str | None = None, **fields: Any) -> Json:
    return {"id": node_id, "type": "metric", "title": node_id, **({"parent": parent} if parent else {}), **fields}


def bring(*nodes: Json, connections: list[Json] | None = None, **fields: Any) -> Json:
    return {"op": "import", "nodes": list(nodes), "connections": connections or [], **fields}


def link(one: str, source: str, target: str, **fields: Any) -> Json:
    return {"id": one, "from": source, "to": target, **fields}


def test_it_lands_whole_as_one_op_parents_first(grown: Grown) -> None:
    """[TR25, BR7]"""
    op = bring(
        node("leaf", "mid"),
        node("top1", position={"x": 1.0, "y": 2.0}, is_collapsed=True, description="d", metadata={"k": 1}),
        node("mid", "top1"),
        node("top2"),
        node("leaf2", "mid", template_data={"k": 2}),
        connections=[link("i", "leaf", "top2", label="l"), link("j", "a", "leaf")],
        parent="a",
        after=None,
    )
    seq = grown.seq
    verdict = grown.ask(op)
    assert grown.seq == seq + 1
    assert verdict.differs
    assert isinstance(verdict.effect, effects.Import)
    assert [one.id for one in verdict.effect.nodes] == ["top1", "top2", "mid", "leaf", "leaf2"]
    assert grown.children("a") == ["top1", "top2"]
    assert grown.children("mid") == ["leaf", "leaf2"]
    made = grown.tree.nodes["top1"].node
    assert (made.position, made.is_collapsed, made.description, made.metadata) == (Point(1, 2), True, "d", {"k": 1})
    assert grown.tree.nodes["leaf"].node.position == ORIGIN
    assert {one.id: one.label for one in verdict.effect.connections} == {"i": "l", "j": ""}


def test_tops_stand_behind_the_wished_sibling(grown: Grown) -> None:
    """[TR12, TR25]"""
    grown.ask(bring(node("x"), node("y"), after="a"))
    assert grown.children(None) == ["a", "x", "y", "b"]
    grown.ask(bring(node("z")))
    assert grown.children(None) == ["a", "x", "y", "b", "z"]


def test_an_import_into_the_trash_lands_there(grown: Grown) -> None:
    """[TR17]"""
    grown.ask({"op": "delete", "node": "a"})
    verdict = grown.ask(bring(node("x"), node("y", "x"), parent="a", connections=[link("i", "y", "b")]))
    assert verdict.in_trash
    assert grown.tree.node("y") is None
    grown.ask({"op": "restore", "node": "a"})
    assert grown.children("x") == ["y"]
    assert grown.tree.connections["i"].deleted is None


def test_an_import_respaces_where_keys_grew_too_long(grown: Grown) -> None:
    """[TR15]"""
    grown.apply(effects.Move(node="b", parent=None, order="a0" + "0" * (ORDER_KEY_CHARACTERS - 3) + "1"))
    verdict = grown.ask(bring(node("x"), node("y"), after="a"))
    assert {one.node for one in verdict.respaced} == {"a", "b"}
    assert grown.children(None) == ["a", "x", "y", "b"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("op", "code"),
    [
        (bring(), "invalid"),
        (bring(node("x"), node("x")), "invalid"),
        (bring(node("a")), "exists"),
        (bring(node("n"), parent="n"), "exists"),
        (bring(node("x"), parent="nobody"), "parent_missing"),
        (bring(node("x", "a")), "parent_missing"),
        (bring(node("x", "y"), node("y", "x")), "cycle"),
        (bring(node("top"), node("x", "x")), "cycle"),
        (bring(node("x", template_data={"a.b": 1})), "invalid"),
        (bring(node("x", description="y" * 300_000)), "too_large"),
        (bring(node("x\x00")), "invalid"),
        (bring(node("x"), after="y\x00"), "invalid"),
        (bring(node("x"), connections=[link("c", "x", "a")]), "exists"),
        (bring(node("x"), connections=[link("i", "x", "a"), link("i", "x", "b")]), "exists"),
        (bring(node("x"), connections=[link("i", "x", "x")]), "invalid"),
        (bring(node("x"), connections=[link("i", "x", "nobody")]), "node_missing"),
        (bring(node("x"), connections=[link("i", "x", "a", label="\x00")]), "invalid"),
        (bring(node("x"), connections=[link("i\x00", "x", "a")]), "invalid"),
    ],
)
def test_or_not_at_all(grown: Grown, op: Json, code: str, mode: Mode) -> None:
    """[TR8, TR22, TR23, TR25]"""
    assert grown.refused(op, mode=mode) == code
