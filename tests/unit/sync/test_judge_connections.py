"""Connections between nodes."""

from __future__ import annotations

import pytest

from sync import effects
from sync.protocol import Mode
from tests.trees import Grown, Json

MODES: tuple[Mode, ...] = ("live", "replay", "force")


@pytest.fixture
def grown() -> Grown:
    """a, b (ba), and c1 from a to ba; seq 4."""
    grown = Grown()
    grown.insert("a")
    grown.insert("b")
    grown.insert("ba", "b")
    grown.ask(connect("c1", "a", "ba", label="old"))
    return grown


def connect(one: str, source: str, target: str, **fields: object) -> Json:
    return {"op": "connect", "connection": one, "from": source, "to": target, **fields}


def disconnect(one: str) -> Json:
    return {"op": "disconnect", "connection": one}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("op", "code"),
    [
        (connect("n", "a", "a"), "invalid"),
        (connect("n", "a", "nobody"), "node_missing"),
        (connect("n", "nobody", "a"), "node_missing"),
        (connect("c1", "b", "a"), "exists"),
        (connect("n\x00", "a", "b"), "invalid"),
        (connect("n", "a", "b", label="\x00"), "invalid"),
        (connect("n", "a", "b", label="x" * 300_000), "too_large"),
        (disconnect("none"), "connection_missing"),
        (disconnect("none\x00"), "invalid"),
    ],
)
def test_what_is_refused(grown: Grown, op: Json, code: str, mode: Mode) -> None:
    """[TR6, TR22, TR23, TR24]"""
    assert grown.refused(op, mode=mode) == code


@pytest.mark.parametrize("mode", MODES)
def test_the_same_connection_of_the_same_user_is_unchanged(grown: Grown, mode: Mode) -> None:
    """[TR22]"""
    same = connect("c1", "a", "ba", label="old")
    assert grown.judge(same, mode=mode).status == "unchanged"
    assert grown.refused(same, mode=mode, who="bo") == "exists"
    assert grown.refused(connect("c1", "a", "ba", label="new"), mode=mode) == "exists"


def test_two_connections_may_join_the_same_nodes(grown: Grown) -> None:
    verdict = grown.judge(connect("c2", "a", "ba"))
    assert verdict.effect == effects.Connect(connection="c2", source="a", target="ba", label="")


@pytest.mark.parametrize("mode", MODES)
def test_a_disconnected_id_is_free_again(grown: Grown, mode: Mode) -> None:
    """[TR22, TR24]"""
    grown.ask(disconnect("c1"))
    assert grown.judge(disconnect("c1"), mode=mode).status == "unchanged"
    assert grown.judge(connect("c1", "b", "a"), mode=mode, who="bo").effect is not None
    grown.ask({"op": "delete", "node": "b"})
    assert grown.judge(disconnect("c1"), mode=mode).status == "unchanged"
    assert grown.judge(connect("c1", "a", "ba"), mode=mode).in_trash
    grown.ask({"op": "restore", "node": "b"})
    assert grown.tree.connections["c1"].deleted is not None


def test_a_connection_that_went_with_a_node_keeps_its_id(grown: Grown) -> None:
    """[TR22, TR24]"""
    grown.ask({"op": "delete", "node": "b"})
    assert grown.refused(connect("c1", "a", "b")) == "exists"
    verdict = grown.ask(disconnect("c1"))
    assert verdict.in_trash
    grown.ask({"op": "restore", "node": "b"})
    assert grown.tree.connections["c1"].deleted is not None


def test_connecting_into_the_trash_lands_there(grown: Grown) -> None:
    """[TR17, RS3]"""
    grown.ask({"op": "delete", "node": "ba"})
    assert grown.ask(connect("c2", "ba", "a")).in_trash
    assert grown.ask(connect("c3", "a", "ba")).in_trash
    assert grown.tree.state().connections == []
    grown.ask({"op": "restore", "node": "ba"})
    assert {one.id for one in grown.tree.state().connections} == {"c1", "c2", "c3"}


def test_a_disconnect_of_what_others_changed_since_base(grown: Grown) -> None:
    """[CF9, RS5]"""
    grown.ask({"op": "update", "connection": "c1", "set": {"label": "theirs"}}, who="bo")
    for mode in ("live", "force"):
        assert grown.judge(disconnect("c1"), mode=mode, base=4).effect == effects.Disconnect(connection="c1")
    aside = grown.set_aside(disconnect("c1"), base=4)
    assert (aside.paths["label"].theirs, aside.paths["label"].by, aside.paths["label"].seq) == ("theirs", "bo", 5)
    assert grown.judge(disconnect("c1"), mode="replay", base=5).effect is not None
    assert grown.judge(disconnect("c1"), mode="replay", who="bo", base=4).effect is not None
