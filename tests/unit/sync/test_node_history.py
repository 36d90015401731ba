"""What a node's history tells of the log."""

from __future__ import annotations

from typing import Any

from sync import effects
from sync.effects import Effect
from sync.identity import Author
from sync.node_history import NodeEvent, events_of
from sync.nodes import Node
from sync.ports import LoggedOp


def row(
    seq: int,
    effect: Effect,
    *,
    who: str = "ada",
    second: int = 0,
    inverse: dict[str, Any] | None = None,
    client: str = "c",
) -> LoggedOp:
    at = f"2026-01-05T10:{second // 60:02}:{second % 60:02}.000000Z"
    return LoggedOp(seq=seq, n=seq, author=Author(user=who, client=client), effect=effect, inverse=inverse or {}, at=at)


def typed(seq: int, delta: list[int | str], path: str = "title", **how: Any) -> LoggedOp:
    return row(seq, effects.Text(node="n", path=path, delta=delta), **how)


def told(*rows: LoggedOp) -> list[NodeEvent]:
    return events_of("n", sorted(rows, key=lambda row: -row.seq))


def test_what_one_person_types_in_one_go_is_one_line() -> None:
    """[HI11]"""
    (one,) = told(typed(1, ["a"]), typed(2, [1, "b"], second=299), typed(5, [2, "c"], second=598))
    assert (one.what, one.first, one.seq, one.delta, one.path) == ("typed", 1, 5, ["abc"], "title")


def test_another_person_another_text_a_pause_and_another_change_begin_a_line() -> None:
    """[HI11]"""
    changed = row(6, effects.Update(node="n", set={"title": "x"}), inverse={"set": {"title": "abc"}}, second=2)
    rows = [typed(1, ["a"]), typed(2, [1, "b"], who="bo"), typed(3, ["d"], path="description", who="bo")]
    rows += [typed(4, [1, "e"], path="description", who="bo", second=301), changed]
    rows += [typed(7, [1, "y"], second=3), typed(8, [2, "z"], second=4)]
    assert [(one.first, one.seq) for one in told(*rows)] == [(7, 8), (6, 6), (4, 4), (3, 3), (2, 2), (1, 1)]


def test_a_change_says_from_what() -> None:
    """[HI10]"""
    update = effects.Update(node="n", set={"title": "B", "metadata.k": 1}, unset=["metadata.gone"])
    (one,) = told(row(1, update, inverse={"set": {"title": "A", "metadata.gone": 0}, "unset": ["metadata.k"]}))
    assert [(field.path, field.before or None, field.after or None) for field in one.fields] == [
        ("title", "A", "B"),
        ("metadata.k", None, 1),
        ("metadata.gone", None, None),
    ]


def test_what_happens_to_others_too_says_with_whom() -> None:
    """[HI10]"""
    node = Node(id="n", parent="top", order="a0", type="metric", title="N")
    top = Node(id="top", parent=None, order="a0", type="metric", title="Top")
    rows = [
        row(1, effects.Import(nodes=[top, node], connections=[])),
        row(2, effects.Delete(node="top"), inverse={"nodes": {"top": None, "n": None}}),
        row(3, effects.Restore(node="top", nodes=[top, node], connections=[])),
        row(4, effects.Move(node="n", parent=None, order="a1"), inverse={"parent": "top"}),
        row(5, effects.Move(node="n", parent=None, order="a2"), client="respace:1"),
        row(6, effects.Delete(node="n")),
        row(7, effects.Purge(node="n")),
    ]
    lines = [(one.what, one.along_with, one.parent, one.before) for one in told(*rows)][::-1]
    unset = NodeEvent(seq=0, first=0, at="", what="made", user="").parent
    assert lines == [
        ("made", "", "top", unset),
        ("deleted", "top", unset, unset),
        ("restored", "top", "top", unset),
        ("moved", "", None, "top"),
        ("deleted", "", unset, unset),
        ("purged", "", unset, unset),
    ]
