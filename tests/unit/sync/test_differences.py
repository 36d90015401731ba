"""What is different between two states, and how it is told."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from sync.differences import Difference, difference
from sync.merge import pieces
from sync.nodes import Node, State
from sync.restoring import same_content
from sync.sentences import MOST, sentences
from tests import past
from tests.trees import Grown


def family() -> Grown:
    one = Grown()
    one.insert("root", title="Strategy")
    for node in ("a", "b", "c"):
        one.insert(node, "root")
    one.insert("aa", "a")
    one.ask({"op": "connect", "connection": "x", "from": "aa", "to": "b", "label": "because"})
    return one


def between(*ops: dict[str, Any]) -> tuple[Difference, list[str]]:
    one = family()
    old = one.tree.state()
    for op in ops:
        one.ask(op, mode="force")
    new = one.tree.state()
    found = difference(old, new)
    return found, sentences(found, old, new)


HERE = {"x": 1, "y": 1}
TOLD: list[tuple[dict[str, Any], str]] = [
    ({"op": "delete", "node": "c"}, "The metric “C” was removed from “Strategy”."),
    ({"op": "move", "node": "aa", "parent": "b", "position": HERE}, "“AA” was moved from “A” to “B”."),
    ({"op": "move", "node": "aa", "parent": None, "position": HERE}, "“AA” was moved from “A” to the top."),
    ({"op": "move", "node": "a", "after": "c"}, "“A” was moved to another place under “Strategy”."),
    ({"op": "update", "node": "a", "set": {"title": "Grow"}}, "The title of “Grow” was changed from “A” to “Grow”."),
    (
        {"op": "update", "node": "a", "set": {"type": "outcome"}},
        "The type of “A” was changed from “metric” to “outcome”.",
    ),
    ({"op": "update", "node": "a", "set": {"template_data.core_why": "x"}}, "The core why of “A” was set to “x”."),
    ({"op": "configure", "set": {"name": "Plan"}}, "The name of the tree was changed from “Strategy” to “Plan”."),
    ({"op": "configure", "set": {"is_template": True}}, "The is template of the tree was changed from no to yes."),
    ({"op": "disconnect", "connection": "x"}, "A connection from “AA” to “B”, “because”, was removed."),
    ({"op": "connect", "connection": "y", "from": "a", "to": "c"}, "A connection from “A” to “C” was added."),
    (
        {"op": "update", "connection": "x", "set": {"label": ""}},
        "The connection from “AA” to “B” is called nothing instead of “because”.",
    ),
]


@pytest.mark.parametrize(("op", "sentence"), TOLD)
def test_each_change_is_a_sentence(op: dict[str, Any], sentence: str) -> None:
    """[HI9]"""
    assert between(op)[1] == [sentence]


def test_what_comes_or_goes_in_one_is_told_at_its_top() -> None:
    """[HI9] The JSON has each, with what lies below it."""
    found, told = between({"op": "delete", "node": "a"})
    assert [(line.node, line.below) for line in found.removed] == [("a", 1), ("aa", 0)]
    assert told == [
        "The metric “A” was removed from “Strategy” with 1 node below it.",
        "A connection from “AA” to “B”, “because”, was removed.",
    ]
    nodes = [{"id": "m", "type": "solution", "title": "M"}, {"id": "k", "parent": "m", "type": "metric", "title": "K"}]
    _, told = between({"op": "import", "parent": "b", "nodes": nodes, "connections": []})
    assert told == ["The solution “M” was added under “B” with 1 node below it."]


def test_a_drag_or_a_collapse_is_no_difference() -> None:
    found, told = between(
        {"op": "move", "node": "a", "position": HERE}, {"op": "update", "node": "a", "set": {"is_collapsed": True}}
    )
    assert told == []
    assert found == between()[0]


def test_a_long_text_is_told_by_its_words() -> None:
    """[HI8]"""
    long = "Everybody who plans together sees at once what the others have written about it"
    one = family()
    one.ask({"op": "update", "node": "a", "set": {"description": long}})
    old = one.tree.state()
    one.ask({"op": "update", "node": "a", "set": {"description": long.replace("plans together", "works")}})
    found = difference(old, one.tree.state())
    (change,) = found.changed[0].fields
    assert change.pieces
    assert [(piece.kind, piece.text) for piece in change.pieces] == [
        ("same", "Everybody who "),
        ("removed", "plans together"),
        ("added", "works"),
        ("same", " sees at once what the others have written about it"),
    ]
    assert sentences(found, old, one.tree.state()) == [
        "The description of “A” was rewritten: 1 word came, 2 words went."
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("", "a"),
        ("a", ""),
        ("the old bus", "the red car"),
        ("x" * 9_000 + " y", "y " * 9_000),
        ("🌳 a", "🌳 b"),
    ],
)
def test_pieces_make_both_texts(old: str, new: str) -> None:
    """[HI8]"""
    found = pieces(old, new)
    assert "".join(text for kind, text in found if kind != "added") == old
    assert "".join(text for kind, text in found if kind != "removed") == new
    assert all(one[0] != other[0] for one, other in pairwise(found))


def test_more_sentences_than_anyone_reads_are_counted() -> None:
    one = family()
    old = one.tree.state()
    for number in range(MOST + 10):
        one.insert(f"n{number}", "c")
    new = one.tree.state()
    told = sentences(difference(old, new), old, new)
    assert (len(told), told[-1]) == (MOST, "And 11 more changes.")


@pytest.mark.parametrize("part", range(3))
def test_a_difference_is_empty_exactly_where_there_is_none(part: int) -> None:
    """[HI7] And the other way round it is its mirror."""
    for seed in range(part * 100, part * 100 + 100):
        one = past.grown(seed)
        then = past.at(one, Random(seed).randrange(1, one.seq + 1))
        old, new = then.state(), one.tree.state()
        there, back = difference(old, new), difference(new, old)
        assert {line.node for line in there.added} == {line.node for line in back.removed}
        assert {line.node for line in there.changed} == {line.node for line in back.changed}
        if same_content(then, one.tree):
            assert not any(_lists(there))
        elif not any(_lists(there)):
            assert _unplaced(old) == _unplaced(new)
        assert len(sentences(there, old, new)) >= bool(there.added) + bool(there.removed)


def _lists(found: Difference) -> list[Any]:
    return [getattr(found, field) for field in found.__struct_fields__]


def _unplaced(state: State) -> Any:
    return {(node.id, node.parent, node.title) for node in state.nodes}


def test_how_many_came_with_a_node_is_summed_up_once() -> None:
    """However deep they lie: never once for each node above."""
    looked: list[str] = []

    class Counted(Node, frozen=True):
        def __getattribute__(self, name: str) -> Any:
            if name == "parent":
                looked.append(name)
            return super().__getattribute__(name)

    depth = 300
    nodes: list[Node] = [
        Counted(id=f"n{at}", parent=f"n{at - 1}" if at else None, order="a", type="metric", title="x", seq=1)
        for at in range(depth)
    ]
    none = family().tree.state()
    found = difference(none, msgspec.structs.replace(none, nodes=[*none.nodes, *nodes]))
    assert [line.below for line in found.added] == [*range(depth - 1, -1, -1)]
    assert len(looked) < 10 * depth


def test_all_texts_of_a_difference_share_what_may_be_spent_on_them() -> None:
    """[HI8] Word by word as long as it lasts; then what went and what came, whole."""
    text = "old and some more words " * 120
    one = family()
    nodes = [Node(id=f"n{at}", parent=None, order=f"a{at}", type="metric", title=text) for at in range(120)]
    old = msgspec.structs.replace(one.tree.state(), nodes=nodes)
    changed = [msgspec.structs.replace(node, title=text.replace("old", "new")) for node in nodes]
    told = [change.fields[0].pieces for change in difference(old, msgspec.structs.replace(old, nodes=changed)).changed]
    counts = [len(found) for found in told if isinstance(found, list)]
    assert len(counts) == len(nodes)
    assert counts[0] > 2
    assert counts[-1] == 2
