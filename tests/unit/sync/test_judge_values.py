"""Updates of nodes, connections and the tree itself: same value, last writer, conflict."""

from __future__ import annotations

from typing import Any

import pytest

from sync import effects
from sync.judge_values import same
from sync.protocol import ConflictPath, Lost, Mode
from tests.trees import Grown, Json

MODES: tuple[Mode, ...] = ("live", "replay", "force")


@pytest.fixture
def grown() -> Grown:
    """`a` and a connection `c`; seq 4."""
    grown = Grown()
    grown.insert("a", template_data={"k": 1})
    grown.insert("b")
    grown.ask({"op": "connect", "connection": "c", "from": "a", "to": "b", "label": "old"})
    grown.ask({"op": "configure", "set": {"canvas_state.grid": 1}})
    return grown


def title(text: str) -> Json:
    return {"op": "update", "node": "a", "set": {"title": text}}


# ---- what is there already


@pytest.mark.parametrize("mode", MODES)
def test_a_value_that_is_there_is_unchanged_whoever_put_it(grown: Grown, mode: Mode) -> None:
    """[CF5] In every mode, and though it was changed since base."""
    grown.ask(title("New"), who="bo")
    for op in (
        title("New"),
        {"op": "update", "node": "a", "unset": ["metadata.none"]},
        {"op": "update", "node": "a"},
        {"op": "update", "node": "a", "set": {}, "unset": []},
        {"op": "update", "connection": "c", "set": {"label": "old"}},
        {"op": "configure", "set": {"name": "Strategy"}, "unset": ["canvas_state.none"]},
    ):
        verdict = grown.judge(op, mode=mode, base=0)
        assert (verdict.status, verdict.effect) == ("unchanged", None)


def test_what_is_so_already_is_left_out_of_the_effect(grown: Grown) -> None:
    """[ED21, RS2]"""
    op = {"op": "update", "node": "a", "set": {"title": "A", "description": "d"}, "unset": ["metadata.none"]}
    verdict = grown.judge(op)
    assert verdict.effect == effects.Update(node="a", set={"description": "d"})
    assert verdict.differs
    whole = grown.judge({"op": "update", "node": "a", "set": {"description": "d"}, "unset": ["template_data.k"]})
    assert whole.effect == effects.Update(node="a", set={"description": "d"}, unset=["template_data.k"])
    assert not whole.differs
    configured = grown.judge({"op": "configure", "set": {"name": "Strategy", "canvas_state.zoom": 2}})
    assert configured.effect == effects.Configure(set={"canvas_state.zoom": 2})
    assert configured.differs


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("x", "x", True),
        ("1", 1, False),
        (1, "1", False),
        (1, 1.0, True),
        (1, True, False),
        (True, 1, False),
        (0, False, False),
        (None, False, False),
        (None, None, True),
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {}, False),
        ([1, 2], [1, 2, 3], False),
        ([1], [True], False),
        ([], {}, False),
        ({}, {}, True),
    ],
)
def test_values_are_equal_as_json_has_it(left: Any, right: Any, equal: bool) -> None:
    """[CF5]"""
    assert same(left, right) is equal


# ---- a field changed since base


def test_live_the_last_writer_wins_and_hears_what_was_lost(grown: Grown) -> None:
    """[CF2, RS4]"""
    grown.ask(title("Theirs"), who="bo")
    verdict = grown.judge(title("Mine"), base=4)
    assert verdict.effect == effects.Update(node="a", set={"title": "Mine"})
    assert verdict.overwrote == {"title": Lost(value="Theirs", by="bo", seq=5)}
    assert not grown.judge(title("Mine"), base=5).overwrote


def test_replay_sets_the_whole_op_aside(grown: Grown) -> None:
    """[CF3, RS5] The field beside it does not land either."""
    grown.ask(title("Theirs"), who="bo")
    op = {"op": "update", "node": "a", "set": {"title": "Mine", "description": "mine"}, "was": {"title": "A"}}
    aside = grown.set_aside(op, base=4)
    assert aside.code == ""
    assert aside.paths == {"title": ConflictPath(base="A", mine="Mine", theirs="Theirs", by="bo", seq=5)}
    assert grown.judge(op, mode="replay", base=5).effect is not None


def test_force_is_applied_and_hears_what_was_lost(grown: Grown) -> None:
    """[CF4, RS4]"""
    grown.ask(title("Theirs"), who="bo")
    verdict = grown.judge(title("Mine"), mode="force", base=4)
    assert verdict.effect == effects.Update(node="a", set={"title": "Mine"})
    assert verdict.overwrote == {"title": Lost(value="Theirs", by="bo", seq=5)}


@pytest.mark.parametrize("mode", MODES)
def test_ones_own_changes_are_no_changes_since_base(grown: Grown, mode: Mode) -> None:
    """[CF1] The same client's; another device of the same person is someone else."""
    grown.ask(title("First"), base=4)
    verdict = grown.judge(title("Second"), mode=mode, base=4)
    assert verdict.effect is not None
    assert not verdict.overwrote
    assert grown.set_aside(title("Second"), client="a2", base=4).paths["title"].by == "ada"


def test_what_one_has_overwritten_is_not_overwritten_again(grown: Grown) -> None:
    """[CF1] bo, then ada, then ada on the old base: bo's value is gone, and what ada replaces is her own."""
    grown.ask(title("Theirs"), who="bo")
    assert grown.judge(title("Mine"), base=4).overwrote == {"title": Lost(value="Theirs", by="bo", seq=5)}
    grown.ask(title("Mine"), base=4)
    assert not grown.judge(title("Mine again"), base=4).overwrote
    assert grown.judge(title("Mine again"), base=4, mode="replay").status == "applied"


def test_unset_and_absent_values_are_told_as_null(grown: Grown) -> None:
    """[CF2, RS5]"""
    grown.ask({"op": "update", "node": "a", "unset": ["template_data.k"]}, who="bo")
    lost = grown.judge({"op": "update", "node": "a", "set": {"template_data.k": 2}}, base=4).overwrote
    assert lost == {"template_data.k": Lost(value=None, by="bo", seq=5)}
    grown.ask({"op": "update", "node": "a", "set": {"template_data.k": 3}}, who="bo")
    aside = grown.set_aside({"op": "update", "node": "a", "unset": ["template_data.k"]}, base=4)
    assert aside.paths == {"template_data.k": ConflictPath(mine=None, theirs=3, by="bo", seq=6)}


def test_a_field_of_something_made_since_base_counts_as_changed(grown: Grown) -> None:
    """[CF3] Making a thing sets all its fields."""
    assert grown.set_aside(title("Mine"), who="bo", base=0).paths["title"].seq == 1


@pytest.mark.parametrize("mode", MODES)
def test_other_fields_do_not_collide(grown: Grown, mode: Mode) -> None:
    """[CF3]"""
    grown.ask({"op": "update", "node": "a", "set": {"template_data.j": 1, "description": "d"}}, who="bo", base=4)
    op = {"op": "update", "node": "a", "set": {"title": "Mine", "template_data.k": 7}}
    verdict = grown.judge(op, mode=mode, base=4)
    assert verdict.effect is not None
    assert not verdict.overwrote


@pytest.mark.parametrize("mode", MODES)
def test_view_state_is_the_last_writers_in_every_mode(grown: Grown, mode: Mode) -> None:
    """[CF6]"""
    grown.ask({"op": "update", "node": "a", "set": {"is_collapsed": True}}, who="bo")
    grown.ask({"op": "configure", "set": {"canvas_state.zoom": 2}}, who="bo")
    for op in (
        {"op": "update", "node": "a", "set": {"is_collapsed": False}},
        {"op": "configure", "set": {"canvas_state.zoom": 3}, "unset": ["canvas_state.grid"]},
    ):
        verdict = grown.judge(op, mode=mode, base=0)
        assert verdict.effect is not None
        assert not verdict.overwrote


def test_at_base_zero_a_field_that_equals_was_has_not_changed(grown: Grown) -> None:
    """[CF13] After a restored database a client knows no seqs, but what it saw."""
    grown.ask(title("Theirs"), who="bo")
    seen = {**title("Mine"), "was": {"title": "Theirs"}}
    assert grown.judge(seen, mode="replay", base=0).effect is not None
    assert grown.set_aside({**title("Mine"), "was": {"title": "A"}}, base=0).paths["title"].base == "A"
    assert grown.judge(seen, mode="replay", base=4).effect == effects.Update(node="a", set={"title": "Mine"})
    details = {"op": "configure", "set": {"name": "Mine"}}
    grown.ask({"op": "configure", "set": {"name": "Theirs"}}, who="bo")
    assert grown.set_aside(details, base=0).paths["name"].theirs == "Theirs"
    assert grown.judge({**details, "was": {"name": "Theirs"}}, mode="replay", base=0).effect is not None


def test_configure_collides_like_an_update(grown: Grown) -> None:
    """[CF2, CF3, ED20]"""
    grown.ask({"op": "configure", "set": {"name": "Theirs"}}, who="bo")
    op = {"op": "configure", "set": {"name": "Mine"}, "was": {"name": "Strategy"}}
    assert grown.judge(op, base=4).overwrote == {"name": Lost(value="Theirs", by="bo", seq=5)}
    assert grown.set_aside(op, base=4).paths["name"].base == "Strategy"
    assert grown.judge(op, mode="force", base=4).effect is not None


# ---- the trash


def test_an_update_in_the_trash_lands_there_live_and_by_force(grown: Grown) -> None:
    """[RS3, TR17]"""
    grown.ask({"op": "delete", "node": "a"}, who="bo")
    for mode in ("live", "force"):
        verdict = grown.judge(title("Mine"), mode=mode)
        assert verdict.in_trash
        assert verdict.effect is not None
    grown.ask(title("Mine"))
    grown.ask({"op": "restore", "node": "a"})
    assert grown.tree.nodes["a"].node.title == "Mine"


def test_an_update_in_the_trash_is_set_aside_in_replay(grown: Grown) -> None:
    """[CF10]"""
    grown.ask({"op": "delete", "node": "a"}, who="bo")
    aside = grown.set_aside(title("Mine"), base=4)
    assert aside.code == "node_missing"
    assert aside.paths["title"].mine == "Mine"


# ---- connections


def label(text: str) -> Json:
    return {"op": "update", "connection": "c", "set": {"label": text}}


def test_a_label_collides_like_a_field(grown: Grown) -> None:
    """[CF2, CF3, CF4]"""
    grown.ask(label("theirs"), who="bo")
    assert grown.judge(label("mine"), base=4).overwrote == {"label": Lost(value="theirs", by="bo", seq=5)}
    aside = grown.set_aside(label("mine"), base=4)
    assert aside.paths == {"label": ConflictPath(mine="mine", theirs="theirs", by="bo", seq=5)}
    forced = grown.judge(label("mine"), mode="force", base=4)
    assert forced.effect == effects.Update(connection="c", set={"label": "mine"})
    assert forced.overwrote
    assert not grown.judge(label("mine"), base=5).overwrote


def test_a_label_in_the_trash(grown: Grown) -> None:
    """[RS3, CF10]"""
    grown.ask({"op": "disconnect", "connection": "c"}, who="bo")
    assert grown.judge(label("mine")).in_trash
    assert grown.set_aside(label("mine")).code == "connection_missing"


# ---- what is refused


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("op", "code"),
    [
        ({"op": "update", "set": {"title": "x"}}, "invalid"),
        ({"op": "update", "node": "a", "connection": "c", "set": {"label": "x"}}, "invalid"),
        ({"op": "update", "connection": "c", "set": {"label": "x", "id": "y"}}, "invalid"),
        ({"op": "update", "connection": "c", "set": {}}, "invalid"),
        ({"op": "update", "connection": "c"}, "invalid"),
        ({"op": "update", "connection": "c", "set": {"label": "x"}, "unset": ["label"]}, "invalid"),
        ({"op": "update", "connection": "c", "set": {"label": 5}}, "invalid"),
        ({"op": "update", "connection": "c", "set": {"label": None}}, "invalid"),
        ({"op": "update", "connection": "c", "set": {"label": "a\x00"}}, "invalid"),
        ({"op": "update", "connection": "c", "set": {"label": "x" * 300_000}}, "too_large"),
        ({"op": "update", "connection": "none", "set": {"label": "x"}}, "connection_missing"),
        ({"op": "update", "node": "none", "set": {"title": "x"}}, "node_missing"),
        ({"op": "update", "node": "a", "set": {"position": {"x": 1, "y": 1}}}, "invalid"),
        ({"op": "update", "node": "a", "set": {"title": ""}}, "invalid"),
        ({"op": "update", "node": "a", "set": {"description": "x" * 300_000}}, "too_large"),
        ({"op": "update", "node": "a", "set": {"metadata.k": 1}, "unset": ["metadata.k"]}, "invalid"),
        ({"op": "update", "node": "a", "set": {"title": "x"}, "was": {"title": float("nan")}}, "invalid"),
        ({"op": "configure", "set": {"name": "x"}, "was": {"name": b"x"}}, "invalid"),
        ({"op": "configure", "set": {"id": 5}}, "invalid"),
        ({"op": "configure", "unset": ["name"]}, "invalid"),
    ],
)
def test_what_is_refused_in_every_mode(grown: Grown, op: Json, code: str, mode: Mode) -> None:
    """[TR2, TR3, TR4, TR5, TR6, TR7, ED13] A judge's refusal; that some are conflicts in replay is decided above it."""
    assert grown.refused(op, mode=mode, base=0) == code
